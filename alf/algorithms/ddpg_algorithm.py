"""Deep deterministic policy gradient (DDPG): one action for each state, and critics to follow.

- Lillicrap et al., "Continuous control with deep reinforcement learning",
  https://arxiv.org/abs/1509.02971
- Silver et al., "Deterministic Policy Gradient Algorithms",
  http://proceedings.mlr.press/v32/silver14.html

The actor climbs the values that critics learn of its actions from replayed experience. Nothing in
it is random, so that acting in training adds noise. Actor and critics have slow copies, which tell
the targets. `Td3Algorithm` is what three repairs make of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from alf import summary
from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.critic_values import (
    follow_values,
    lowest_value,
    weights_of_lowest,
    without_memory,
)
from alf.algorithms.exploration import (
    ActionBox,
    DriftingNoise,
    as_probability,
    choose_sometimes,
    epsilon_in_play,
)
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.replay_priority import sequence_priority
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.algorithms.target_update import TargetUpdater, make_target
from alf.algorithms.td_loss import TDLoss, with_successor
from alf.algorithms.transitions import before_and_after
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.nest import flatten, map_structure
from alf.networks.actor_networks import ActorNetwork
from alf.networks.critic_networks import CriticNetwork
from alf.networks.network import Network
from alf.networks.parallel_networks import make_parallel
from alf.optimizers import Optimizer
from alf.summary.context import CONTEXT
from alf.tensor_specs import TensorSpec


class DdpgInfo(NamedTuple):
    """What the loss needs of a sample, and what a policy has to show.

    Attributes:
        step_type: `[T, B]`.
        discount: `[T, B]`.
        reward: `[T, B]`.
        action: what was done, nest of `[T, B, ...]`.
        greedy_action: from `predict_step`, what the actor says, without noise.
        value: values of what was done, `[T - 1, B, R]`; from `predict_step` while panels are drawn,
            the lowest value of the action, `[B]`.
        next_value: values of the rows `1, ..., T - 1`, `[T - 1, B]`.
        actor_loss: `[T - 1, B]`; `()` in an update that leaves the actor alone.
    """

    step_type: Any = ()
    discount: Any = ()
    reward: Any = ()
    action: Any = ()
    greedy_action: Any = ()
    value: Any = ()
    next_value: Any = ()
    actor_loss: Any = ()


class DdpgLossInfo(NamedTuple):
    """The terms of the loss, `[T - 1, B]`, and where a summary is due what tells how it goes.

    Attributes:
        critic: of the values, the sum over replicas.
        actor: minus the value of what the policy would do.
        td: see `TDLossInfo`; `()` where no summary is due.
    """

    critic: Any = ()
    actor: Any = ()
    td: Any = ()


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT, reward_weights=REWARD_WEIGHTS)
class DdpgAlgorithm(Algorithm):
    """Learn the best continuous action of each state, and the values of actions.

    Noise is in units of the action; with `wrap_env.normalize_action`, which is the default, these
    are shares of half the way from the lowest action to the highest.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of continuous specs with finite bounds.
        reward_spec: a float32 scalar.
        actor_network_ctor: `(input_tensor_spec=, action_spec=)` -> network without memory that
            gives an action.
        critic_network_ctor: `(input_tensor_spec=)` -> network that gives `[B]` values of pairs of
            observation and action.
        epsilon_greedy: probability, in `[0, 1]`, with which `predict_step` adds noise, as wide as
            that of the rollout is in the long run; `None` takes `TrainerConfig.epsilon_greedy`.
        calculate_priority: give priorities for replay, also where `TrainerConfig.priority_replay`
            does not ask for them.
        config: the `TrainerConfig`, or `None` outside training.
        ou_stddev: standard deviation of what each step adds to the noise of the rollout, see
            `DriftingNoise`; noise begins at 0 where an episode begins.
        ou_damping: share of the noise that each step takes off, in `(0, 1]`; 1 is Gaussian noise,
            each step for itself.
        critic_loss_ctor: `(debug_summaries=)` -> loss of the values; `None` is `OneStepTDLoss`.
        num_critic_replicas: how many critics are trained; the lowest is believed.
        target_update_tau: share of the way that actor and critics' copies move, in `(0, 1]`.
        target_update_period: updates between two moves.
        rollout_random_action: probability, in `[0, 1]`, that the rollout takes a uniformly random
            action within the bounds.
        dqda_clipping: the largest size of each element of the gradient that the values give an
            action; `None` for no limit.
        action_l2: weight of the squared length of the action in the actor's loss; it keeps actions
            away from their bounds.
        actor_optimizer: a spec from `alf.optimizers`.
        critic_optimizer: likewise.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: an action is discrete or unbounded, the actor has a memory, or a parameter is
            out of its range.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_ctor: Callable[..., Network] = ActorNetwork,
        critic_network_ctor: Callable[..., Network] = CriticNetwork,
        epsilon_greedy: float | None = None,
        calculate_priority: bool = False,
        config: Any = None,
        ou_stddev: float = 0.2,
        ou_damping: float = 0.15,
        critic_loss_ctor: Callable[..., TDLoss] | None = None,
        num_critic_replicas: int = 1,
        target_update_tau: float = 0.05,
        target_update_period: int = 1,
        rollout_random_action: float = 0.0,
        dqda_clipping: float | None = None,
        action_l2: float = 0,
        actor_optimizer: Optimizer | None = None,
        critic_optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "DdpgAlgorithm",
    ):
        box = ActionBox(action_spec, type(self).__name__)
        noise = DriftingNoise(action_spec, ou_stddev, ou_damping)
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            state_spec=noise.state_spec,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        self._box = box
        self._noise = noise
        self._epsilon_greedy = epsilon_in_play(name, epsilon_greedy, config)
        self._gives_priority = calculate_priority or (config is not None and config.priority_replay)
        self._rollout_random_action = as_probability(
            f"{name}.rollout_random_action", rollout_random_action
        )
        self._dqda_clipping = dqda_clipping
        self._action_l2 = action_l2
        self._optimizer_specs = (actor_optimizer, critic_optimizer)
        self._actor_network = without_memory(
            actor_network_ctor(input_tensor_spec=observation_spec, action_spec=action_spec),
            type(self).__name__,
        )
        pair = (observation_spec, action_spec)
        self._critics = make_parallel(
            [critic_network_ctor(input_tensor_spec=pair) for _ in range(num_critic_replicas)]
        )
        self._target_actor = make_target(self._actor_network)
        self._target_critics = make_target(self._critics)
        self._target_updater = TargetUpdater(
            nn.ModuleList([self._actor_network, self._critics]),
            nn.ModuleList([self._target_actor, self._target_critics]),
            target_update_tau,
            target_update_period,
        )
        make_loss = critic_loss_ctor or OneStepTDLoss
        self._critic_loss = make_loss(debug_summaries=debug_summaries)

    @property
    def on_policy(self) -> bool:
        """No: any experience will do."""
        return False

    @property
    def state_is_for_acting(self) -> bool:
        """Yes: it is the noise of the rollout."""
        return True

    @property
    def loss_variant(self) -> bool:
        """Whether the actor is trained by this update."""
        return self._moves_actor()

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """One each for the actor and the critics, as far as they are given."""
        modules = {"actor": self._actor_network, "critic": self._critics}
        return {
            name: (spec, list(module.parameters()))
            for (name, module), spec in zip(modules.items(), self._optimizer_specs, strict=True)
            if spec is not None
        }

    def convert_train_state_to_predict_state(self, state: Any) -> Any:
        """Nothing: `predict_step` has no memory."""
        return ()

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Do as the actor says, with noise with probability `epsilon_greedy`."""
        greedy, _ = self._actor_network(inputs.observation)
        action = greedy
        if self._epsilon_greedy > 0:
            noisy = self._with_noise(greedy, self._noise.sample(greedy))
            action = choose_sometimes(self._epsilon_greedy, noisy, greedy)
        info = DdpgInfo(action=action, greedy_action=greedy)
        if CONTEXT.rendering:
            info = info._replace(value=self._believed_value(inputs.observation, action))
        return AlgStep(action, state, info)

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Do as the actor says, with noise that goes on from the last step's."""
        greedy, _ = self._actor_network(inputs.observation)
        noise, state = self._noise.step(state, greedy)
        action = self._with_noise(greedy, noise)
        if self._rollout_random_action > 0:
            anything = self._box.sample(action)
            action = choose_sometimes(self._rollout_random_action, anything, action)
        return AlgStep(action, state, DdpgInfo(action=action))

    def batch_loss(self, inputs: TimeStep, rollout_info: DdpgInfo) -> tuple[LossInfo, DdpgInfo]:
        """Each network at those rows alone where the loss needs it."""
        now, after = before_and_after(inputs, type(self).__name__)
        done = map_structure(lambda x: x[:-1].flatten(0, 1), rollout_info.action)
        next_value = self._next_value(after)
        value, _ = self._critics((now, done))
        sequence = (inputs.step_type.shape[0] - 1, inputs.step_type.shape[1])
        info = DdpgInfo(
            step_type=inputs.step_type,
            discount=inputs.discount,
            reward=inputs.reward,
            action=rollout_info.action,
            value=value.unflatten(0, sequence),
            next_value=next_value.unflatten(0, sequence),
        )
        if self._moves_actor() or summary.should_record_summaries():
            info = info._replace(actor_loss=self._improve_actor(now).unflatten(0, sequence))
        return self.calc_loss(info), info

    def calc_loss(self, info: DdpgInfo) -> LossInfo:
        """The sum of the losses of critics and actor, see `DdpgLossInfo`."""
        critic = self._critic_loss(info, info.value, info.next_value)
        loss = with_successor(critic.loss, info.value)
        extra = DdpgLossInfo(critic=loss, td=critic.extra)
        if not isinstance(info.actor_loss, tuple):
            loss = loss + info.actor_loss if self._moves_actor() else loss
            extra = extra._replace(actor=info.actor_loss)
        priority: Any = ()
        if self._gives_priority:
            error = self._critic_loss.td_error(info, info.value, info.next_value)
            priority = sequence_priority(error, info.step_type)
        return LossInfo(loss=loss, extra=extra, priority=priority)

    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Move the copies of actor and critics."""
        self._target_updater.update()

    def _with_noise(self, action: Any, noise: Any) -> Any:
        return self._box.clip(map_structure(torch.add, action, noise))

    def _believed_value(self, observation: Any, action: Any) -> torch.Tensor:
        """What an action is worth, `[B]`."""
        return lowest_value(self._critics, (observation, action))[0]

    @torch.no_grad()
    def _next_value(self, observation: Any) -> torch.Tensor:
        """What the copies of actor and critics think that a state is worth, `[N]`."""
        action = self._target_action(observation)
        return lowest_value(self._target_critics, (observation, action))[0]

    def _target_action(self, observation: Any) -> Any:
        """The action whose value is the target."""
        return self._target_actor(observation)[0]

    def _moves_actor(self) -> bool:
        """Whether the next update is one for the actor too."""
        return True

    def _improve_actor(self, observation: Any) -> torch.Tensor:
        """The actor's loss, `[N]`."""
        action, _ = self._actor_network(observation)
        values, _ = self._critics((observation, action))
        loss = follow_values(action, values, self._weigh(values.detach()), self._dqda_clipping)
        if self._action_l2 > 0:
            squares = [x.square().view(x.shape[0], -1).sum(-1) for x in flatten(action)]
            loss = loss + self._action_l2 * torch.stack(squares).sum(0)
        return loss

    def _weigh(self, values: torch.Tensor) -> torch.Tensor:
        """How much each value counts for the actor, like `values`: the lowest alone does."""
        return weights_of_lowest(values)
