"""PPO on CartPole-v1 as `benchmarks.training_peers` sets it up."""

import torch

import alf
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=8)
alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("PPOLoss", gamma=0.98, td_lambda=0.8)
optimizer = alf.optimizers.Adam(lr=1e-3, gradient_clipping=0.5, clip_by_global_norm=True)
alf.config("Agent", optimizer=optimizer)
alf.config(
    "TrainerConfig",
    unroll_length=32,
    num_updates_per_train_iter=20,
    mini_batch_size=256,
    num_checkpoints=1,
    summary_interval=100,
    summarize_first_interval=False,
)
