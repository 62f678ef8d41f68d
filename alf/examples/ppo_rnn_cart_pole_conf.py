"""PPO with a memory on CartPole-v1 with hidden speeds, 300 000 steps."""

from functools import partial

import alf
from alf.algorithms.data_transformer import RewardScaling
from alf.environments.gym_wrappers import KeepElements
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.networks import ActorDistributionRNNNetwork, ValueRNNNetwork
from alf.schedulers import LinearScheduler

# What is left is where the cart is and how the pole leans: how fast they move has to be remembered.
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=8)
alf.config("suite_gym.load", gym_env_wrappers=[partial(KeepElements, elements=(0, 2))])

alf.config("ActorDistributionRNNNetwork", fc_layer_params=(64,), lstm_hidden_size=64)
alf.config("ValueRNNNetwork", fc_layer_params=(64,), lstm_hidden_size=64)
alf.config(
    "ActorCriticAlgorithm",
    actor_network_ctor=ActorDistributionRNNNetwork,
    value_network_ctor=ValueRNNNetwork,
)

alf.config("PPOLoss", gamma=0.98, td_lambda=0.9)

optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 1e-3), (1.0, 0.0)]),
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

# Values of the order of 1 leave the policy its share of the clipped gradient. An unroll is 1024
# steps, 64 sequences; a minibatch is 16 of them.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=partial(RewardScaling, scale=0.05),
    unroll_length=128,
    mini_batch_length=16,
    num_updates_per_train_iter=10,
    mini_batch_size=16,
    num_iterations=293,
    num_checkpoints=5,
    summary_interval=10,
)
