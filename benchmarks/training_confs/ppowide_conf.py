"""PPO on 1,024 CartPole-v1 at once as `benchmarks.training_peers` sets it up."""

import alf
from benchmarks.training_confs import ppo_conf  # noqa: F401 - all that is not set below

alf.config("create_environment", num_parallel_environments=1024)
alf.config(
    "TrainerConfig",
    unroll_length=16,
    num_updates_per_train_iter=4,
    mini_batch_size=4096,
)
