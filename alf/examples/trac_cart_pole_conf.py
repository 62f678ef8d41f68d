"""Actor-critic with a limit on how far an update moves the policy (TRAC), on CartPole-v0."""

from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.data_transformer import RewardScaling
from alf.algorithms.trac_algorithm import TracAlgorithm
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=16)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64))
alf.config("ValueNetwork", fc_layer_params=(64, 64))

alf.config(
    "ActorCriticLoss",
    gamma=0.98,
    use_gae=True,
    td_lambda=0.95,
    use_td_lambda_return=True,
    entropy_regularization=1e-3,
)

optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 3e-3), (1.0, 0.0)]),
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)

alf.config(
    "TrainerConfig",
    data_transformer_ctor=partial(RewardScaling, scale=0.05),
    algorithm_ctor=partial(
        TracAlgorithm,
        ac_algorithm_cls=ActorCriticAlgorithm,
        action_dist_clip_per_dim=0.01,
        optimizer=optimizer,
    ),
    unroll_length=16,
    num_iterations=500,
    num_checkpoints=5,
    summary_interval=10,
)
