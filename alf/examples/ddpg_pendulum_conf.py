"""DDPG on Pendulum-v1: swings up and holds (a greedy return above -200) after 10 000 steps."""

import alf
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=1)

alf.config("ActorNetwork", fc_layer_params=(128, 128))
alf.config("CriticNetwork", joint_fc_layer_params=(128, 128))
alf.config("OneStepTDLoss", gamma=0.98)

# The falling learning rate lets actor and values settle, so that the last checkpoint is a good one.
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 1e-3), (0.5, 1e-3), (1.0, 0.0)])
)

alf.config(
    "DdpgAlgorithm",
    actor_optimizer=optimizer,
    critic_optimizer=optimizer,
    target_update_tau=0.005,
)

# One step of the environment, one update on a sample of what is remembered.
alf.config(
    "TrainerConfig",
    algorithm_ctor=DdpgAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=100,
    replay_buffer_length=10_000,
    unroll_length=1,
    num_updates_per_train_iter=1,
    mini_batch_length=2,
    mini_batch_size=128,
    num_iterations=9_900,
    num_checkpoints=5,
    summary_interval=100,
)
