"""DQN with a schedule for exploration and prioritized replay of several steps."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

from functools import partial

from alf.utils.schedulers import LinearScheduler

import alf
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.td_loss import TDLoss
from alf.networks import QNetwork

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=2)
alf.config("QNetwork", fc_layer_params=(16,))
alf.config("TDLoss", gamma=0.98, td_lambda=0.9, normalize_target=False)
alf.config(
    "DqnAlgorithm",
    q_network_cls=QNetwork,
    rollout_epsilon_greedy=LinearScheduler("percent", [(0, 1.0), (0.5, 0.1)]),
    q_optimizer=alf.optimizers.Adam(lr=1e-3),
    num_critic_replicas=2,
    target_net_target_action=True,
    critic_loss_ctor=partial(TDLoss, td_lambda=1.0),
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=DqnAlgorithm,
    initial_collect_steps=20,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    mini_batch_length=3,
    mini_batch_size=8,
    unroll_length=2,
    num_updates_per_train_iter=2,
    replay_buffer_length=64,
    priority_replay=True,
    num_iterations=4,
    num_checkpoints=2,
    epsilon_greedy=0.05,
)
