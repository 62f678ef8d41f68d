"""SAC on HalfCheetah-v5, 100 000 steps. Needs MuJoCo: `pip install -e '.[mujoco]'`."""

import alf
from alf.examples import sac_conf  # noqa: F401 - what it configures is what is wanted

alf.config("create_environment", env_name="HalfCheetah-v5", num_parallel_environments=1)

alf.config("ActorDistributionNetwork", fc_layer_params=(256, 256))
alf.config("CriticNetwork", joint_fc_layer_params=(256, 256))
alf.config("OneStepTDLoss", gamma=0.99)

# The settings of https://arxiv.org/abs/1812.05905, which runs 3 000 000 steps: raise
# TrainerConfig.num_iterations to as many.
alf.config(
    "TrainerConfig",
    initial_collect_steps=10_000,
    replay_buffer_length=1_000_000,
    num_iterations=90_000,
    num_checkpoints=2,
    replay_checkpoints=1,
    summary_interval=1000,
    summarize_first_interval=False,
)
