"""Trust-region actor-critic (TRAC): actor-critic whose policy cannot jump in one update.

After the optimizer's step, the policy's new action distributions are held against those from
before it, on the observations of the update. Where their average distance exceeds a limit, the
step is shortened: parameters move to `old + ratio * (new - old)`, with `ratio` lowered until the
distance fits. The idea is TRPO's (Schulman et al., "Trust Region Policy Optimization",
https://arxiv.org/abs/1502.05477), with a backtracking first-order step in place of its solver.

Updates may be on unrolls or on replayed experience, and the policy may be one that gives an action
rather than a distribution.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.settled_parameters import CHECKPOINT, ENV
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.distributions import Categorical, Distribution, map_params
from alf.errors import ConfigError
from alf.nest import flatten, flatten_up_to, map_structure
from alf.optimizers import Optimizer
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
    ones, and the symmetric KL divergence for all others. That of two actions, where the policy
    gives no distribution, is their squared distance.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of bounded specs.
        reward_spec: a float32 scalar.
        config: the `TrainerConfig`, or `None` outside training.
        ac_algorithm_cls: the actor-critic algorithm; the `info` of its `predict_step` has an
            `action_distribution`, or a `greedy_action`.
        action_dist_clip_per_dim: limit of the average distance for each action dimension (for a
            discrete action, for each of its choices), above 0.
        optimizer: a spec from `alf.optimizers` for all parameters; default those of
            `ac_algorithm_cls`.
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
        optimizer: Optimizer | None = None,
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
        if isinstance(ac_algorithm, PPOAlgorithm):
            raise ConfigError(
                f"TracAlgorithm limits each update by itself, and {type(ac_algorithm).__name__} "
                f"makes many of an unroll: train it without TracAlgorithm (PPO limits its updates "
                f"by itself)"
            )
        needs_state = ac_algorithm.stores_memory or not ac_algorithm.state_is_for_acting
        if ac_algorithm.state_spec != () and needs_state:
            raise ConfigError(
                f"TracAlgorithm holds a policy against its past on single observations, and "
                f"{type(ac_algorithm).__name__} has a memory ({ac_algorithm.state_spec}): give it "
                f"networks without one, or train it without TracAlgorithm"
            )
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            state_spec=ac_algorithm.state_spec,
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
        self._old_policy: list[Any] = []

    @property
    def on_policy(self) -> bool:
        """As the actor-critic algorithm says."""
        return self._ac_algorithm.on_policy

    @property
    def state_is_for_acting(self) -> bool:
        """As the actor-critic algorithm says."""
        return self._ac_algorithm.state_is_for_acting

    @property
    def loss_variant(self) -> Any:
        """As the actor-critic algorithm says."""
        return self._ac_algorithm.loss_variant

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """One for all parameters, or those of the actor-critic algorithm."""
        if self._optimizer is not None:
            return super().optimizers()
        return self._ac_algorithm.optimizers()

    def initial_state(self, batch_size: int) -> Any:
        """That of the actor-critic algorithm."""
        return self._ac_algorithm.initial_state(batch_size)

    def convert_train_state_to_predict_state(self, state: Any) -> Any:
        """As the actor-critic algorithm does."""
        return self._ac_algorithm.convert_train_state_to_predict_state(state)

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
    def prepares_unrolls(self) -> bool:
        """As the actor-critic algorithm says."""
        return self._ac_algorithm.prepares_unrolls

    @property
    def has_batched_train_step(self) -> bool:
        """As the actor-critic algorithm says."""
        return self._ac_algorithm.has_batched_train_step

    def calc_loss(self, info: Any) -> LossInfo:
        """The loss of the actor-critic algorithm."""
        return self._ac_algorithm.calc_loss(info)

    def preprocess_experience(self, inputs: TimeStep, rollout_info: Any) -> tuple[TimeStep, Any]:
        """As the actor-critic algorithm does."""
        return self._ac_algorithm.preprocess_experience(inputs, rollout_info)

    def batch_loss(self, inputs: TimeStep, rollout_info: Any) -> tuple[LossInfo, Any]:
        """The loss of the actor-critic algorithm."""
        return self._ac_algorithm.batch_loss(inputs, rollout_info)

    def should_stop_epochs(self, info: Any) -> bool:
        """As the actor-critic algorithm says."""
        return self._ac_algorithm.should_stop_epochs(info)

    def after_train_iter(self, inputs: TimeStep, info: Any) -> None:
        """Pass it on."""
        self._ac_algorithm.after_train_iter(inputs, info)

    def before_update(self, inputs: TimeStep, info: Any) -> None:
        """Remember where the parameters stood, and what the policy was."""
        self._old_parameters = [p.detach().clone() for p in self._trained()]
        distribution = getattr(info, "action_distribution", ())
        if _is_there(distribution):  # the loss was computed from it: no need to do so once more
            distribution = map_params(_acting_rows, distribution)
            self._old_policy = flatten_up_to(self._action_spec, distribution)
        else:
            self._old_policy = self._policy(map_structure(_acting_rows, inputs))
        self._ac_algorithm.before_update(inputs, info)

    @torch.no_grad()
    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Shorten the step until the policy has moved no further than the limit."""
        self._shorten(map_structure(_acting_rows, inputs))
        self._ac_algorithm.after_update(inputs, info)

    def _shorten(self, inputs: TimeStep) -> None:
        valid = inputs.step_type != StepType.LAST
        parameters = self._trained()
        new_parameters = [p.detach().clone() for p in parameters]
        ratio = 1.0
        for _ in range(_MAX_TRIES):
            excess = self._excess(inputs, valid)
            if excess <= 1.0:
                return
            ratio *= (_AIM / excess) ** 0.5
            for p, before, after in zip(
                parameters, self._old_parameters, new_parameters, strict=True
            ):
                p.copy_(before + ratio * (after - before))
        for p, before in zip(parameters, self._old_parameters, strict=True):
            p.copy_(before)

    def _trained(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]

    def _excess(self, inputs: TimeStep, valid: torch.Tensor) -> float:
        """How many times its limit the policy has moved, for the action that moved the most."""
        count = valid.sum().clamp(min=1)
        pairs = zip(self._old_policy, self._policy(inputs), self._limits, strict=True)
        distances = [(distance(a, b) * valid).sum() / count / limit for a, b, limit in pairs]
        return float(torch.stack(distances).max())

    @torch.no_grad()
    def _policy(self, inputs: TimeStep) -> list[Any]:
        """What the policy says of each leaf of the action: a distribution, or an action.

        Raises:
            ConfigError: the actor-critic algorithm tells neither.
        """
        algorithm = self._ac_algorithm
        state = algorithm.initial_state(inputs.step_type.shape[0])
        state = algorithm.convert_train_state_to_predict_state(state)
        info = algorithm.predict_step(inputs, state).info
        for name in ("action_distribution", "greedy_action"):
            said = getattr(info, name, ())
            if _is_there(said):
                return flatten_up_to(self._action_spec, said)
        raise ConfigError(
            f"TracAlgorithm limits how far a policy moves, and the info of "
            f"{type(algorithm).__name__}.predict_step() has neither an action_distribution nor a "
            f"greedy_action: train it without TracAlgorithm"
        )


