"""PPO on Pendulum-v1, a continuous action: swings up and balances (return about -175)."""

from functools import partial

import torch

import alf
from alf.algorithms.data_transformer import RewardScaling
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=16)
# The torque stays in newton metres, -2 to 2, rather than in shares of the greatest.
alf.config("wrap_env", normalize_action=False)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)

alf.config("PPOLoss", gamma=0.95, td_lambda=0.95)

optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 2e-3), (1.0, 0.0)]),
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

# A reward is between -16 and 0. Values of the order of 1 leave the policy its share of the clipped
# gradient.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=partial(RewardScaling, scale=0.1),
    unroll_length=128,
    num_updates_per_train_iter=10,
    mini_batch_size=128,
    num_iterations=73,
    num_checkpoints=5,
    summary_interval=5,
)
