"""Soft actor-critic (SAC): act well and as randomly as possible, from replayed experience.

- Haarnoja et al., "Soft Actor-Critic Algorithms and Applications",
  https://arxiv.org/abs/1812.05905
- Christodoulou, "Soft Actor-Critic for Discrete Action Settings",
  https://arxiv.org/abs/1910.07207
- Kapturowski et al., "Recurrent Experience Replay in Distributed Reinforcement Learning",
  https://openreview.net/forum?id=r1lyTjAqYX, on networks with a memory

Continuous actions have an actor network and critics of pairs of observation and action. For a
discrete action the critics give the values of all choices, and no actor network approximates what
is then known exactly: the policy that a critic makes best, `pi(a|s) ~ exp(Q(s, a) / alpha)`. With
both, the actor chooses the continuous part, and the discrete choice depends on it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from alf import summary
from alf._config import configurable
from alf._config.settled import Settled, no_matter, settled
from alf.algorithms.action_parts import ActionParts
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.critic_values import (
    follow_values,
    lowest,
    sample_with_log_prob,
    weights_of_lowest,
)
from alf.algorithms.exploration import epsilon_in_play
from alf.algorithms.memory import (
    check_sequences,
    first_memory,
    over_all_rows,
    rows_after,
    warmed_up,
)
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.replay_priority import sequence_priority
from alf.algorithms.sac_info import SacInfo, SacLossInfo, SacMemory, state_of
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.algorithms.target_update import TargetUpdater, make_target
from alf.algorithms.td_loss import TDLoss, with_successor
from alf.algorithms.temperature import Temperature
from alf.algorithms.transitions import before_and_after
from alf.data_structures import AlgStep, LossInfo, TimeStep
from alf.distributions import (
    Categorical,
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
from alf.optimizers import Optimizer
from alf.summary.context import CONTEXT
from alf.tensor_specs import TensorSpec

_NO_PART = "there is no such part; compose it in an Algorithm of your own"


@configurable
@settled(
    env=ENV,
    checkpoint=CHECKPOINT,
    reward_weights=REWARD_WEIGHTS,
    repr_alg_ctor=Settled(None, "let the networks encode: see input_preprocessors"),
    prior_actor_ctor=Settled(None, _NO_PART),
    target_kld_per_dim=no_matter(3.0),  # of a prior actor
    normalize_entropy_reward=Settled(False, "the temperature is learned; set target_entropy"),
    parameter_reset_period=Settled(-1, _NO_PART),
    reproduce_locomotion=Settled(False, "set target_entropy and the initializers of the networks"),
)
class SacAlgorithm(Algorithm):
    """Learn a random policy and the soft values of its actions.

    Let the actor's distribution lie within the bounds of the action, as the paper does: set
    `NormalProjectionNetwork` to `scale_distribution=True, state_dependent_std=True,
    std_transform=alf.ops.clipped_exp`, or import `alf.examples.sac_conf`.

    Networks with a memory (`ActorDistributionRNNNetwork`, `CriticRNNNetwork`, `QRNNNetwork`) learn
    from sequences, each of which begins with the memory that the rollout had there.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of specs; at most one is discrete (bounded integers of shape `()`).
        reward_spec: a float32 scalar.
        actor_network_cls: `(input_tensor_spec=, action_spec=)` -> network that gives a nest of
            distributions; not used without continuous actions. A network that is not used may
            be `None`, this one and the next two.
        critic_network_cls: `(input_tensor_spec=)` -> network that gives `[B]` values of pairs of
            observation and action; used where all actions are continuous.
        q_network_cls: `(input_tensor_spec=, action_spec=)` -> network that gives `[B, n]` values
            of a discrete action; its input is the observation, or the pair of the observation and
            the continuous part.
        epsilon_greedy: probability, in `[0, 1]`, with which `predict_step` samples the policy
            instead of taking its mode; `None` takes `TrainerConfig.epsilon_greedy`.
        use_entropy_reward: whether the entropy of later steps is part of the values.
        calculate_priority: give priorities for replay, also where `TrainerConfig.priority_replay`
            does not ask for them.
        num_critic_replicas: how many critics are trained; the lowest is believed.
        config: the `TrainerConfig`, or `None` outside training.
        critic_loss_ctor: `(debug_summaries=)` -> loss of the values; `None` is `OneStepTDLoss`.
        target_entropy: the entropy, in nats, to which the temperature brings the policy: a number,
            a function of the part's spec, for an action of two parts a pair (discrete,
            continuous), or `None` for defaults, see `Temperature`.
        initial_log_alpha: logarithm of the temperature at the start.
        max_log_alpha: its upper bound; `None` for none.
        target_update_tau: share of the way that the target critics move, in `(0, 1]`.
        target_update_period: updates between two moves.
        dqda_clipping: the largest size of each element of the gradient that the values give an
            action; `None` for no limit.
        actor_optimizer: a spec from `alf.optimizers`.
        critic_optimizer: likewise.
        alpha_optimizer: likewise, for the temperature; `None` leaves it as it is.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.
        burn_in: rows of a sequence that bring memories up to date, and have no loss.

    Raises:
        ConfigError: a parameter is out of its range, or the sequences do not go with a memory.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_cls: Callable[..., Network] | None = ActorDistributionNetwork,
        critic_network_cls: Callable[..., Network] | None = CriticNetwork,
        q_network_cls: Callable[..., Network] | None = QNetwork,
        epsilon_greedy: float | None = None,
        use_entropy_reward: bool = True,
        calculate_priority: bool = False,
        num_critic_replicas: int = 2,
        config: Any = None,
        critic_loss_ctor: Callable[..., TDLoss] | None = None,
        target_entropy: float | Callable[..., float] | Sequence[float] | None = None,
        initial_log_alpha: float = 0.0,
        max_log_alpha: float | None = None,
        target_update_tau: float = 0.05,
        target_update_period: int = 1,
        dqda_clipping: float | None = None,
        actor_optimizer: Optimizer | None = None,
        critic_optimizer: Optimizer | None = None,
        alpha_optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "SacAlgorithm",
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
        self._epsilon_greedy = epsilon_in_play(name, epsilon_greedy, config)
        self._use_entropy_reward = use_entropy_reward
        self._gives_priority = calculate_priority or (config is not None and config.priority_replay)
        self._dqda_clipping = dqda_clipping
        self._optimizer_specs = (actor_optimizer, critic_optimizer, alpha_optimizer)
        self._parts = ActionParts(action_spec)
        discrete, continuous = self._parts.discrete_spec, self._parts.continuous_spec
        self._is_discrete = discrete is not None
        self._offset = int(discrete.minimum) if discrete is not None else 0
        self._actor_network: Network | None = None
        if continuous is not None:
            make_actor = _needed("actor_network_cls", actor_network_cls)
            self._actor_network = make_actor(
                input_tensor_spec=observation_spec, action_spec=continuous
            )
        pair = observation_spec if continuous is None else (observation_spec, continuous)
        arguments = {} if discrete is None else {"action_spec": discrete}
        make_critic = (
            _needed("critic_network_cls", critic_network_cls)
            if discrete is None
            else _needed("q_network_cls", q_network_cls)
        )
        self._critics = make_parallel(
            [make_critic(input_tensor_spec=pair, **arguments) for _ in range(num_critic_replicas)]
        )
        actor_spec = () if self._actor_network is None else self._actor_network.state_spec
        self._state_spec = state_of(actor_spec, self._critics.state_spec)
        self._burn_in = burn_in
        check_sequences(name, self.stores_memory, burn_in, config)
        self._target_critics = make_target(self._critics)
        self._target_updater = TargetUpdater(
            self._critics, self._target_critics, target_update_tau, target_update_period
        )
        self._temperature = Temperature(
            discrete, continuous, target_entropy, initial_log_alpha, max_log_alpha
        )
        make_loss = critic_loss_ctor or OneStepTDLoss
        self._critic_loss = make_loss(debug_summaries=debug_summaries)

    @property
    def on_policy(self) -> bool:
        """No: any experience will do."""
        return False

    @property
    def state_is_for_acting(self) -> bool:
        """Training finds the memories in the info."""
        return True

    @property
    def stores_memory(self) -> bool:
        """Whether a network has one."""
        return self._state_spec != ()

    def optimizers(self) -> dict[str, tuple[Any, list[nn.Parameter]]]:
        """One each for the actor, the critics and the temperature, as far as they are given."""
        modules = {
            "actor": self._actor_network,
            "critic": self._critics,
            "alpha": self._temperature,
        }
        return {
            name: (spec, list(module.parameters()))
            for (name, module), spec in zip(modules.items(), self._optimizer_specs, strict=True)
            if spec is not None and module is not None
        }

    def predict_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Take the mode of the policy, or a sample with probability `epsilon_greedy`."""
        action, distribution, new_state = self._act(
            inputs.observation,
            lambda dist: epsilon_greedy_sample(dist, self._epsilon_greedy),
            state,
        )
        info = SacInfo(action=action, action_distribution=distribution)
        if CONTEXT.rendering:
            info = self._tell_values(info, inputs.observation, state or SacMemory())
        return AlgStep(action, new_state, info)

    def rollout_step(self, inputs: TimeStep, state: Any) -> AlgStep:
        """Sample the policy."""
        action, _, new_state = self._act(inputs.observation, sample_action_distribution, state)
        return AlgStep(action, new_state, SacInfo(action=action, memory=state))

    def batch_loss(self, inputs: TimeStep, rollout_info: SacInfo) -> tuple[LossInfo, SacInfo]:
        """Each network at those rows alone where the loss needs it."""
        memory = self._memories(inputs, rollout_info) if self.stores_memory else SacMemory()
        trained, action = rows_after((inputs, rollout_info.action), self._burn_in)
        now, after = before_and_after(trained, type(self).__name__)
        memory_now = map_structure(lambda x: x[:-1].flatten(0, 1), memory)
        memory_after = map_structure(lambda x: x[1:].flatten(0, 1), memory)
        done = map_structure(lambda x: x[:-1].flatten(0, 1), action)
        discrete, continuous = self._parts.split(done)
        alpha = self._temperature.alpha()
        next_value = self._next_value(after, alpha, memory_after)
        values = self._values(self._critics, now, continuous, memory_now.critics)
        value = self._pick(values, discrete) if self._is_discrete else values
        if self._actor_network is None:
            actor_loss, log_pi = (), self._choice(lowest(values.detach()))[1].unsqueeze(-1)
        else:
            actor_loss, log_pi = self._improve_actor(
                self._actor_network, now, alpha[-1], memory_now
            )
        sequence = (trained.step_type.shape[0] - 1, trained.step_type.shape[1])
        info = SacInfo(
            step_type=trained.step_type,
            discount=trained.discount,
            reward=trained.reward,
            action=action,
            value=value.unflatten(0, sequence),
            next_value=next_value.unflatten(0, sequence),
            actor_loss=map_structure(lambda x: x.unflatten(0, sequence), actor_loss),
            log_pi=log_pi.unflatten(0, sequence),
        )
        return over_all_rows(self.calc_loss(info), self._burn_in, inputs), info

    def calc_loss(self, info: SacInfo) -> LossInfo:
        """The sum of the losses of critics, actor and temperature, see `SacLossInfo`."""
        critic = self._critic_loss(info, info.value, info.next_value)
        critic_loss = with_successor(critic.loss, info.log_pi)
        alpha_loss = self._temperature.loss(info.log_pi)
        loss = critic_loss + alpha_loss
        if not isinstance(info.actor_loss, tuple):
            loss = loss + info.actor_loss
        priority: Any = ()
        if self._gives_priority:
            error = self._critic_loss.td_error(info, info.value, info.next_value)
            priority = sequence_priority(error, info.step_type)
        extra = SacLossInfo(critic=critic_loss, actor=info.actor_loss, alpha=alpha_loss)
        if summary.should_record_summaries():
            extra = extra._replace(
                td=critic.extra,
                entropy=self._temperature.by_part(-info.log_pi),
                temperature=self._temperature.by_part(self._temperature.alpha()),
            )
        return LossInfo(loss=loss, extra=extra, priority=priority)

    def after_update(self, inputs: TimeStep, info: Any) -> None:
        """Move the target critics, and keep the temperature in its bound."""
        self._target_updater.update()
        self._temperature.clip()

    def _act(
        self, observation: Any, choose: Callable[[Any], Any], state: Any
    ) -> tuple[Any, Any, Any]:
        """An action that `choose` takes of the policy, the policy, and the next state."""
        memory = state or SacMemory()
        distribution = continuous = discrete = None
        actor_memory, critic_memory = memory.actor, memory.critics
        if self._actor_network is not None:
            distribution, actor_memory = self._actor_network(observation, memory.actor)
            continuous = choose(distribution)
        pair = observation if continuous is None else (observation, continuous)
        if not self._is_discrete:
            if self._critics.state_spec != ():
                _, critic_memory = self._critics(pair, memory.critics)
            return continuous, distribution, state_of(actor_memory, critic_memory)
        values, critic_memory = self._critics(pair, memory.critics)
        choice = Categorical(lowest(values) / self._temperature.alpha()[0], self._offset)
        discrete = choose(choice)
        action = self._parts.join(discrete, continuous)
        policy = self._parts.join(choice, distribution)
        return action, policy, state_of(actor_memory, critic_memory)

    def _memories(self, inputs: TimeStep, rollout_info: SacInfo) -> SacMemory:
        """What each network remembers before each row after the burn-in, `[T', B, ...]`.

        Only the gradients of the actor and of the critics go back through time.
        """
        first = inputs.is_first()
        start = first_memory(rollout_info, self.initial_state(first.shape[1]))
        _, continuous = self._parts.split(rollout_info.action)
        observation = inputs.observation
        pair = observation if continuous is None else (observation, continuous)
        actor: Any = ()
        if self._actor_network is not None:
            unrolled = warmed_up(
                self._actor_network, observation, start.actor, first, self._burn_in
            )
            actor = unrolled.before
        if self._critics.state_spec == ():
            return SacMemory(actor)
        critics = warmed_up(self._critics, pair, start.critics, first, self._burn_in).before
        with torch.no_grad():
            targets = warmed_up(self._target_critics, pair, start.critics, first, self._burn_in)
        return SacMemory(actor, critics, targets.before)

    def _tell_values(self, info: SacInfo, observation: Any, memory: SacMemory) -> SacInfo:
        """An info of `predict_step` with what the critics think of its action."""
        _, continuous = self._parts.split(info.action)
        values = lowest(self._values(self._critics, observation, continuous, memory.critics))
        return info._replace(q_values=values) if self._is_discrete else info._replace(value=values)

    def _values(
        self, critics: Network, observation: Any, continuous: Any, memory: Any
    ) -> torch.Tensor:
        """`[N, R]`, or `[N, R, n]` for the `n` choices of a discrete action."""
        return critics(observation if continuous is None else (observation, continuous), memory)[0]

    def _pick(self, values: torch.Tensor, discrete: torch.Tensor) -> torch.Tensor:
        """The values `[N, R]` of one choice."""
        index = (discrete - self._offset).long().view(-1, 1, 1)
        return values.gather(2, index.expand(-1, values.shape[1], 1)).squeeze(2)

    def _choice(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The policy over choices that `values` `[N, n]` make best.

        Returns:
            Its probabilities `[N, n]` and the expectation of their logarithm `[N]`.
        """
        log_probs = (values / self._temperature.alpha()[0]).log_softmax(-1)
        probs = log_probs.exp()
        return probs, (probs * log_probs).sum(-1)

    @torch.no_grad()
    def _next_value(self, observation: Any, alpha: torch.Tensor, memory: SacMemory) -> torch.Tensor:
        """The soft value of the policy by the target critics, `[N]`."""
        continuous: Any = None
        bonuses: list[torch.Tensor] = []
        if self._actor_network is not None:
            distribution, _ = self._actor_network(observation, memory.actor)
            continuous, log_pi = sample_with_log_prob(distribution)
            bonuses.append(-alpha[-1] * log_pi)
        targets = self._target_critics
        value = lowest(self._values(targets, observation, continuous, memory.target_critics))
        if self._is_discrete:
            own = lowest(self._values(self._critics, observation, continuous, memory.critics))
            probs, log_pi = self._choice(own)
            value = (probs * value).sum(-1)
            bonuses.append(-alpha[0] * log_pi)
        return sum(bonuses, value) if self._use_entropy_reward else value

    def _improve_actor(
        self, actor: Network, observation: Any, alpha: torch.Tensor, memory: SacMemory
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The actor's loss `[N]`, and the log probabilities `[N, P]` without gradient."""
        distribution, _ = actor(observation, memory.actor)
        action, log_pi = sample_with_log_prob(distribution)
        remembered = map_structure(lambda x: x.detach(), memory.critics)
        values = self._values(self._critics, observation, action, remembered)
        weights = self._weigh(values.detach())
        loss = alpha * log_pi + follow_values(action, values, weights, self._dqda_clipping)
        log_pis = [log_pi.detach()]
        if self._is_discrete:
            log_pis.insert(0, self._choice(lowest(values.detach()))[1])
        return loss, torch.stack(log_pis, -1)

    def _weigh(self, values: torch.Tensor) -> torch.Tensor:
        """How much each value counts for the actor, like `values`: the lowest alone does."""
        if not self._is_discrete:
            return weights_of_lowest(values)
        return weights_of_lowest(values, self._choice(lowest(values))[0])


def _needed(name: str, make: Callable[..., Any] | None) -> Callable[..., Any]:
    if make is None:
        raise ConfigError(f"SacAlgorithm.{name} is None, and the action needs one: leave it out")
    return make
