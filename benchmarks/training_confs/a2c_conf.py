"""A2C on CartPole-v1 as `benchmarks.training_peers` sets it up."""

from functools import partial

import torch

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=8)
alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config(
    "ActorCriticLoss",
    gamma=0.98,
    use_gae=True,
    td_lambda=1.0,
    use_td_lambda_return=True,
    td_loss_weight=0.5,
    entropy_regularization=None,
)
optimizer = alf.optimizers.Adam(lr=1e-3, gradient_clipping=0.5, clip_by_global_norm=True)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=optimizer),
    unroll_length=8,
    num_checkpoints=1,
    summary_interval=100,
    summarize_first_interval=False,
)
