"""SAC with a memory on Pendulum-v1 with a hidden speed."""

from functools import partial

import alf
from alf.environments.gym_wrappers import KeepElements
from alf.examples import sac_conf  # noqa: F401 - what it configures is what is wanted
from alf.networks import ActorDistributionRNNNetwork, CriticRNNNetwork

# What is left is the angle, as cosine and sine: how fast it changes has to be remembered.
alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=1)
alf.config("suite_gym.load", gym_env_wrappers=[partial(KeepElements, elements=(0, 1))])

alf.config("ActorDistributionRNNNetwork", fc_layer_params=(64,), lstm_hidden_size=64)
alf.config("CriticRNNNetwork", joint_fc_layer_params=(64,), lstm_hidden_size=64)
alf.config("OneStepTDLoss", gamma=0.98)

optimizer = alf.optimizers.Adam(lr=1e-3)
alf.config(
    "SacAlgorithm",
    actor_network_cls=ActorDistributionRNNNetwork,
    critic_network_cls=CriticRNNNetwork,
    actor_optimizer=optimizer,
    critic_optimizer=optimizer,
    alpha_optimizer=optimizer,
    target_update_tau=0.005,
    burn_in=4,
)

# 32 sequences of 16 rows, of which 11 are learned from.
alf.config(
    "TrainerConfig",
    initial_collect_steps=500,
    replay_buffer_length=20_000,
    unroll_length=1,
    mini_batch_length=16,
    mini_batch_size=32,
    num_iterations=19_500,
    num_checkpoints=5,
    summary_interval=100,
)
