"""Actor-critic on CartPole-v0: solved (average return 195 of 200) within seconds."""

from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.data_transformer import RewardScaling

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=16)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64))
alf.config("ValueNetwork", fc_layer_params=(64, 64))

alf.config(
    "ActorCriticLoss",
    gamma=0.98,
    use_gae=True,
    td_lambda=0.95,
    use_td_lambda_return=True,
    normalize_advantages=True,
    entropy_regularization=1e-3,
)

alf.config(
    "TrainerConfig",
    data_transformer_ctor=partial(RewardScaling, scale=0.05),
    algorithm_ctor=partial(
        ActorCriticAlgorithm,
        optimizer=alf.optimizers.Adam(lr=1e-3, gradient_clipping=0.5, clip_by_global_norm=True),
    ),
    unroll_length=8,
    num_iterations=1000,
    num_checkpoints=5,
    summary_interval=10,
)
