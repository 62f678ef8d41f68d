"""Deep Q-learning (DQN) with clipped double values, n-step targets and dueling networks.

- Mnih et al., "Human-level control through deep reinforcement learning",
  https://doi.org/10.1038/nature14236
- van Hasselt et al., "Deep Reinforcement Learning with Double Q-learning",
  https://arxiv.org/abs/1509.06461
- Wang et al., "Dueling Network Architectures for Deep Reinforcement Learning",
  https://arxiv.org/abs/1511.06581 (`QNetwork.dueling_fc_layer_params`)
- Kapturowski et al., "Recurrent Experience Replay in Distributed Reinforcement Learning",
  https://openreview.net/forum?id=r1lyTjAqYX (`QRNNNetwork`, and `burn_in`)

Several replicas of the network are trained on one target, and an action is worth what the most
sober of them says (Fujimoto et al., https://arxiv.org/abs/1802.09477); with one replica this is
the original algorithm.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.critic_values import all_values, lowest, lowest_value
from alf.algorithms.exploration import epsilon_in_play, epsilon_in_rollout, explorers
from alf.algorithms.memory import (
    check_sequences,
    first_memory,
    over_all_rows,
    rows_after,
    warmed_up,
)
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.replay_priority import sequence_priority
from alf.algorithms.settled_parameters import CHECKPOINT, ENV
from alf.algorithms.target_update import TargetUpdater, make_target
from alf.algorithms.td_loss import TDLoss
from alf.algorithms.transitions import before_and_after
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.networks.network import Network
from alf.networks.parallel_networks import make_parallel
from alf.networks.q_networks import QNetwork, count_choices
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec


class DqnInfo(NamedTuple):
    """What the loss needs of a sample, and what a policy has to show.

    Attributes:
        step_type: `[T, B]`.
        discount: `[T, B]`.
        reward: `[T, B]`.
        action: what was done, `[T, B]`.
        value: values of it, `[T - 1, B, R]`, or `[T - 1, B]` of a single replica.
        next_value: values of the rows `1, ..., T - 1`, `[T - 1, B]`.
        q_values: from `predict_step`, the values of all actions, `[B, n]`.
        memory: of the network before each step, from `rollout_step`; `()` without one.
    """

    step_type: Any = ()
    discount: Any = ()
    reward: Any = ()
    action: Any = ()
    value: Any = ()
    next_value: Any = ()
    q_values: Any = ()
    memory: Any = ()


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT)
class DqnAlgorithm(Algorithm):
    """Learn the values of one discrete action from replayed experience, and take the best.

    Sequences of two rows give targets of one step. For `n` steps set
    `TrainerConfig.mini_batch_length` to `n + 1` and `critic_loss_ctor` to
    `partial(TDLoss, td_lambda=1.0)`.

    A network with a memory (`QRNNNetwork`) learns from sequences, each of which begins with the
    memory that the rollout had there.

    Args:
        observation_spec: nest of specs.
        action_spec: bounded integers of shape `()`.
        reward_spec: a float32 scalar.
        q_network_cls: `(input_tensor_spec=, action_spec=)` -> network that gives `[B, n]` values,
            with a memory or without.
        q_optimizer: a spec from `alf.optimizers`.
        rollout_epsilon_greedy: probability of a uniformly random action in the rollout, in
            `[0, 1]`, a number or a scheduler.
        epsilon_greedy: the same for `predict_step`; `None` takes `TrainerConfig.epsilon_greedy`.
        target_net_target_action: whether the target network also chooses the action whose value
            it tells; else the trained one does (double Q-learning).
        num_critic_replicas: how many networks are trained at once.
        config: the `TrainerConfig`, or `None` outside training.
        critic_loss_ctor: `(debug_summaries=)` -> loss of the values; `None` is `OneStepTDLoss`.
        target_update_tau: share of the way that the target network moves, in `(0, 1]`.
        target_update_period: updates between two moves.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.
        burn_in: rows of a sequence that bring the memory up to date, and have no loss.

    Raises:
        ConfigError: the action is of another kind, or the sequences do not go with the memory.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        q_network_cls: Callable[..., Network] = QNetwork,
        q_optimizer: Optimizer | None = None,
        rollout_epsilon_greedy: float | Callable[[], float] = 0.1,
        epsilon_greedy: float | None = None,
        target_net_target_action: bool = True,
        num_critic_replicas: int = 2,
        config: Any = None,
        critic_loss_ctor: Callable[..., TDLoss] | None = None,
        target_update_tau: float = 0.05,
        target_update_period: int = 1,
        debug_summaries: bool = False,
        name: str = "DqnAlgorithm",
        *,
        burn_in: int = 0,
    ):
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
        )
        self._count = count_choices(name, action_spec)
        self._lowest = int(action_spec.minimum)
        self._q_optimizer = q_optimizer
        self._rollout_epsilon = epsilon_in_rollout(name, rollout_epsilon_greedy)
        self._epsilon_greedy = epsilon_in_play(name, epsilon_greedy, config)
        self._target_net_target_action = target_net_target_action
        self._gives_priority = config is not None and config.priority_replay
        self._q_network = make_parallel(
            [
                q_network_cls(input_tensor_spec=observation_spec, action_spec=action_spec)
                for _ in range(num_critic_replicas)
            ]
        )
        self._state_spec = self._q_network.state_spec
        self._burn_in = burn_in
        check_sequences(name, self.stores_memory, burn_in, config)
        self._target_q_network = make_target(self._q_network)
        self._target_updater = TargetUpdater(
            self._q_network, self._target_q_network, target_update_tau, target_update_period
        )
        make_loss = critic_loss_ctor or OneStepTDLoss
        self._critic_loss = make_loss(debug_summaries=debug_summaries)

    @property
    def on_policy(self) -> bool:
        """No: any experience will do."""
        return False

    @property
    def state_is_for_acting(self) -> bool:
        """Training finds the memory in the info."""
        return True

    @property
    def stores_memory(self) -> bool:
        """Whether the network has one."""
        return self._state_spec != ()

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """One, for the Q networks."""
        if self._q_optimizer is None:
            return {}
        return {"q": (self._q_optimizer, list(self._q_network.parameters()))}

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Take the best action, or any with probability `epsilon_greedy`."""
        q_values, state = lowest_value(self._q_network, inputs.observation, state)
        action = self._act(q_values, explorers(self._epsilon_greedy, q_values))
        return AlgStep(action, state, DqnInfo(action=action, q_values=q_values))

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Take the best action, or any with probability `rollout_epsilon_greedy`."""
        explores = explorers(self._rollout_epsilon(), inputs.step_type)
        if explores is not None and explores.is_cpu and not self.stores_memory and explores.all():
            action = self._anything(explores)  # nobody asks what the network thinks
            return AlgStep(action, state, DqnInfo(action=action, memory=state))
        q_values, new_state = lowest_value(self._q_network, inputs.observation, state)
        action = self._act(q_values, explores)
        return AlgStep(action, new_state, DqnInfo(action=action, memory=state))

    def batch_loss(self, inputs: TimeStep, rollout_info: DqnInfo) -> tuple[LossInfo, DqnInfo]:
        """The trained values of all rows but the last, the targets' of all but the first."""
        done = rollout_info.action
        if self.stores_memory:
            values, next_value = self._over_time(inputs, rollout_info)
            trained, done = rows_after((inputs, done), self._burn_in)
        else:
            values, next_value = self._at_once(inputs)
            trained = inputs
        rows = trained.step_type.shape[0] - 1
        choice = done[:-1] - self._lowest if self._lowest else done[:-1]
        index = choice.reshape(-1, 1)
        if values.dim() == 3:
            index = index.unsqueeze(1).expand(-1, values.shape[1], 1)
        value = values.gather(-1, index)
        info = DqnInfo(
            step_type=trained.step_type,
            discount=trained.discount,
            reward=trained.reward,
            action=done,
            value=value.view(rows, -1, *values.shape[1:-1]),
            next_value=next_value.view(rows, -1),
        )
        return over_all_rows(self.calc_loss(info), self._burn_in, inputs), info

    def calc_loss(self, info: DqnInfo) -> LossInfo:
        """See `TDLoss`."""
        loss = self._critic_loss(info, info.value, info.next_value)
        if self._gives_priority:
            error = self._critic_loss.td_error(info, info.value, info.next_value)
            loss = loss._replace(priority=sequence_priority(error, info.step_type))
        return loss

    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Move the target network."""
        self._target_updater.update()

    def _at_once(self, inputs: TimeStep) -> tuple[torch.Tensor, torch.Tensor]:
        """Values `[N, R, n]` of the rows but the last, and `[N]` of what follows them.

        See `all_values` of a single replica.
        """
        now, after = before_and_after(inputs, type(self).__name__)
        values = all_values(self._q_network, now)
        with torch.no_grad():
            targets, _ = lowest_value(self._target_q_network, after)
            if self._target_net_target_action:
                return values, targets.amax(-1)
            return values, _value_of_best(lowest_value(self._q_network, after)[0], targets)

    def _over_time(
        self, inputs: TimeStep, rollout_info: DqnInfo
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The same of the rows after the burn-in, by networks with a memory."""
        first, shape = inputs.is_first(), inputs.step_type.shape
        state = first_memory(rollout_info, self.initial_state(shape[1]))
        values = warmed_up(self._q_network, inputs.observation, state, first, self._burn_in).output
        with torch.no_grad():
            unrolled = warmed_up(
                self._target_q_network, inputs.observation, state, first, self._burn_in
            )
            targets = lowest(unrolled.output[1:].flatten(0, 1))
            if self._target_net_target_action:
                next_value = targets.amax(-1)
            else:
                next_value = _value_of_best(lowest(values[1:].flatten(0, 1)), targets)
        return values[:-1].flatten(0, 1), next_value

    def _act(self, q_values: torch.Tensor, explores: torch.Tensor | None) -> torch.Tensor:
        """The best actions `[B]`, where nobody explores."""
        action = q_values.argmax(-1)
        if self._lowest:
            action = action + self._lowest
        return action if explores is None else torch.where(explores, self._anything(action), action)

    def _anything(self, like: torch.Tensor) -> torch.Tensor:
        """Random actions `[B]`."""
        highest = self._lowest + self._count
        return torch.randint(self._lowest, highest, like.shape, device=like.device)


def _value_of_best(own: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """What the choice that is best by `own` `[N, n]` is worth by `targets` `[N, n]`."""
    return targets.gather(-1, own.argmax(-1, keepdim=True)).squeeze(-1)
