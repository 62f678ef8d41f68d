"""DQN with a memory on CartPole-v1 with hidden speeds, as R2D2 learns."""

from functools import partial

import alf
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.environments.gym_wrappers import KeepElements
from alf.networks import QRNNNetwork
from alf.schedulers import LinearScheduler

# What is left is where the cart is and how the pole leans: how fast they move has to be remembered.
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=8)
alf.config("suite_gym.load", gym_env_wrappers=[partial(KeepElements, elements=(0, 2))])

alf.config("QRNNNetwork", fc_layer_params=(64,), lstm_hidden_size=64)
alf.config("OneStepTDLoss", gamma=0.99)

# The falling learning rate lets the values settle, so that the last checkpoint is a good one.
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 2e-3), (1.0, 0.0)]),
    gradient_clipping=10.0,
    clip_by_global_norm=True,
)

# The first 4 rows of a sequence bring up to date what the rollout remembered there.
alf.config(
    "DqnAlgorithm",
    q_network_cls=QRNNNetwork,
    q_optimizer=optimizer,
    num_critic_replicas=1,
    target_net_target_action=False,
    rollout_epsilon_greedy=LinearScheduler("percent", [(0.0, 1.0), (0.16, 0.04)]),
    target_update_tau=0.01,
    burn_in=4,
)

# 48 sequences of 16 rows, of which 11 are learned from.
alf.config(
    "TrainerConfig",
    algorithm_ctor=DqnAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=1000,
    replay_buffer_length=12_500,
    unroll_length=2,
    num_updates_per_train_iter=4,
    mini_batch_length=16,
    mini_batch_size=48,
    num_iterations=6_000,
    num_checkpoints=5,
    summary_interval=100,
)
