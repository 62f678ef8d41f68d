"""Behaviour cloning on Pendulum-v1, from episodes of drivers of different skill."""

import alf
from alf.algorithms.bc_algorithm import BcAlgorithm
from alf.examples.pendulum_recordings import mixed_episodes

# For evaluation and play alone: training steps no environment.
alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=1)
# The torque stays in newton metres, -2 to 2, rather than in shares of the greatest.
alf.config("wrap_env", normalize_action=False)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64))
alf.config("BcAlgorithm", actor_optimizer=alf.optimizers.Adam(lr=1e-3))

alf.config(
    "TrainerConfig",
    algorithm_ctor=BcAlgorithm,
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
