"""PPO on HalfCheetah-v5, 300 000 steps. Needs MuJoCo: `pip install -e '.[mujoco]'`."""

from functools import partial

import torch

import alf
from alf.algorithms.data_transformer import ObservationNormalizer, RewardScaling
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="HalfCheetah-v5", num_parallel_environments=8)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)

# One standard deviation for each joint, exp(0) at the start, wherever the cheetah is.
alf.config(
    "NormalProjectionNetwork",
    squash_mean=False,
    std_transform=torch.exp,
    projection_output_init_gain=0.01,
)

# The settings of https://arxiv.org/abs/1707.06347 for MuJoCo, which runs 1 000 000 steps.
alf.config("PPOLoss", gamma=0.99, td_lambda=0.95)
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 3e-4), (1.0, 0.0)]),
    eps=1e-5,
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

# Positions, angles and speeds are of different sizes; a reward is of the order of 1, and the values
# of 100.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=[
        partial(ObservationNormalizer, clipping=10.0),
        partial(RewardScaling, scale=0.1),
    ],
    unroll_length=256,
    num_updates_per_train_iter=10,
    mini_batch_size=64,
    num_iterations=147,
    num_checkpoints=4,
    summary_interval=5,
)
