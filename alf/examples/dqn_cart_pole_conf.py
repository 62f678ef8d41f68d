"""DQN on CartPole-v1: a greedy return of at least 400 of 500 in 50 000 steps."""

import alf
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=8)

alf.config("QNetwork", fc_layer_params=(256, 256))
alf.config("OneStepTDLoss", gamma=0.99)

# The falling learning rate lets the values settle, so that the last checkpoint is a good one.
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 2.3e-3), (1.0, 0.0)]),
    gradient_clipping=10.0,
    clip_by_global_norm=True,
)

# One network whose choices its slower copy values: double Q-learning.
alf.config(
    "DqnAlgorithm",
    q_optimizer=optimizer,
    num_critic_replicas=1,
    target_net_target_action=False,
    rollout_epsilon_greedy=LinearScheduler("percent", [(0.0, 1.0), (0.16, 0.04)]),
    target_update_tau=0.01,
)

alf.config(
    "TrainerConfig",
    algorithm_ctor=DqnAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=1000,
    replay_buffer_length=12500,
    unroll_length=1,
    num_updates_per_train_iter=4,
    mini_batch_length=2,
    mini_batch_size=64,
    num_iterations=6100,
    num_checkpoints=5,
    summary_interval=100,
)
