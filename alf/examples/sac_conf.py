"""Soft actor-critic, for confs that name their environment and import this one."""

import alf
from alf.algorithms.agent import Agent
from alf.algorithms.sac_algorithm import SacAlgorithm

optimizer = alf.optimizers.Adam(lr=3e-4)
alf.config(
    "SacAlgorithm",
    actor_optimizer=optimizer,
    critic_optimizer=optimizer,
    alpha_optimizer=optimizer,
    target_update_tau=0.005,
)
alf.config("Agent", rl_algorithm_cls=SacAlgorithm)

# The whole distribution lies within the bounds of the action, and is as wide as the state asks for.
alf.config(
    "NormalProjectionNetwork",
    scale_distribution=True,
    state_dependent_std=True,
    std_transform=alf.ops.clipped_exp,
)

# One step of each environment, one update on a sample of what is remembered.
alf.config(
    "TrainerConfig",
    algorithm_ctor=Agent,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    unroll_length=1,
    num_updates_per_train_iter=1,
    mini_batch_length=2,
    mini_batch_size=256,
    replay_buffer_length=100_000,
)
