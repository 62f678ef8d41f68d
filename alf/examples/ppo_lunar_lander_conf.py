"""PPO on LunarLander-v3: lands between the flags. Needs Box2D: `pip install 'alf[box2d]'`."""

import torch

import alf
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted

alf.config("create_environment", env_name="LunarLander-v3", num_parallel_environments=16)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)

# A landing takes hundreds of steps, and pays at its end.
alf.config("PPOLoss", gamma=0.999, td_lambda=0.98, entropy_regularization=0.01)

alf.config(
    "TrainerConfig",
    unroll_length=1024,
    num_updates_per_train_iter=4,
    mini_batch_size=64,
    num_iterations=24,
    num_checkpoints=4,
    summary_interval=1,
)
