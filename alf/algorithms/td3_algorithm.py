"""Twin delayed DDPG (TD3): three repairs for an actor that believes too much in its critics.

Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods",
https://arxiv.org/abs/1802.09477

- Two critics are trained, and targets take the lower of their values (clipped double Q-learning).
- The actor, and the copies that tell targets, move once for several updates of the critics.
- The target's action gets a little noise, so that neighbouring actions have similar values.
"""

from collections.abc import Callable
from typing import Any

import torch

from alf._config import configurable
from alf._config.settled import settled
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm
from alf.algorithms.settled_parameters import CHECKPOINT, ENV, REWARD_WEIGHTS
from alf.algorithms.td_loss import TDLoss
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks.network import Network
from alf.optimizers import Optimizer
from alf.tensor_specs import TensorSpec


@configurable
@settled(env=ENV, checkpoint=CHECKPOINT, reward_weights=REWARD_WEIGHTS)
class Td3Algorithm(DdpgAlgorithm):
    """DDPG with clipped double values, a delayed actor and smoothed targets.

    What is `None` is taken from what `DdpgAlgorithm` is configured with; its documentation has the
    parameters that are not told of here, and the units of noise.

    Args:
        observation_spec: nest of specs.
        action_spec: nest of continuous specs with finite bounds.
        reward_spec: a float32 scalar.
        actor_network_ctor: see `DdpgAlgorithm`.
        critic_network_ctor: see `DdpgAlgorithm`.
        epsilon_greedy: see `DdpgAlgorithm`.
        calculate_priority: see `DdpgAlgorithm`.
        config: the `TrainerConfig`, or `None` outside training.
        ou_stddev: standard deviation of the noise of the rollout.
        ou_damping: 1 is the Gaussian noise of the paper; see `DdpgAlgorithm`.
        critic_loss_ctor: see `DdpgAlgorithm`.
        num_critic_replicas: how many critics are trained. Targets take the lowest; the actor
            follows the first.
        target_update_tau: see `DdpgAlgorithm`.
        actor_update_period: updates of the critics for each of the actor and of the copies.
        target_noise_stddev: standard deviation of the noise that the target's action gets.
        target_noise_clip: its largest size.
        rollout_random_action: see `DdpgAlgorithm`.
        dqda_clipping: see `DdpgAlgorithm`.
        action_l2: see `DdpgAlgorithm`.
        actor_optimizer: a spec from `alf.optimizers`.
        critic_optimizer: likewise.
        debug_summaries: write summaries that only a developer needs.
        name: prefix of summaries.

    Raises:
        ConfigError: see `DdpgAlgorithm`.
    """

    def __init__(
        self,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        actor_network_ctor: Callable[..., Network] | None = None,
        critic_network_ctor: Callable[..., Network] | None = None,
        epsilon_greedy: float | None = None,
        calculate_priority: bool | None = None,
        config: Any = None,
        ou_stddev: float = 0.1,
        ou_damping: float = 1.0,
        critic_loss_ctor: Callable[..., TDLoss] | None = None,
        num_critic_replicas: int = 2,
        target_update_tau: float = 0.005,
        actor_update_period: int = 2,
        target_noise_stddev: float = 0.2,
        target_noise_clip: float = 0.5,
        rollout_random_action: float | None = None,
        dqda_clipping: float | None = None,
        action_l2: float | None = None,
        actor_optimizer: Optimizer | None = None,
        critic_optimizer: Optimizer | None = None,
        debug_summaries: bool = False,
        name: str = "Td3Algorithm",
    ):
        if target_noise_stddev < 0 or target_noise_clip < 0:
            raise ConfigError(
                f"Td3Algorithm.target_noise_stddev is {target_noise_stddev} and target_noise_clip "
                f"{target_noise_clip}: give numbers of at least 0"
            )
        choices = {
            "actor_network_ctor": actor_network_ctor,
            "critic_network_ctor": critic_network_ctor,
            "epsilon_greedy": epsilon_greedy,
            "calculate_priority": calculate_priority,
            "critic_loss_ctor": critic_loss_ctor,
            "rollout_random_action": rollout_random_action,
            "dqda_clipping": dqda_clipping,
            "action_l2": action_l2,
            "actor_optimizer": actor_optimizer,
            "critic_optimizer": critic_optimizer,
        }
        # What is not passed on is what the configuration says of the base class.
        super().__init__(
            observation_spec=observation_spec,
            action_spec=action_spec,
            reward_spec=reward_spec,
            config=config,
            ou_stddev=ou_stddev,
            ou_damping=ou_damping,
            num_critic_replicas=num_critic_replicas,
            target_update_tau=target_update_tau,
            target_update_period=actor_update_period,
            debug_summaries=debug_summaries,
            name=name,
            **{key: value for key, value in choices.items() if value is not None},
        )
        self._target_noise_stddev = target_noise_stddev
        self._target_noise_clip = target_noise_clip

    def _target_action(self, observation: Any) -> Any:
        """The copy's action with clipped noise, within its bounds."""
        action = super()._target_action(observation)
        noise = map_structure(torch.randn_like, action)
        return self._with_noise(action, map_structure(self._limit_noise, noise))

    def _limit_noise(self, noise: torch.Tensor) -> torch.Tensor:
        limit = self._target_noise_clip
        return (noise * self._target_noise_stddev).clamp(-limit, limit)

    def _moves_actor(self) -> bool:
        """Together with the copies."""
        return self._target_updater.is_due

    def _weigh(self, values: torch.Tensor) -> torch.Tensor:
        """How much each value counts for the actor, like `values`: those of the first critic."""
        weights = torch.zeros_like(values)
        weights[:, 0] = 1
        return weights
