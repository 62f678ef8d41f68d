"""Discrete SAC through an Agent."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

from functools import partial

import sac_conf  # noqa: F401 - the conf beside this one

import alf
from alf.networks import QNetwork

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=2)
alf.config(
    "SacAlgorithm",
    actor_network_cls=None,
    q_network_cls=partial(QNetwork, fc_layer_params=(16,)),
    actor_optimizer=alf.optimizers.Adam(lr=1e-3),
    critic_optimizer=alf.optimizers.Adam(lr=1e-3),
    alpha_optimizer=alf.optimizers.Adam(lr=1e-3),
    target_update_tau=0.01,
)
alf.config("Agent", optimizer=None, intrinsic_reward_module=None, extrinsic_reward_coef=1.0)
alf.config(
    "TrainerConfig",
    num_iterations=5,
    temporally_independent_train_step=True,
    evaluate=False,
    debug_summaries=True,
    summary_interval=1,
)
