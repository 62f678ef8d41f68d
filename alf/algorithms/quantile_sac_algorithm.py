"""Soft actor-critic whose critics tell how returns are distributed, without the hopeful end.

Kuznetsov et al., "Controlling Overestimation Bias with Truncated Mixture of Continuous
Distributional Quantile Critics" (TQC), https://arxiv.org/abs/2005.04269

Each critic tells quantiles of the return. Targets are the quantiles of all critics together but the
highest ones: how many is a finer measure of caution than which critic to believe. The actor follows
the mean of all.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.critic_values import sample_with_log_prob
from alf.algorithms.quantile_td_loss import QuantileTDLoss
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.algorithms.sac_info import SacInfo, SacMemory
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.algorithms.td_loss import TDLoss
from alf.errors import ConfigError
from alf.nest import flatten
from alf.networks.critic_networks import CriticNetwork
from alf.networks.network import Network
from alf.ops.quantiles import truncate_quantiles
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT, reward_weights=REWARD_WEIGHTS)
class QuantileSacAlgorithm(SacAlgorithm):
    """Learn a random policy and the distribution of the returns of its actions.

    What is `None` is taken from what `SacAlgorithm` is configured with; its documentation has the
    parameters that are not told of here. Let the actor's distribution lie within the bounds of the
    action, as there.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of continuous specs.
        reward_spec: a float32 scalar.
        actor_network_cls: see `SacAlgorithm`.
        critic_network_cls: `(input_tensor_spec=, output_tensor_spec=)` -> network that gives
            `[B, N]` quantiles of the return of pairs of observation and action.
        num_quantiles: `N`, how many quantiles each critic tells.
        dropped_quantiles: how many of the highest ones are left out of targets for each critic,
            from 0 to `N - 1`.
        epsilon_greedy: see `SacAlgorithm`.
        use_entropy_reward: see `SacAlgorithm`.
        calculate_priority: see `SacAlgorithm`.
        num_critic_replicas: how many critics are trained.
        config: the `TrainerConfig`, or `None` outside training.
        critic_loss_ctor: `(debug_summaries=)` -> loss of the quantiles.
        target_entropy: see `SacAlgorithm`.
        initial_log_alpha: see `SacAlgorithm`.
        max_log_alpha: see `SacAlgorithm`.
        target_update_tau: see `SacAlgorithm`.
        target_update_period: see `SacAlgorithm`.
        dqda_clipping: see `SacAlgorithm`.
        actor_optimizer: a spec from `alf.optimizers`.
        critic_optimizer: likewise.
        alpha_optimizer: likewise, for the temperature.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: an action is discrete, or see `SacAlgorithm`.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_cls: Callable[..., Network] | None = None,
        critic_network_cls: Callable[..., Network] = CriticNetwork,
        num_quantiles: int = 25,
        dropped_quantiles: int = 2,
        epsilon_greedy: float | None = None,
        use_entropy_reward: bool | None = None,
        calculate_priority: bool | None = None,
        num_critic_replicas: int | None = None,
        config: Any = None,
        critic_loss_ctor: Callable[..., TDLoss] = QuantileTDLoss,
        target_entropy: float | Callable[..., float] | Sequence[float] | None = None,
        initial_log_alpha: float | None = None,
        max_log_alpha: float | None = None,
        target_update_tau: float | None = None,
        target_update_period: int | None = None,
        dqda_clipping: float | None = None,
        actor_optimizer: Optimizer | None = None,
        critic_optimizer: Optimizer | None = None,
        alpha_optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "QuantileSacAlgorithm",
    ):
        if any(spec.is_discrete for spec in flatten(action_spec)):
            raise ConfigError(
                f"QuantileSacAlgorithm is for continuous actions, and the action spec is "
                f"{action_spec}: use SacAlgorithm"
            )
        if not 0 <= dropped_quantiles < num_quantiles:
            raise ConfigError(
                f"QuantileSacAlgorithm.dropped_quantiles is {dropped_quantiles}, and there are "
                f"{num_quantiles}: give a number from 0 to {num_quantiles - 1}"
            )
        choices = {
            "actor_network_cls": actor_network_cls,
            "epsilon_greedy": epsilon_greedy,
            "use_entropy_reward": use_entropy_reward,
            "calculate_priority": calculate_priority,
            "num_critic_replicas": num_critic_replicas,
            "target_entropy": target_entropy,
            "initial_log_alpha": initial_log_alpha,
            "max_log_alpha": max_log_alpha,
            "target_update_tau": target_update_tau,
            "target_update_period": target_update_period,
            "dqda_clipping": dqda_clipping,
            "actor_optimizer": actor_optimizer,
            "critic_optimizer": critic_optimizer,
            "alpha_optimizer": alpha_optimizer,
        }
        quantiles = TensorSpec((num_quantiles,))
        # What is not passed on is what the configuration says of the base class.
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            critic_network_cls=partial(critic_network_cls, output_tensor_spec=quantiles),
            critic_loss_ctor=critic_loss_ctor,
            config=config,
            debug_summaries=debug_summaries,
            name=name,
            **{key: value for key, value in choices.items() if value is not None},
        )
        self._dropped = dropped_quantiles

    def _tell_values(self, info: SacInfo, observation: Any, memory: SacMemory) -> SacInfo:
        """An info of `predict_step` with what the critics think of its action."""
        quantiles = self._values(self._critics, observation, info.action, memory.critics)
        return info._replace(value=truncate_quantiles(quantiles, self._dropped).mean(-1))

    @torch.no_grad()
    def _next_value(self, observation: Any, alpha: torch.Tensor, memory: SacMemory) -> torch.Tensor:
        """Equally likely soft values of the policy by the target critics, `[N, M]`."""
        assert self._actor_network is not None
        distribution, _ = self._actor_network(observation, memory.actor)
        action, log_pi = sample_with_log_prob(distribution)
        targets = self._target_critics
        quantiles = self._values(targets, observation, action, memory.target_critics)
        values = truncate_quantiles(quantiles, self._dropped)
        return values - (alpha[-1] * log_pi).unsqueeze(-1) if self._use_entropy_reward else values

    def _weigh(self, values: torch.Tensor) -> torch.Tensor:
        """How much each quantile counts for the actor, like `values`: all of them alike."""
        return torch.full_like(values, 1 / values[0].numel())
