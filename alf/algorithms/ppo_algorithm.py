"""Proximal policy optimization (PPO).

Schulman et al., "Proximal Policy Optimization Algorithms", https://arxiv.org/abs/1707.06347

The policy acts for an unroll; then it is trained on the unroll for several epochs of minibatches,
by a loss (see `PPOLoss`) that stops paying where the policy leaves the one that acted. Advantages
and the values' targets are those of the policy that acted: they are estimated once, before the
first epoch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from alf import summary
from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.algorithms.ppo_loss import PPOLoss
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.data_structures import AlgStep, LossInfo, StepType, TimeStep
from alf.distributions import compute_log_probability, sample_action_distribution
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.ops.returns import generalized_advantage_estimation
from alf.ops.value_losses import explained_variance
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
    """

    action: Any = ()
    rollout_action_distribution: Any = ()
    rollout_log_prob: Any = ()
    rollout_value: Any = ()
    advantages: Any = ()
    returns: Any = ()
    action_distribution: Any = ()
    value: Any = ()


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT, reward_weights=REWARD_WEIGHTS)
class PPOAlgorithm(ActorCriticAlgorithm):
    """Learn a policy and its value from several passes over each unroll.

    What is `None` is taken from what `ActorCriticAlgorithm` is configured with.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of bounded specs.
        reward_spec: a float32 scalar.
        actor_network_ctor: `(input_tensor_spec=, action_spec=)` -> network without memory that
            gives a nest of distributions.
        value_network_ctor: `(input_tensor_spec=)` -> network without memory that gives `[B]`
            values.
        epsilon_greedy: probability, in `[0, 1]`, with which `predict_step` samples the policy
            instead of taking its mode.
        config: the `TrainerConfig`, or `None` outside training.
        loss: a `PPOLoss`; default `loss_class(debug_summaries=debug_summaries)`.
        loss_class: class of the loss, `PPOLoss` or a subclass; default `PPOLoss`.
        optimizer: a spec from `alf.optimizers`.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: a network has a memory, or the loss is not a `PPOLoss`.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_ctor: Callable[..., Any] | None = None,
        value_network_ctor: Callable[..., Any] | None = None,
        epsilon_greedy: float | None = None,
        config: Any = None,
        loss: PPOLoss | None = None,
        loss_class: Callable[..., PPOLoss] | None = None,
        optimizer: Any = None,
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
        if self._state_spec != ():
            raise ConfigError(
                f"PPOAlgorithm trains on shuffled single steps, and its networks have a memory "
                f"({self._state_spec}): give it networks without one, or train them with "
                f"ActorCriticAlgorithm"
            )
        self._loss = self._ppo_loss = _as_ppo_loss(self._loss, debug_summaries)

    @property
    def on_policy(self) -> bool:
        """An unroll is used for several updates."""
        return False

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Sample the policy."""
        distribution, _ = self._actor_network(inputs.observation, ())
        action = sample_action_distribution(distribution)
        info = PPOInfo(action=action, rollout_action_distribution=distribution)
        return AlgStep(output=action, state=state, info=info)

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
        shape = inputs.step_type.shape
        observation = map_structure(lambda x: x.flatten(0, 1), inputs.observation)
        values = self._value_network(observation, ())[0].view(shape)
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
        return TimeStep(step_type=inputs.step_type, observation=inputs.observation), info

    def train_step(self, inputs: TimeStep, state: Any, rollout_info: Any) -> AlgStep:
        """The distribution and the value of each step, for the action that was taken."""
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
