"""Hindsight experience replay (HER): what was reached by chance is learned from as if intended.

Andrychowicz et al., "Hindsight Experience Replay", https://arxiv.org/abs/1707.01495

An observation tells the goal that is wanted and the one that is achieved, as those of
Gymnasium-Robotics do (https://robotics.farama.org/content/multi-goal_api/). The reward depends on
the two alone, so a step can be replayed with another goal, and its reward computed anew.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from alf import summary
from alf._config import configurable
from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.nest import get_field, set_field
from alf.replay import SampledBatch
from alf.tensor_specs import TensorSpec
from alf.transforms.base import DataTransformer, StatelessTransformer
from alf.transforms.reward import RewardTransformer

GoalFn = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_PREFIX = "time_step.observation."
_CHECKED_STEPS = 100
# One may lie so close to the threshold that it is decided by rounding.
_TOLERATED_REWARDS = 2


@configurable
def l2_dist_close_reward_fn(
    achieved_goal: torch.Tensor, goal: torch.Tensor, threshold: float = 0.05
) -> torch.Tensor:
    """0 within a Euclidean distance of the goal, else -1.

    Args:
        achieved_goal: `[..., k]`.
        goal: `[..., k]`.
        threshold: the distance, itself included, in the units of the goals.

    Returns:
        float32 `[...]`.
    """
    distance = torch.linalg.vector_norm(achieved_goal.float() - goal.float(), dim=-1)
    return -(distance > threshold).float()


@configurable
class HindsightExperienceTransformer(StatelessTransformer):
    """Gives some of the sampled steps a goal that was achieved later in the same episode.

    That is the paper's strategy "future": the goal is what one of the steps after the sample's
    first step achieved, each as likely as another. It stands in all steps of the sample that belong
    to that episode, and their rewards are those for reaching it. What the environment gives passes
    unchanged. Everything happens on whole batches.

    Among other transforms this one comes before those of the reward, which also see the new
    rewards, and the two goals keep their values: they are compared as they were stored.

    Args:
        observation_spec: nest of specs.
        her_proportion: the share of the samples that get another goal, in `[0, 1]`.
        achieved_goal_field: where the achieved goal is: `time_step.observation.` and a dotted path.
        desired_goal_field: the same for the goal that is wanted; a tensor of the same shape.
        reward_fn: `(achieved, desired) -> reward`, of goals `[T, B, ...]` a float32 `[T, B]`; what
            the environment gives for a step that achieves the one where the other is wanted.
        discount_fn: `(achieved, desired) -> discount`, likewise: 0 where the episode ends because
            the goal is reached. `None` if goals do not end episodes: discounts stay as they were.

    Raises:
        ConfigError: a number is out of its range, or a goal is not where it is said to be. Later,
            from the first steps: the environment gives other rewards than `reward_fn`.
    """

    def __init__(
        self,
        observation_spec: Any,
        her_proportion: float = 0.8,
        achieved_goal_field: str = "time_step.observation.achieved_goal",
        desired_goal_field: str = "time_step.observation.desired_goal",
        reward_fn: GoalFn = l2_dist_close_reward_fn,
        discount_fn: GoalFn | None = None,
    ):
        super().__init__(observation_spec, observation_spec)
        if not 0 <= her_proportion <= 1:
            raise ConfigError(
                f"HindsightExperienceTransformer.her_proportion is {her_proportion}: give a share "
                f"of the samples, between 0 and 1"
            )
        self._proportion = her_proportion
        self._achieved = _observed("achieved_goal_field", achieved_goal_field, observation_spec)
        self._desired = _observed("desired_goal_field", desired_goal_field, observation_spec)
        shapes = [
            tuple(get_field(observation_spec, field).shape)
            for field in (self._achieved, self._desired)
        ]
        if shapes[0] != shapes[1]:
            raise ConfigError(
                f"HindsightExperienceTransformer: achieved goals have the shape {shapes[0]} and "
                f"desired ones {shapes[1]}: name two fields that can be compared"
            )
        self._reward_fn = reward_fn
        self._discount_fn = discount_fn
        self._reward_transforms: list[RewardTransformer] = []
        self._steps_to_check = _CHECKED_STEPS
        self._wrong_rewards = 0

    @property
    def changes_samples(self) -> bool:
        """Yes: that is what it is for."""
        return True

    def stand_among(self, members: Sequence[DataTransformer]) -> None:
        """Remember the transforms that rewards go through; see the base.

        Raises:
            ConfigError: rewards are changed before this transform, or goals anywhere.
        """
        before = members[: members.index(self)]
        for member in members:
            name = type(member).__name__
            if member in before and isinstance(member, RewardTransformer):
                raise ConfigError(
                    f"{name} changes rewards before HindsightExperienceTransformer sees them: put "
                    f"it after HindsightExperienceTransformer in data_transformer_ctor"
                )
            for goal in (self._achieved, self._desired):
                if any(field in ("", goal) for field in member.changed_fields):
                    raise ConfigError(
                        f"{name} changes {goal!r}, which HindsightExperienceTransformer compares "
                        f"as it was: give {name} the fields of the observation that are no goals"
                    )
        self._reward_transforms = [m for m in members if isinstance(m, RewardTransformer)]

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The time step itself; the first ones are looked at, whether `reward_fn` is true."""
        if self._steps_to_check and self.training:
            self._steps_to_check -= 1
            self._check(timestep)
        return timestep

    @torch.no_grad()
    def transform_sample(self, time_steps: TimeStep, batch: SampledBatch) -> TimeStep:
        """The steps of a sample, some of them with other goals and rewards.

        Args:
            time_steps: `[T, B, ...]`; they are not changed.
            batch: the sample that they are of, whose buffer holds `(TimeStep, ...)`.
        """
        chosen, achieved = self._draw(time_steps, batch)
        is_first = time_steps.is_first()
        # What comes after the end of the first step's episode keeps its goal.
        begun_later = is_first.clone()
        begun_later[0] = False
        relabel = (begun_later.cumsum(0) == 0) & chosen
        observation = time_steps.observation
        desired = get_field(observation, self._desired)
        outer = relabel.view(*relabel.shape, *[1] * (desired.dim() - 2))
        desired = torch.where(outer, achieved.to(desired.dtype), desired)
        reached = get_field(observation, self._achieved)
        # No action led to the first step of an episode, so it has no reward.
        judged = relabel & ~is_first
        reward = self._reward_fn(reached, desired)
        for transform in self._reward_transforms:
            reward = transform(reward)
        discount = time_steps.discount
        if self._discount_fn is not None:
            discount = torch.where(judged, self._discount_fn(reached, desired), discount)
        if summary.should_record_summaries():
            _summarize(chosen, reward[1:][judged[1:]])
        return time_steps._replace(
            observation=set_field(observation, self._desired, desired),
            reward=torch.where(judged, reward, time_steps.reward),
            discount=discount,
        )

    def _draw(self, time_steps: TimeStep, batch: SampledBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Which samples get a new goal, bool `[B]`, and the goals, `[B, ...]`."""
        now = batch.positions
        left = batch.buffer.episode_ends(batch.env_ids, now) - now
        # From the CPU's generator, like the samples: one seed draws the same on any device.
        chosen = (torch.rand(now.shape) < self._proportion) & (left > 0)
        ahead = 1 + (torch.rand(now.shape, dtype=torch.float64) * left).long()
        later = torch.where(left > 0, now + ahead, now)
        future = batch.buffer.get_batch(batch.env_ids, later).experience[0]
        achieved = get_field(future.observation, self._achieved)[0]
        return chosen.to(time_steps.reward.device), achieved

    def _check(self, timestep: TimeStep) -> None:
        achieved = get_field(timestep.observation, self._achieved)
        desired = get_field(timestep.observation, self._desired)
        told = self._reward_fn(achieved.unsqueeze(0), desired.unsqueeze(0))
        if told.shape != (1, *timestep.reward.shape):
            raise ConfigError(
                f"HindsightExperienceTransformer.reward_fn gave {tuple(told.shape)} for goals "
                f"{tuple(achieved.unsqueeze(0).shape)}: it must give one reward for each"
            )
        differs = (told[0] - timestep.reward).abs() > 1e-4
        differs &= ~timestep.is_first()
        self._wrong_rewards += int(differs.sum())
        if self._wrong_rewards > _TOLERATED_REWARDS and differs.any():
            env = int(differs.nonzero()[0])
            raise ConfigError(
                f"the environment gave the reward {float(timestep.reward[env]):g} where "
                f"HindsightExperienceTransformer.reward_fn gives {float(told[0, env]):g}: "
                f"give a reward_fn that computes the environment's own reward from the achieved "
                f"and the desired goal"
            )


def _summarize(chosen: torch.Tensor, rewards: torch.Tensor) -> None:
    """How many samples got another goal, and the mean reward of the actions in them, if any."""
    with summary.scope("HindsightExperienceTransformer"):
        summary.scalar("relabelled", chosen.float().mean())
        if len(rewards):
            summary.scalar("reward", rewards.mean())


def _observed(parameter: str, field: str, observation_spec: Any) -> str:
    """The path within the observation.

    Raises:
        ConfigError: it is another path, or not that of a tensor.
    """
    path = field.removeprefix(_PREFIX)
    try:
        found = get_field(observation_spec, path) if path != field and path else None
    except LookupError as error:
        raise ConfigError(f"HindsightExperienceTransformer.{parameter}: {error}") from None
    if not isinstance(found, TensorSpec):
        raise ConfigError(
            f"HindsightExperienceTransformer.{parameter} is {field!r}: give {_PREFIX!r} and the "
            f"dotted path of a tensor of the observation, for example '{_PREFIX}desired_goal'"
        )
    return path
