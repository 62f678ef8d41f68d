"""PPO with a Beta policy on actions in [-1, 1]."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

import functools

import ppo_conf  # noqa: F401 - the conf beside this one
import torch

import alf
from alf.networks.projection_networks import BetaProjectionNetwork

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=2)
alf.config(
    "ActorDistributionNetwork",
    fc_layer_params=(16,),
    activation=torch.tanh,
    continuous_projection_net_ctor=functools.partial(
        BetaProjectionNetwork, min_concentration=1.0, parallelism=None
    ),
)
alf.config("ValueNetwork", fc_layer_params=(16,), activation=torch.tanh)
alf.config("BetaProjectionNetwork", grad_clip=0.05)
alf.config("Agent", optimizer=alf.optimizers.AdamW(lr=1e-3, weight_decay=1e-3))
alf.config(
    "TrainerConfig",
    unroll_length=8,
    num_updates_per_train_iter=2,
    mini_batch_size=8,
    num_iterations=3,
    num_summaries=3,
    num_evals=1,
    evaluate=True,
    num_eval_episodes=1,
    epsilon_greedy=0.1,
)
