"""The least that a conf needs: an environment, an algorithm, and how long to train."""

from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=8)

alf.config("ActorDistributionNetwork", fc_layer_params=(64,))
alf.config("ValueNetwork", fc_layer_params=(64,))

alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=3e-3)),
    num_iterations=1000,
)