def _acting_rows(x: torch.Tensor) -> torch.Tensor:
    """`[T, B, ...]` as `[N, ...]`, without the bootstrap row, which took no action yet.

    A single row is one of steps that were picked, not one that bootstraps.
    """
    return (x[:-1] if x.shape[0] > 1 else x).flatten(0, 1)


def _is_there(field: Any) -> bool:
    return not (isinstance(field, tuple) and len(field) == 0)


def distance(old: Distribution | torch.Tensor, new: Distribution | torch.Tensor) -> torch.Tensor:
    """How far apart two batches of distributions of one family, or of actions, are, `[N]`."""
    if isinstance(old, torch.Tensor):
        assert isinstance(new, torch.Tensor), type(new)
        return (old - new).square().view(old.shape[0], -1).sum(-1)
    assert isinstance(new, Distribution), type(new)
    if isinstance(old, Categorical) and isinstance(new, Categorical):
        return (old.logits - new.logits).square().sum(-1)
    return old.kl_divergence(new) + new.kl_divergence(old)


def _count_dims(spec: TensorSpec) -> int:
    """Dimensions of an action: choices of a discrete one, elements of a continuous one."""
    if spec.is_discrete:
        return int((spec.maximum - spec.minimum + 1).max()) * spec.numel  # type: ignore[attr-defined]
    return spec.numel
