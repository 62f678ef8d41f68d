"""A conf that others import: settings of PPO."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

from alf.utils.losses import element_wise_squared_loss

import alf
from alf.algorithms.agent import Agent
from alf.algorithms.ppo_algorithm import PPOAlgorithm, PPOLoss

alf.config("Agent", rl_algorithm_cls=PPOAlgorithm, enforce_entropy_target=False)
alf.config("ActorCriticAlgorithm", loss_class=PPOLoss)
alf.config(
    "PPOLoss",
    entropy_regularization=1e-3,
    gamma=0.98,
    td_error_loss_fn=element_wise_squared_loss,
    normalize_advantages=False,
    advantage_clip=10.0,
    importance_ratio_clipping=0.2,
    log_prob_clipping=10.0,
    compute_advantages_internally=False,
    check_numerics=True,
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=Agent,
    mini_batch_length=1,
    whole_replay_buffer_training=True,
    clear_replay_buffer=True,
    num_checkpoints=1,
)
