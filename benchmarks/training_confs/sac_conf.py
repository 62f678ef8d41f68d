"""SAC on Pendulum-v1 as `benchmarks.training_peers` sets it up."""

import alf
from alf.examples import sac_pendulum_conf  # noqa: F401 - the same settings

alf.config(
    "TrainerConfig",
    replay_buffer_length=100_000,
    num_checkpoints=1,
    summarize_first_interval=False,
)
