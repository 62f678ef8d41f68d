"""Advantage actor-critic (A2C), the synchronous form of A3C.

Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", https://arxiv.org/abs/1602.01783

One batch of environments takes the place of the paper's asynchronous workers; advantages can be
estimated by GAE (see `ActorCriticLoss`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.exploration import epsilon_in_play
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.distributions import epsilon_greedy_sample, sample_action_distribution
from alf.networks.actor_distribution_networks import ActorDistributionNetwork
from alf.networks.network import Network
from alf.networks.value_networks import ValueNetwork
from alf.optimizers import Optimizer
from alf.summary.context import CONTEXT
from alf.tensor_specs import TensorSpec


class ActorCriticState(NamedTuple):
    """Memory of the two networks, `()` for a network without.

    Attributes:
        actor: nest of `[B, ...]`.
        value: likewise.
    """

    actor: Any = ()
    value: Any = ()


class ActorCriticInfo(NamedTuple):
    """What the loss needs of each step; a field that a step function does not fill is `()`.

    Attributes:
        step_type: see `TimeStep`, as are `discount` and `reward`; `[T, B]`.
        discount: 0 where the task itself ended.
        reward: of the action before.
        action: nest of what was done, `[T, B, ...]`.
        action_distribution: nest of distributions that it was drawn from.
        value: `[T, B]`, with gradient.
    """

    step_type: Any = ()
    discount: Any = ()
    reward: Any = ()
    action: Any = ()
    action_distribution: Any = ()
    value: Any = ()


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT, reward_weights=REWARD_WEIGHTS)
class ActorCriticAlgorithm(Algorithm):
    """Learn a policy and its value from unrolls of the current policy.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of bounded specs.
        reward_spec: a float32 scalar.
        actor_network_ctor: `(input_tensor_spec=, action_spec=)` -> network that gives a nest of
            distributions.
        value_network_ctor: `(input_tensor_spec=)` -> network that gives `[B]` values.
        epsilon_greedy: probability, in `[0, 1]`, with which `predict_step` samples the policy
            instead of taking its mode; `None` takes `TrainerConfig.epsilon_greedy`.
        config: the `TrainerConfig`, or `None` outside training.
        loss: a loss object; default `loss_class(debug_summaries=debug_summaries)`.
        loss_class: class of the loss.
        optimizer: a spec from `alf.optimizers`.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_ctor: Callable[..., Network] = ActorDistributionNetwork,
        value_network_ctor: Callable[..., Network] = ValueNetwork,
        epsilon_greedy: float | None = None,
        config: Any = None,
        loss: Callable[[Any], LossInfo] | None = None,
        loss_class: Callable[..., Callable[[Any], LossInfo]] = ActorCriticLoss,
        optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "ActorCriticAlgorithm",
    ):
        actor_network = actor_network_ctor(
            input_tensor_spec=observation_spec, action_spec=action_spec
        )
        value_network = value_network_ctor(input_tensor_spec=observation_spec)
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            state_spec=_state(actor_network.state_spec, value_network.state_spec),
            optimizer=optimizer,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        self._epsilon_greedy = epsilon_in_play(name, epsilon_greedy, config)
        self._actor_network = actor_network
        self._value_network = value_network
        self._loss = loss if loss is not None else loss_class(debug_summaries=debug_summaries)

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Take the mode of the policy, or a sample with probability `epsilon_greedy`.

        While panels are drawn, the info also tells the value, which nothing else here needs.
        """
        actor_state, value_state = state or ActorCriticState()
        distribution, actor_state = self._actor_network(inputs.observation, actor_state)
        value: Any = ()
        if CONTEXT.rendering:
            value, value_state = self._value_network(inputs.observation, value_state)
        return AlgStep(
            output=epsilon_greedy_sample(distribution, self._epsilon_greedy),
            state=_state(actor_state, value_state),
            info=ActorCriticInfo(action_distribution=distribution, value=value),
        )

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Sample the policy; with gradients, also compute all that the loss needs."""
        actor_state, value_state = state or ActorCriticState()
        distribution, actor_state = self._actor_network(inputs.observation, actor_state)
        action = sample_action_distribution(distribution)
        info = ActorCriticInfo(action=action)
        if torch.is_grad_enabled():
            value, value_state = self._value_network(inputs.observation, value_state)
            info = _full_info(inputs, action, distribution, value)
        elif value_state != ():
            _, value_state = self._value_network(inputs.observation, value_state)
        return AlgStep(output=action, state=_state(actor_state, value_state), info=info)

    def train_step(self, inputs: TimeStep, state: Any, rollout_info: ActorCriticInfo) -> AlgStep:
        """The distribution and the value of each step, for the action that was taken."""
        actor_state, value_state = state or ActorCriticState()
        distribution, actor_state = self._actor_network(inputs.observation, actor_state)
        value, value_state = self._value_network(inputs.observation, value_state)
        return AlgStep(
            output=rollout_info.action,
            state=_state(actor_state, value_state),
            info=_full_info(inputs, rollout_info.action, distribution, value),
        )

    def calc_loss(self, info: ActorCriticInfo) -> LossInfo:
        """See `ActorCriticLoss`."""
        return self._loss(info)


def _full_info(inputs: TimeStep, action: Any, distribution: Any, value: Any) -> ActorCriticInfo:
    return ActorCriticInfo(
        step_type=inputs.step_type,
        discount=inputs.discount,
        reward=inputs.reward,
        action=action,
        action_distribution=distribution,
        value=value,
    )


def _state(actor_state: Any, value_state: Any) -> Any:
    """`()` where neither network has a memory, so that the trainer can skip its bookkeeping."""
    if actor_state == () and value_state == ():
        return ()
    return ActorCriticState(actor_state, value_state)
