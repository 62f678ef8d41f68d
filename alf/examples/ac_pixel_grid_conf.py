"""Actor-critic from pixels: an agent takes the shortest way to its goal in a grid."""

from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.data_transformer import ImageScaleTransformer
from alf.schedulers import LinearScheduler

# The part before the colon is the module that registers the environment.
alf.config(
    "create_environment",
    env_name="alf.environments.pixel_grid:PixelGrid-v0",
    num_parallel_environments=32,
)

# (channels, kernel size, stride). A cell of the grid is two pixels wide: the first layer looks at
# cells, the second at their neighbours.
conv_layer_params = ((16, 2, 2), (32, 3, 2))
alf.config("ActorDistributionNetwork", conv_layer_params=conv_layer_params, fc_layer_params=(128,))
alf.config("ValueNetwork", conv_layer_params=conv_layer_params, fc_layer_params=(128,))

alf.config(
    "ActorCriticLoss",
    gamma=0.95,
    use_gae=True,
    td_lambda=0.95,
    use_td_lambda_return=True,
    entropy_regularization=1e-2,
)

optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 2e-3), (1.0, 0.0)]),
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)

alf.config(
    "TrainerConfig",
    data_transformer_ctor=ImageScaleTransformer,
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=optimizer),
    unroll_length=8,
    num_iterations=800,
    num_checkpoints=5,
    summary_interval=20,
)
