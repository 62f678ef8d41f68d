"""Proximal policy optimization, for confs that name their environment and import this one."""

import alf
from alf.algorithms.agent import Agent
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.ppo_loss import PPOLoss

alf.config("PPOAlgorithm", loss_class=PPOLoss)
alf.config("PPOLoss", normalize_advantages=True, td_loss_weight=0.5)

optimizer = alf.optimizers.Adam(lr=3e-4, gradient_clipping=0.5, clip_by_global_norm=True)
alf.config("Agent", rl_algorithm_cls=PPOAlgorithm, optimizer=optimizer)

# Each unroll is used for some epochs of minibatches, and then thrown away.
alf.config(
    "TrainerConfig",
    algorithm_ctor=Agent,
    whole_replay_buffer_training=True,
    clear_replay_buffer=True,
    unroll_length=128,
    num_updates_per_train_iter=10,
    mini_batch_size=64,
)
