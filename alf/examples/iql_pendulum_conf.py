"""Implicit Q-learning on Pendulum-v1, from episodes of drivers of different skill."""

from functools import partial

import alf
from alf.algorithms.data_transformer import RewardScaling
from alf.algorithms.iql_algorithm import IqlAlgorithm
from alf.examples.pendulum_recordings import mixed_episodes

# For evaluation and play alone: training steps no environment.
alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=1)
# The torque stays in newton metres, -2 to 2, rather than in shares of the greatest.
alf.config("wrap_env", normalize_action=False)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64))
alf.config("CriticNetwork", joint_fc_layer_params=(64, 64))
alf.config("ValueNetwork", fc_layer_params=(64, 64))
alf.config("OneStepTDLoss", gamma=0.97)

optimizer = alf.optimizers.Adam(lr=1e-3)
alf.config(
    "IqlAlgorithm",
    actor_optimizer=optimizer,
    critic_optimizer=optimizer,
    value_optimizer=optimizer,
    target_update_tau=0.005,
    expectile=0.9,
    temperature=3.0,
)

# A reward is between -16 and 0. Values of the order of 1 give advantages that a temperature of the
# paper's order suits.
alf.config(
    "TrainerConfig",
    algorithm_ctor=IqlAlgorithm,
    data_transformer_ctor=partial(RewardScaling, scale=0.1),
    offline_buffer_dir=mixed_episodes,
    num_iterations=200,
    num_updates_per_train_iter=50,
    mini_batch_size=256,
    num_checkpoints=4,
    evaluate=True,
    eval_interval=50,
    num_eval_episodes=20,
    num_eval_environments=20,
    summary_interval=10,
)
