"""PPO on BipedalWalker-v3, 1 000 000 steps. Needs Box2D: `pip install -e '.[box2d]'`."""

from functools import partial

import torch

import alf
from alf.algorithms.data_transformer import ObservationNormalizer, RewardScaling
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="BipedalWalker-v3", num_parallel_environments=16)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config(
    "NormalProjectionNetwork",
    squash_mean=False,
    std_transform=torch.exp,
    projection_output_init_gain=0.01,
)

alf.config("PPOLoss", gamma=0.99, td_lambda=0.95, entropy_regularization=1e-3)
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 3e-4), (1.0, 0.0)]),
    eps=1e-5,
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

# A fall costs 100, a step of a good walk pays 0.2.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=[
        partial(ObservationNormalizer, clipping=10.0),
        partial(RewardScaling, scale=0.1),
    ],
    unroll_length=256,
    num_updates_per_train_iter=10,
    mini_batch_size=128,
    num_iterations=245,
    num_checkpoints=4,
    summary_interval=5,
)
