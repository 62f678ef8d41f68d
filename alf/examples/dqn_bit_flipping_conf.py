"""DQN on 16 bits to be flipped: chance finds no goal, so it learns nothing.

`dqn_her_bit_flipping_conf.py` adds hindsight to this conf, and reaches every goal.
"""

import alf
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.schedulers import LinearScheduler

alf.config(
    "create_environment",
    env_name="alf.environments.bit_flipping:BitFlipping-v0",
    num_parallel_environments=8,
)

alf.config("QNetwork", fc_layer_params=(256,))
alf.config("OneStepTDLoss", gamma=0.98)

# The falling learning rate lets the values settle, so that the last checkpoint is a good one.
alf.config(
    "DqnAlgorithm",
    q_optimizer=alf.optimizers.Adam(lr=LinearScheduler("percent", [(0.0, 1e-3), (1.0, 0.0)])),
    num_critic_replicas=1,
    rollout_epsilon_greedy=0.1,
    target_update_tau=0.05,
)

alf.config(
    "TrainerConfig",
    algorithm_ctor=DqnAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=1000,
    replay_buffer_length=12_500,
    unroll_length=4,
    num_updates_per_train_iter=4,
    mini_batch_length=2,
    mini_batch_size=128,
    num_iterations=1500,
    num_checkpoints=5,
    summary_interval=100,
)
