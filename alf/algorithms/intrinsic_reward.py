"""What all rewards for curiosity share: transitions in, normalized rewards and a loss out."""

from typing import Any, ClassVar, NamedTuple

import torch

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec
from alf.transforms import Normalizer


class Transition(NamedTuple):
    """What an action led to, from where; a field that is not used is `()`.

    Attributes:
        observation: nest of `[..., B, ...]`, what was seen.
        action: nest of `[..., B, ...]`, what was done then.
        next_observation: nest of `[..., B, ...]`, what was seen after it.
    """

    observation: Any = ()
    action: Any = ()
    next_observation: Any = ()


class IntrinsicRewardAlgorithm(Algorithm):
    """Rewards what it cannot predict, and learns to predict it; part of an `Agent`.

    Rewards are the surprise that a transition is, divided by the running standard deviation of its
    discounted sums, as in section 2.4 of https://arxiv.org/abs/1810.12894; the sums begin anew with
    each unroll or sample. So they do not depend on a network's scale. They are smaller than 1 by
    about as many steps as a sum has that count: of samples of two steps they are of the order of 1.

    Subclasses define `surprise` and `transition_loss`, say in `uses` which fields of a transition
    they look at, and may count what they see in `count`.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of specs.
        reward_spec: a float32 scalar.
        gamma: discount in those sums, in `[0, 1]`.
        reward_clip: the largest reward; 0 for no limit.
        optimizer: a spec from `alf.optimizers`; `None` leaves its parameters to the `Agent`'s.
        config: the `TrainerConfig`, or `None` outside training.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: a number is out of its range.
    """

    uses: ClassVar[tuple[str, ...]] = Transition._fields

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        gamma: float = 0.99,
        reward_clip: float = 5.0,
        optimizer: Optimizer | None = None,
        config: Any = None,
        debug_summaries: bool = False,
        name: str = "IntrinsicRewardAlgorithm",
    ):
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            optimizer=optimizer,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        if not (0 <= gamma <= 1 and reward_clip >= 0):
            raise ConfigError(
                f"{name}: gamma is {gamma} and reward_clip {reward_clip}: give a gamma between 0 "
                f"and 1, and a limit that is not negative"
            )
        self._gamma = gamma
        self._sums = Normalizer((), zero_mean=False, clipping=reward_clip)

    def surprise(self, transition: Transition) -> torch.Tensor:
        """How far from what was predicted each transition is, `[N]`, not negative.

        Args:
            transition: `[N, ...]`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement surprise()")

    def transition_loss(self, transition: Transition) -> torch.Tensor:
        """What is minimised to predict better, `[N]`, with gradients.

        Args:
            transition: `[N, ...]`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement transition_loss()")

    def count(self, transition: Transition) -> None:
        """Let statistics of what is seen follow; called before `surprise`, with what counts.

        Args:
            transition: `[N, ...]`.
        """

    def transitions(self, inputs: TimeStep) -> tuple[Transition, torch.Tensor]:
        """The transitions that consecutive time steps are.

        Args:
            inputs: `[T, B, ...]`.

        Returns:
            The transitions, as far as they are used, and which of them count, bool `[T, B]`: none
            from the end of one episode to the start of the next one, and none of the last row,
            which leads nowhere; it is there so that there are as many rows as in `inputs`.
        """
        counts = inputs.step_type != StepType.LAST
        counts[-1] = False
        fields = {
            "observation": lambda: inputs.observation,
            "action": lambda: map_structure(_one_later, inputs.prev_action),
            "next_observation": lambda: map_structure(_one_later, inputs.observation),
        }
        return Transition(**{name: fields[name]() for name in self.uses}), counts

    @torch.no_grad()
    def intrinsic_reward(self, transition: Transition, counts: torch.Tensor) -> torch.Tensor:
        """The rewards of transitions, counted first, `[T, B]`; 0 where nothing counts.

        Args:
            transition: `[T, B, ...]`.
            counts: bool `[T, B]`.
        """
        flat = map_structure(lambda x: x.flatten(0, 1), transition)
        chosen = counts.flatten().nonzero()[:, 0]
        if len(chosen):
            self.count(map_structure(lambda x: x[chosen], flat))
        surprise = self.surprise(flat).view(counts.shape)
        surprise = torch.where(counts, surprise, 0.0)
        rows = max(1, counts.shape[0] - 1)  # the last one leads nowhere
        self._sums.update(_discounted_sums(surprise[:rows], self._gamma).flatten())
        reward = torch.where(counts, self._sums.normalize(surprise), 0.0)
        if summary.should_record_summaries():
            number = counts.sum().clamp(min=1)
            with summary.scope(self._name):
                summary.scalar("surprise", surprise.sum() / number)
                summary.scalar("reward", reward.sum() / number)
                summary.scalar("reward_max", reward.max())
        return reward

    def mean_loss(self, transition: Transition, counts: torch.Tensor) -> torch.Tensor:
        """The mean of `transition_loss` over what counts, a scalar with gradients.

        Args:
            transition: `[T, B, ...]`.
            counts: bool `[T, B]`.
        """
        flat = map_structure(lambda x: x.flatten(0, 1), transition)
        loss = torch.where(counts.flatten(), self.transition_loss(flat), 0.0)
        mean = loss.sum() / counts.sum().clamp(min=1)
        if summary.should_record_summaries():
            with summary.scope(self._name):
                summary.scalar("loss", mean)
        return mean


def _one_later(x: torch.Tensor) -> torch.Tensor:
    """`[T, B, ...]` moved up by a row; the last one stands twice."""
    return torch.cat([x[1:], x[-1:]])


def _discounted_sums(rewards: torch.Tensor, gamma: float) -> torch.Tensor:
    """`s_t = gamma s_{t-1} + r_t`, which starts with 0; `[T, B]`."""
    sums = torch.empty_like(rewards)
    total = torch.zeros_like(rewards[0])
    for t, reward in enumerate(rewards):
        total = gamma * total + reward
        sums[t] = total
    return sums
