"""PPO on CartPole-v1: solved (greedy return of at least 475 of 500) in 100 000 steps."""

import torch

import alf
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=8)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)

alf.config("PPOLoss", gamma=0.98, td_lambda=0.8)

# The falling learning rate lets the policy settle, so that the last checkpoint is a good one.
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 1e-3), (1.0, 0.0)]),
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

# An unroll is 256 steps in all; an epoch is one minibatch of all that count.
alf.config(
    "TrainerConfig",
    unroll_length=32,
    num_updates_per_train_iter=20,
    mini_batch_size=256,
    num_iterations=390,
    num_checkpoints=5,
    summary_interval=10,
)
