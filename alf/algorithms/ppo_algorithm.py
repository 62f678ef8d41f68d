"""Proximal policy optimization (PPO).

Schulman et al., "Proximal Policy Optimization Algorithms", https://arxiv.org/abs/1707.06347

The policy acts for an unroll; then it is trained on the unroll for several epochs of minibatches,
by a loss (see `PPOLoss`) that stops paying where the policy leaves the one that acted. Advantages
and the values' targets are those of the policy that acted: they are estimated once, before the
first epoch.

Networks with a memory are trained on sequences in the place of steps. The rollout stores the memory
that each step began with; an unroll is cut into sequences that begin with what was stored, and
gradients go back to there.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from alf import summary
from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm, ActorCriticState
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.algorithms.algorithm import reset_state
from alf.algorithms.ppo_loss import PPOLoss
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.distributions import compute_log_probability, map_params, sample_action_distribution
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks.network import Network, on_rows, over_time
from alf.ops.returns import generalized_advantage_estimation
from alf.ops.value_losses import explained_variance
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec

__all__ = ["PPOAlgorithm", "PPOInfo", "PPOLoss"]


class PPOInfo(NamedTuple):
    """What is known of each step; a field that is not filled yet is `()`.

    Attributes:
        action: what the policy that acted took.
        rollout_action_distribution: what it drew the action from, until it is summed up in
            `rollout_log_prob`.
        rollout_log_prob: log probability of the action then.
        rollout_value: value before the update, for a loss that clips values.
        advantages: of the action, from GAE.
        returns: target of the value.
        action_distribution: of the policy being trained, with gradients.
        value: of the network being trained, with gradients.
        memory: of the networks before each step, or before each sequence; `()` without any.
        sequence: of networks with a memory: the time steps of each sequence.
    """

    action: Any = ()
    rollout_action_distribution: Any = ()
    rollout_log_prob: Any = ()
    rollout_value: Any = ()
    advantages: Any = ()
    returns: Any = ()
    action_distribution: Any = ()
    value: Any = ()
    memory: Any = ()
    sequence: Any = ()


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT, reward_weights=REWARD_WEIGHTS)
class PPOAlgorithm(ActorCriticAlgorithm):
    """Learn a policy and its value from several passes over each unroll.

    With a memory, `TrainerConfig.mini_batch_size` counts sequences of
    `TrainerConfig.mini_batch_length` steps, of which an unroll is a multiple; by default a sequence
    is a whole unroll.

    What is `None` is taken from what `ActorCriticAlgorithm` is configured with.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of bounded specs.
        reward_spec: a float32 scalar.
        actor_network_ctor: `(input_tensor_spec=, action_spec=)` -> network that gives a nest of
            distributions, with a memory or without.
        value_network_ctor: `(input_tensor_spec=)` -> network that gives `[B]` values, likewise.
        epsilon_greedy: probability, in `[0, 1]`, with which `predict_step` samples the policy
            instead of taking its mode.
        config: the `TrainerConfig`, or `None` outside training.
        loss: a `PPOLoss`; default `loss_class(debug_summaries=debug_summaries)`.
        loss_class: class of the loss, `PPOLoss` or a subclass; default `PPOLoss`.
        optimizer: a spec from `alf.optimizers`.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: the loss is not a `PPOLoss`, or an unroll cannot be cut into sequences.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_ctor: Callable[..., Network] | None = None,
        value_network_ctor: Callable[..., Network] | None = None,
        epsilon_greedy: float | None = None,
        config: Any = None,
        loss: PPOLoss | None = None,
        loss_class: Callable[..., PPOLoss] | None = None,
        optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "PPOAlgorithm",
    ):
        choices = {
            "actor_network_ctor": actor_network_ctor,
            "value_network_ctor": value_network_ctor,
            "epsilon_greedy": epsilon_greedy,
            "loss": loss,
            "loss_class": loss_class,
            "optimizer": optimizer,
        }
        # What is not passed on is what the configuration says of the base class.
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
            **{key: value for key, value in choices.items() if value is not None},
        )
        self._sequence_length = _sequence_length(config) if self.stores_memory else 1
        self._loss = self._ppo_loss = _as_ppo_loss(self._loss, debug_summaries)

    @property
    def on_policy(self) -> bool:
        """An unroll is used for several updates."""
        return False

    @property
    def state_is_for_acting(self) -> bool:
        """Training finds the memory in the info."""
        return True

    @property
    def stores_memory(self) -> bool:
        """Whether a network has one."""
        return self._state_spec != ()

    @property
    def cuts_unrolls(self) -> bool:
        """Into sequences, for networks with a memory."""
        return self.stores_memory

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Sample the policy."""
        memory = state or ActorCriticState()
        distribution, actor_state = self._actor_network(inputs.observation, memory.actor)
        action = sample_action_distribution(distribution)
        info = PPOInfo(action=action, rollout_action_distribution=distribution, memory=state)
        if state == ():
            return AlgStep(output=action, state=state, info=info)
        value_state = memory.value
        if value_state != ():
            _, value_state = self._value_network(inputs.observation, value_state)
        return AlgStep(action, ActorCriticState(actor_state, value_state), info)

    @torch.no_grad()
    def preprocess_experience(
        self, inputs: TimeStep, rollout_info: PPOInfo
    ) -> tuple[TimeStep, PPOInfo]:
        """Estimate the advantages of an unroll and the targets of its values.

        The value network sees the whole unroll at once, here, rather than a step at a time in the
        rollout: its parameters are still the same.

        Args:
            inputs: `[T, B, ...]`; the last row is the bootstrap step.
            rollout_info: from `rollout_step`, `[T, B, ...]`.

        Returns:
            What training looks at, so that no more has to be shuffled: step types and observations
            of the inputs, and an info of actions, log probabilities, advantages and returns (the
            values too, for a loss that clips them), all `[T, B]`. The last row has advantage 0 and
            its own value as its return.
        """
        values = self._rollout_values(inputs, rollout_info)
        gamma, td_lambda = self._ppo_loss.gamma, self._ppo_loss.td_lambda
        advantages = torch.zeros_like(values)
        advantages[:-1] = generalized_advantage_estimation(
            inputs.reward, values, inputs.step_type, inputs.discount * gamma, td_lambda
        )
        returns = advantages + values
        if summary.should_record_summaries():
            valid = inputs.step_type[:-1] != StepType.LAST
            with summary.scope(self._name):
                explained = explained_variance(values[:-1], returns[:-1], valid)
                summary.scalar("explained_variance", explained)
        distribution, action = rollout_info.rollout_action_distribution, rollout_info.action
        info = rollout_info._replace(
            rollout_action_distribution=(),
            rollout_log_prob=compute_log_probability(distribution, action),
            rollout_value=values if self._ppo_loss.clips_values else (),
            advantages=advantages,
            returns=returns,
        )
        seen = TimeStep(step_type=inputs.step_type, observation=inputs.observation)
        if self.stores_memory:
            return cut_into_sequences(seen, info, self._sequence_length)
        return seen, info

    def _rollout_values(self, inputs: TimeStep, rollout_info: PPOInfo) -> torch.Tensor:
        """The value `[T, B]` of each row, from the memory that the rollout had there."""
        memory = rollout_info.memory or ActorCriticState()
        if memory.value == ():
            return on_rows(
                lambda x: self._value_network(x, ())[0], inputs.observation, inputs.step_type
            )
        # The memory of the last row, which has not acted yet, is what the row before leaves behind.
        last = map_structure(lambda x: x[-2], (inputs.observation, memory.value))
        _, left = self._value_network(*last)
        left = reset_state(left, map_structure(torch.zeros_like, left), inputs.is_first()[-1])
        state = map_structure(lambda x, y: torch.cat([x[:-1], y[None]]), memory.value, left)
        return on_rows(
            lambda x: self._value_network(*x)[0], (inputs.observation, state), inputs.step_type
        )

    def batch_loss(self, inputs: TimeStep, rollout_info: PPOInfo) -> tuple[LossInfo, PPOInfo]:
        """The loss of steps `[1, N]`, or of all steps of sequences `[1, N, L]`."""
        if not self.stores_memory:
            return super().batch_loss(inputs, rollout_info)
        info = self._train_over_time(rollout_info)
        return self.calc_loss(info), info

    def _train_over_time(self, rollout_info: PPOInfo) -> PPOInfo:
        """`train_step` for sequences: the info `[1, M]` of those `M` steps that count."""
        memory = map_structure(lambda x: x[0], rollout_info.memory)
        step_type, observation = map_structure(
            lambda x: x[0].transpose(0, 1), rollout_info.sequence
        )
        first, counts = step_type == StepType.FIRST, step_type != StepType.LAST
        distribution = over_time(self._actor_network, observation, memory.actor, first).output
        value = over_time(self._value_network, observation, memory.value, first).output
        known = rollout_info._replace(memory=(), sequence=())
        known = map_params(lambda x: x[0].transpose(0, 1), known)
        info = known._replace(action_distribution=distribution, value=value)
        return map_params(lambda x: x[counts].unsqueeze(0), info)

    def train_step(self, inputs: TimeStep, state: Any, rollout_info: Any) -> AlgStep:
        """The distribution and the value of each step, by networks without memory."""
        distribution, _ = self._actor_network(inputs.observation, ())
        value, _ = self._value_network(inputs.observation, ())
        info = rollout_info._replace(action_distribution=distribution, value=value)
        return AlgStep(output=rollout_info.action, state=state, info=info)

    def calc_loss(self, info: Any) -> LossInfo:
        """See `PPOLoss`."""
        return self._ppo_loss(info)

    def should_stop_epochs(self, info: Any) -> bool:
        """Whether the policy has moved further than `PPOLoss.max_kl`."""
        return self._ppo_loss.is_too_far(info)


def cut_into_sequences(inputs: TimeStep, info: PPOInfo, length: int) -> tuple[TimeStep, PPOInfo]:
    """An unroll as a batch of sequences, which take the place of steps.

    Args:
        inputs: `[T + 1, B, ...]`; the last row bootstraps, and is left out.
        info: likewise, with the memory before each step.
        length: `L`, a divisor of `T`.

    Returns:
        Both with the leading dimensions `[K + 1, B]`, `K = T / L`; the last row stands in for the
        one that bootstraps. The step types of the first are those of sequences, which all count;
        the time steps themselves are in `info.sequence`, `[K + 1, B, L, ...]` like all of the info
        but `memory`, which is that before the first step.
    """
    rows = inputs.step_type.shape[0] - 1
    assert rows % length == 0, f"{rows} rows, {length} each"

    def cut(x: torch.Tensor) -> torch.Tensor:
        parts = x[:-1].unflatten(0, (-1, length)).transpose(1, 2)
        return torch.cat([parts, parts[-1:]])

    def begin(x: torch.Tensor) -> torch.Tensor:
        starts = x[:-1:length]
        return torch.cat([starts, starts[-1:]])

    memory = map_structure(begin, info.memory)
    steps = map_params(cut, info._replace(memory=()))
    sequence = (cut(inputs.step_type), map_structure(cut, inputs.observation))
    kinds = torch.full_like(begin(inputs.step_type), StepType.MID)
    return TimeStep(step_type=kinds), steps._replace(memory=memory, sequence=sequence)


def _sequence_length(config: Any) -> int:
    """How many steps a sequence has.

    Raises:
        ConfigError: an unroll is no multiple of it.
    """
    if config is None:
        return 1
    length = config.mini_batch_length or config.unroll_length
    if length < 1 or config.unroll_length % length:
        raise ConfigError(
            f"PPOAlgorithm has networks with a memory and learns from sequences, and "
            f"TrainerConfig.unroll_length, {config.unroll_length}, is no multiple of "
            f"TrainerConfig.mini_batch_length, {length}: make it one"
        )
    return length


def _as_ppo_loss(loss: Any, debug_summaries: bool) -> PPOLoss:
    """The loss that was asked for; `PPOLoss` where only the base class's default was there."""
    if type(loss) is ActorCriticLoss:
        return PPOLoss(debug_summaries=debug_summaries)
    if not isinstance(loss, PPOLoss):
        raise ConfigError(
            f"PPOAlgorithm was given the loss {type(loss).__name__}, which knows nothing of the "
            f"policy that acted: give it PPOLoss or a subclass, for example "
            f"alf.config('PPOAlgorithm', loss_class=PPOLoss)"
        )
    return loss
