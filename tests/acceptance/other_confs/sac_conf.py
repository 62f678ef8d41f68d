"""A conf that others import: settings of soft actor-critic."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

import alf
from alf.algorithms.agent import Agent
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.sac_algorithm import SacAlgorithm

alf.config("Agent", rl_algorithm_cls=SacAlgorithm)
alf.config("SacAlgorithm", critic_loss_ctor=OneStepTDLoss)
alf.config(
    "TrainerConfig",
    algorithm_ctor=Agent,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    unroll_length=1,
    num_updates_per_train_iter=1,
    mini_batch_length=2,
    mini_batch_size=16,
    initial_collect_steps=20,
    replay_buffer_length=100,
    use_rollout_state=True,
    offline_buffer_dir=None,
    rl_train_after_update_steps=0,
    num_checkpoints=1,
)
