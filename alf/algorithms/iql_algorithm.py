"""Implicit Q-learning (IQL): the best of what was recorded, without asking for anything else.

Kostrikov, Nair and Levine, "Offline Reinforcement Learning with Implicit Q-Learning",
https://arxiv.org/abs/2110.06169

No action is ever valued that was not done. The value of a state is an upper expectile of the values
of the actions that were done there (equation 5), values of actions are learned from those values
(6), and the policy is what was done, weighed by how much better it was than that (7).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from alf import summary
from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.action_parts import ActionParts
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.critic_values import lowest, without_memory
from alf.algorithms.exploration import epsilon_in_play
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.replay_priority import sequence_priority
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.algorithms.target_update import TargetUpdater, make_target
from alf.algorithms.td_loss import TDLoss, with_successor
from alf.algorithms.transitions import before_and_after
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.distributions import (
    compute_log_probability,
    epsilon_greedy_sample,
    sample_action_distribution,
)
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks.actor_distribution_networks import ActorDistributionNetwork
from alf.networks.critic_networks import CriticNetwork
from alf.networks.network import Network
from alf.networks.parallel_networks import make_parallel
from alf.networks.q_networks import QNetwork
from alf.networks.value_networks import ValueNetwork
from alf.ops.value_losses import expectile_loss
from alf.optimizers import Optimizer
from alf.summary.context import CONTEXT
from alf.tensor_specs import TensorSpec


class IqlInfo(NamedTuple):
    """What the loss needs of a sample, and what a policy has to show.

    Attributes:
        step_type: `[T, B]`.
        discount: `[T, B]`.
        reward: `[T, B]`.
        action: what was done, nest of `[T, B, ...]`.
        action_distribution: the policy, a nest like the action: of the `(T - 1) * B` rows but the
            last ones, from `predict_step` of `B`.
        critic_value: values of what was done, `[T - 1, B, R]`.
        target_value: the lowest of the target critics' values of it, `[T - 1, B]`.
        value: of the state, `[T - 1, B]`; from `predict_step` while panels are drawn, `[B]`.
        next_value: values of the states of the rows `1, ..., T - 1`, `[T - 1, B]`.
        log_prob: of what was done, by the policy, `[T - 1, B]`.
        q_values: from `predict_step` while panels are drawn, the lowest values of all choices of a
            discrete action, `[B, n]`.
    """

    step_type: Any = ()
    discount: Any = ()
    reward: Any = ()
    action: Any = ()
    action_distribution: Any = ()
    critic_value: Any = ()
    target_value: Any = ()
    value: Any = ()
    next_value: Any = ()
    log_prob: Any = ()
    q_values: Any = ()


class IqlLossInfo(NamedTuple):
    """The terms of the loss, `[T - 1, B]`, and where a summary is due what tells how it goes.

    Attributes:
        actor: of the actions that were recorded, by their weight.
        critic: of the values of actions.
        value: of the expectile.
        td: see `TDLossInfo`; `()` where no summary is due, as are those below.
        advantage: of the actions that were recorded.
        weight: what it makes of them, `exp` of it, bounded.
    """

    actor: Any = ()
    critic: Any = ()
    value: Any = ()
    td: Any = ()
    advantage: Any = ()
    weight: Any = ()


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT, reward_weights=REWARD_WEIGHTS)
class IqlAlgorithm(Algorithm):
    """Learn a policy and its values from recorded episodes; see `TrainerConfig.offline_buffer_dir`.

    It can also go on from its own experience in a replay buffer, as the paper does (section 5.3).

    Let the projection network keep its default, in which the mean alone is squashed into the
    bounds: a squashed distribution gives an action at its bounds, where recorded ones often are,
    no density.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of specs; at most one is discrete (bounded integers of shape `()`).
        reward_spec: a float32 scalar.
        actor_network_cls: `(input_tensor_spec=, action_spec=)` -> network that gives a nest of
            distributions.
        v_network_cls: `(input_tensor_spec=)` -> network that gives `[B]` values of observations.
        critic_network_cls: `(input_tensor_spec=)` -> network that gives `[B]` values of pairs of
            observation and action; used where all actions are continuous.
        q_network_cls: `(input_tensor_spec=, action_spec=)` -> network that gives `[B, n]` values
            of a discrete action; its input is the observation, or the pair of the observation and
            the continuous part.
        epsilon_greedy: probability, in `[0, 1]`, with which `predict_step` samples the policy
            instead of taking its mode; `None` takes `TrainerConfig.epsilon_greedy`.
        calculate_priority: give priorities for replay, also where `TrainerConfig.priority_replay`
            does not ask for them.
        num_critic_replicas: how many critics are trained; the lowest is believed.
        config: the `TrainerConfig`, or `None` outside training.
        critic_loss_ctor: `(debug_summaries=)` -> loss of the values; `None` is `OneStepTDLoss`.
        target_update_tau: share of the way that the target critics move, in `(0, 1]`.
        target_update_period: updates between two moves.
        temperature: what advantages are multiplied with, at least 0; the paper's beta. With 0 the
            policy is a clone, with a large number it is the best of what was done.
        expectile: in `(0, 1)`; the paper's tau. With 0.5 a state is worth the average of what was
            done there, close to 1 the best of it.
        max_exp_advantage: the largest weight of an action, above 0.
        actor_optimizer: a spec from `alf.optimizers`.
        critic_optimizer: likewise.
        value_optimizer: likewise.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: the actor has a memory, or a parameter is out of its range.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_cls: Callable[..., Network] = ActorDistributionNetwork,
        v_network_cls: Callable[..., Network] = ValueNetwork,
        critic_network_cls: Callable[..., Network] = CriticNetwork,
        q_network_cls: Callable[..., Network] = QNetwork,
        epsilon_greedy: float | None = None,
        calculate_priority: bool = False,
        num_critic_replicas: int = 2,
        config: Any = None,
        critic_loss_ctor: Callable[..., TDLoss] | None = None,
        target_update_tau: float = 0.05,
        target_update_period: int = 1,
        temperature: float = 1.0,
        expectile: float = 0.8,
        max_exp_advantage: float = 100.0,
        actor_optimizer: Optimizer | None = None,
        critic_optimizer: Optimizer | None = None,
        value_optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "IqlAlgorithm",
    ):
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        _check_ranges(temperature, expectile, max_exp_advantage)
        self._temperature = temperature
        self._expectile = expectile
        self._max_weight = max_exp_advantage
        self._epsilon_greedy = epsilon_in_play(name, epsilon_greedy, config)
        self._gives_priority = calculate_priority or (config is not None and config.priority_replay)
        self._optimizer_specs = (actor_optimizer, critic_optimizer, value_optimizer)
        self._parts = ActionParts(action_spec)
        self._actor_network = without_memory(
            actor_network_cls(input_tensor_spec=observation_spec, action_spec=action_spec),
            type(self).__name__,
        )
        self._value_network: Network = v_network_cls(input_tensor_spec=observation_spec)
        self._critics = make_parallel(
            [
                self._make_critic(critic_network_cls, q_network_cls)
                for _ in range(num_critic_replicas)
            ]
        )
        self._target_critics = make_target(self._critics)
        self._target_updater = TargetUpdater(
            self._critics, self._target_critics, target_update_tau, target_update_period
        )
        make_loss = critic_loss_ctor or OneStepTDLoss
        self._critic_loss = make_loss(debug_summaries=debug_summaries)

    @property
    def on_policy(self) -> bool:
        """No: any experience will do."""
        return False

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """One each for the actor, the critics and the value network, as far as they are given."""
        modules = {
            "actor": self._actor_network,
            "critic": self._critics,
            "value": self._value_network,
        }
        return {
            name: (spec, list(module.parameters()))
            for (name, module), spec in zip(modules.items(), self._optimizer_specs, strict=True)
            if spec is not None
        }

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Take the mode of the policy, or a sample with probability `epsilon_greedy`."""
        distribution, _ = self._actor_network(inputs.observation)
        action = epsilon_greedy_sample(distribution, self._epsilon_greedy)
        info = IqlInfo(action=action, action_distribution=distribution)
        if CONTEXT.rendering:
            info = self._tell_values(info, inputs.observation)
        return AlgStep(action, state, info)

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Sample the policy."""
        distribution, _ = self._actor_network(inputs.observation)
        action = sample_action_distribution(distribution)
        return AlgStep(action, state, IqlInfo(action=action))

    def batch_loss(self, inputs: TimeStep, rollout_info: Any) -> tuple[LossInfo, IqlInfo]:
        """Each network at those rows alone where the loss needs it.

        Args:
            inputs: `[T, B, ...]`.
            rollout_info: has `action`, nest of `[T, B, ...]`: what was done.
        """
        now, after = before_and_after(inputs, type(self).__name__)
        done = map_structure(lambda x: x[:-1].flatten(0, 1), rollout_info.action)
        distribution, _ = self._actor_network(now)
        with torch.no_grad():
            target_value = lowest(self._values_of(self._target_critics, now, done))
            next_value, _ = self._value_network(after)
        terms = {
            "critic_value": self._values_of(self._critics, now, done),
            "target_value": target_value,
            "value": self._value_network(now)[0],
            "next_value": next_value,
            "log_prob": compute_log_probability(distribution, done),
        }
        sequence = (inputs.step_type.shape[0] - 1, inputs.step_type.shape[1])
        info = IqlInfo(
            step_type=inputs.step_type,
            discount=inputs.discount,
            reward=inputs.reward,
            action=rollout_info.action,
            action_distribution=distribution,
            **{name: term.unflatten(0, sequence) for name, term in terms.items()},
        )
        return self.calc_loss(info), info

    def calc_loss(self, info: IqlInfo) -> LossInfo:
        """The sum of the losses of actor, critics and value, see `IqlLossInfo`."""
        advantage = info.target_value - info.value.detach()
        weight = (self._temperature * advantage).exp().clamp(max=self._max_weight)
        actor = -weight * info.log_prob
        value = expectile_loss(info.target_value, info.value, self._expectile)
        critic = self._critic_loss(info, info.critic_value, info.next_value)
        critic_loss = with_successor(critic.loss, actor)
        priority: Any = ()
        if self._gives_priority:
            error = self._critic_loss.td_error(info, info.critic_value, info.next_value)
            priority = sequence_priority(error, info.step_type)
        extra = IqlLossInfo(actor=actor, critic=critic_loss, value=value)
        if summary.should_record_summaries():
            extra = extra._replace(td=critic.extra, advantage=advantage, weight=weight)
        return LossInfo(loss=actor + critic_loss + value, extra=extra, priority=priority)

    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Move the target critics."""
        self._target_updater.update()

    def _make_critic(
        self, critic_network_cls: Callable[..., Network], q_network_cls: Callable[..., Any]
    ) -> Network:
        discrete, continuous = self._parts.discrete_spec, self._parts.continuous_spec
        if discrete is None:
            return critic_network_cls(input_tensor_spec=(self._observation_spec, continuous))
        seen: Any = self._observation_spec
        if continuous is not None:
            seen = (seen, continuous)
        return q_network_cls(input_tensor_spec=seen, action_spec=discrete)

    def _all_values(self, critics: Network, observation: Any, continuous: Any) -> torch.Tensor:
        """Of the continuous part `[N, R]`, or of all choices of the discrete one `[N, R, n]`."""
        return critics(observation if continuous is None else (observation, continuous))[0]

    def _values_of(self, critics: Network, observation: Any, action: Any) -> torch.Tensor:
        """Values of actions, `[N, R]`."""
        discrete, continuous = self._parts.split(action)
        values = self._all_values(critics, observation, continuous)
        spec = self._parts.discrete_spec
        if spec is None:
            return values
        index = (discrete - int(spec.minimum)).long().view(-1, 1, 1)
        return values.gather(2, index.expand(-1, values.shape[1], 1)).squeeze(2)

    def _tell_values(self, info: IqlInfo, observation: Any) -> IqlInfo:
        """An info of `predict_step` with what state and choices are worth."""
        value, _ = self._value_network(observation)
        if self._parts.discrete_spec is None:
            return info._replace(value=value)
        _, continuous = self._parts.split(info.action)
        q_values = lowest(self._all_values(self._critics, observation, continuous))
        return info._replace(value=value, q_values=q_values)


def _check_ranges(temperature: float, expectile: float, max_exp_advantage: float) -> None:
    if temperature < 0:
        raise ConfigError(f"IqlAlgorithm.temperature is {temperature}: give a number of at least 0")
    if not 0 < expectile < 1:
        raise ConfigError(f"IqlAlgorithm.expectile is {expectile}: give a number between 0 and 1")
    if max_exp_advantage <= 0:
        raise ConfigError(
            f"IqlAlgorithm.max_exp_advantage is {max_exp_advantage}: give a number above 0"
        )
