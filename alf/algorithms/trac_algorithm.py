"""Trust-region actor-critic (TRAC): actor-critic whose policy cannot jump in one update.

After the optimizer's step, the policy's new action distributions are held against those from
before it, on the observations of the update. Where their average distance exceeds a limit, the
step is shortened: parameters move to `old + ratio * (new - old)`, with `ratio` lowered until the
distance fits. The idea is TRPO's (Schulman et al., "Trust Region Policy Optimization",
https://arxiv.org/abs/1502.05477), with a backtracking first-order step in place of its solver.
"""

from collections.abc import Callable
from typing import Any

import torch

from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.settled_parameters import CHECKPOINT, ENV
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.distributions import Categorical, Distribution, map_params
from alf.errors import ConfigError
from alf.nest import flatten, flatten_up_to, map_structure
from alf.tensor_specs import TensorSpec

# Near the old policy both distances grow with the square of the step. Each try aims a little below
# the limit, since farther away they do not quite.
_AIM = 0.9
_MAX_TRIES = 20


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT)
class TracAlgorithm(Algorithm):
    """An actor-critic algorithm with a limit on how far an update moves the policy.

    The distance of two distributions is the squared distance of their logits for categorical
    ones, and the symmetric KL divergence for all others.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of bounded specs.
        reward_spec: a float32 scalar.
        config: the `TrainerConfig`, or `None` outside training.
        ac_algorithm_cls: the actor-critic algorithm; its `info` has an `action_distribution`.
        action_dist_clip_per_dim: limit of the average distance for each action dimension (for a
            discrete action, for each of its choices), above 0.
        optimizer: a spec from `alf.optimizers`; default the one of `ac_algorithm_cls`.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        config: Any = None,
        ac_algorithm_cls: Callable[..., Algorithm] = ActorCriticAlgorithm,
        action_dist_clip_per_dim: float = 0.01,
        optimizer: Any = None,
        debug_summaries: bool = False,
        name: str = "TracAlgorithm",
    ):
        ac_algorithm = ac_algorithm_cls(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            config=config,
            debug_summaries=debug_summaries,
        )
        if not ac_algorithm.on_policy:
            raise ConfigError(
                f"TracAlgorithm limits the one update that an unroll gets, and "
                f"{type(ac_algorithm).__name__} makes many of each: train it without TracAlgorithm "
                f"(PPO limits its updates by itself)"
            )
        if ac_algorithm.state_spec != ():
            raise ConfigError(
                f"TracAlgorithm holds a policy against its past on single observations, and "
                f"{type(ac_algorithm).__name__} has a memory ({ac_algorithm.state_spec}): give it "
                f"networks without one, or train it without TracAlgorithm"
            )
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            optimizer=optimizer if optimizer is not None else ac_algorithm.optimizer,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        self._ac_algorithm = ac_algorithm
        self._limits = [
            action_dist_clip_per_dim * _count_dims(spec) for spec in flatten(action_spec)
        ]
        self._old_parameters: list[torch.Tensor] = []

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Act as the actor-critic algorithm does."""
        return self._ac_algorithm.predict_step(inputs, state)

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Act as the actor-critic algorithm does."""
        return self._ac_algorithm.rollout_step(inputs, state)

    def train_step(self, inputs: TimeStep, state: Any, rollout_info: Any) -> AlgStep:
        """Compute as the actor-critic algorithm does."""
        return self._ac_algorithm.train_step(inputs, state, rollout_info)

    @property
    def has_batched_train_step(self) -> bool:
        """As the actor-critic algorithm says."""
        return self._ac_algorithm.has_batched_train_step

    def calc_loss(self, info: Any) -> LossInfo:
        """The loss of the actor-critic algorithm."""
        return self._ac_algorithm.calc_loss(info)

    def before_update(self, inputs: TimeStep, info: Any) -> None:
        """Remember where the parameters stood."""
        self._old_parameters = [p.detach().clone() for p in self.parameters()]

    @torch.no_grad()
    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Shorten the step until the policy has moved no further than the limit."""
        # The bootstrap row took no action yet, and the action at the end of an episode is ignored.
        inputs = map_structure(lambda x: x[:-1].flatten(0, 1), inputs)
        old_distribution = map_params(lambda x: x[:-1].flatten(0, 1), info.action_distribution)
        old = flatten_up_to(self._action_spec, old_distribution)
        valid = inputs.step_type != StepType.LAST
        parameters = list(self.parameters())
        new_parameters = [p.detach().clone() for p in parameters]
        ratio = 1.0
        for _ in range(_MAX_TRIES):
            excess = self._excess(inputs, old, valid)
            if excess <= 1.0:
                return
            ratio *= (_AIM / excess) ** 0.5
            for p, before, after in zip(
                parameters, self._old_parameters, new_parameters, strict=True
            ):
                p.copy_(before + ratio * (after - before))
        for p, before in zip(parameters, self._old_parameters, strict=True):
            p.copy_(before)

    def _excess(self, inputs: TimeStep, old: list[Distribution], valid: torch.Tensor) -> float:
        """How many times its limit the policy has moved, for the action that moved the most."""
        step = self._ac_algorithm.predict_step(inputs, ())
        new = flatten_up_to(self._action_spec, step.info.action_distribution)
        distances = [
            (distance(a, b) * valid).sum() / valid.sum() / limit
            for a, b, limit in zip(old, new, self._limits, strict=True)
        ]
        return float(torch.stack(distances).max())


def distance(old: Distribution, new: Distribution) -> torch.Tensor:
    """How far apart two batches of distributions of one family are, one number each."""
    if isinstance(old, Categorical) and isinstance(new, Categorical):
        return (old.logits - new.logits).square().sum(-1)
    return old.kl_divergence(new) + new.kl_divergence(old)


def _count_dims(spec: TensorSpec) -> int:
    """Dimensions of an action: choices of a discrete one, elements of a continuous one."""
    if spec.is_discrete:
        return int((spec.maximum - spec.minimum + 1).max()) * spec.numel  # type: ignore[attr-defined]
    return spec.numel
