"""PPO in a winding corridor: it never meets the reward at its end, and learns nothing.

`ppo_rnd_winding_corridor_conf.py` adds curiosity to this conf, and gets there.
"""

import alf
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

alf.config(
    "create_environment",
    env_name="alf.environments.winding_corridor:WindingCorridor-v0",
    num_parallel_environments=16,
)

alf.config("ActorDistributionNetwork", fc_layer_params=(64, 64))
alf.config("ValueNetwork", fc_layer_params=(64, 64))

alf.config("PPOLoss", gamma=0.99, td_lambda=0.95, entropy_regularization=1e-2)

# The falling learning rate lets the policy settle, so that the last checkpoint is a good one.
optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 1e-3), (1.0, 0.0)]),
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

alf.config(
    "TrainerConfig",
    unroll_length=128,
    num_updates_per_train_iter=4,
    mini_batch_size=512,
    num_iterations=60,
    num_checkpoints=5,
    summary_interval=5,
)
