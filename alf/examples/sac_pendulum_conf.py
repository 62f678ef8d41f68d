"""SAC on Pendulum-v1: swings up and holds (a greedy return above -200) after 10 000 steps."""

import alf
from alf.examples import sac_conf  # noqa: F401 - what it configures is what is wanted

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=1)
# The torque stays in newton metres, -2 to 2, rather than in shares of the greatest.
alf.config("wrap_env", normalize_action=False)

alf.config("ActorDistributionNetwork", fc_layer_params=(256, 256))
alf.config("CriticNetwork", joint_fc_layer_params=(256, 256))
alf.config("OneStepTDLoss", gamma=0.99)

alf.config(
    "SacAlgorithm",
    actor_optimizer=alf.optimizers.Adam(lr=1e-3),
    critic_optimizer=alf.optimizers.Adam(lr=1e-3),
    alpha_optimizer=alf.optimizers.Adam(lr=1e-3),
    target_update_tau=0.005,
)

alf.config(
    "TrainerConfig",
    initial_collect_steps=100,
    replay_buffer_length=10_000,
    num_iterations=9_900,
    num_checkpoints=5,
    summary_interval=100,
)
