"""PPO on LunarLander-v3: lands softly. Needs Box2D: `pip install -e '.[box2d]'`."""

from functools import partial

import torch

import alf
from alf.algorithms.data_transformer import RewardScaling
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="LunarLander-v3", num_parallel_environments=16)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)

# The first policy tries all engines alike: the study https://arxiv.org/abs/2006.05990 advises it.
alf.config("CategoricalProjectionNetwork", logits_init_output_factor=0.01)

# What a landing pays lies hundreds of steps ahead of the first flight that leads to it.
alf.config("PPOLoss", gamma=0.995, td_lambda=0.98, entropy_regularization=0.01)

optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 1e-3), (1.0, 0.0)]),
    eps=1e-5,
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

# A landing pays 100. Values start at 0, and reach returns of the order of 1 in a few iterations.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=partial(RewardScaling, scale=0.05),
    unroll_length=256,
    num_updates_per_train_iter=4,
    mini_batch_size=128,
    num_iterations=98,
    num_checkpoints=4,
    summary_interval=4,
)
