"""The least that a conf needs: an environment, an algorithm, and how long to train.

Rewards are scaled so that values are of the order of 1, which a network learns soonest.
"""

from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.data_transformer import RewardScaling

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=16)

alf.config("ActorDistributionNetwork", fc_layer_params=(64,))
alf.config("ValueNetwork", fc_layer_params=(64,))

alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=3e-3)),
    data_transformer_ctor=partial(RewardScaling, scale=0.05),
    num_iterations=1000,
)
