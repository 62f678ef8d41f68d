"""Discrete SAC on CartPole-v1: a greedy return of at least 400 of 500 in 100 000 steps."""

import alf
from alf.examples import sac_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=8)

alf.config("QNetwork", fc_layer_params=(128, 128))
alf.config("OneStepTDLoss", gamma=0.99)

# The falling learning rate lets the values settle, so that the last checkpoint is a good one.
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 1e-3), (1.0, 0.0)]),
)

alf.config(
    "SacAlgorithm",
    critic_optimizer=optimizer,
    alpha_optimizer=alf.optimizers.Adam(lr=1e-3),
    target_update_tau=0.005,
)

alf.config(
    "TrainerConfig",
    initial_collect_steps=1000,
    replay_buffer_length=12_500,
    num_updates_per_train_iter=4,
    mini_batch_size=128,
    num_iterations=12_400,
    num_checkpoints=5,
    summary_interval=100,
)
