"""Actor-critic on Pendulum-v1, a continuous action: swings up and balances (return about -150)."""

from functools import partial

import torch

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.data_transformer import RewardScaling
from alf.schedulers import LinearScheduler

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=64)
# The torque stays in newton metres, -2 to 2, rather than in shares of the greatest.
alf.config("wrap_env", normalize_action=False)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64), activation=torch.tanh)
alf.config("ValueNetwork", fc_layer_params=(64, 64), activation=torch.tanh)

# Swinging up has to be found by chance. Noise that starts wide (softplus of 1 is 1.3, for torques
# between -2 and 2), and an entropy bonus that keeps it so, keep the policy from settling for less.
alf.config("NormalProjectionNetwork", std_bias_initializer_value=1.0)

# It takes about 40 steps: with a shorter sight (gamma 0.9) it is found late or never.
alf.config(
    "ActorCriticLoss",
    gamma=0.95,
    use_gae=True,
    td_lambda=0.95,
    use_td_lambda_return=True,
    normalize_advantages=True,
    entropy_regularization=1e-2,
)

optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 5e-3), (1.0, 0.0)]),
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)

# A reward is between -16 and 0. Values of the order of 1 leave the policy its share of the clipped
# gradient.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=partial(RewardScaling, scale=0.05),
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=optimizer),
    unroll_length=16,
    num_iterations=1200,
    num_checkpoints=5,
    summary_interval=20,
)
