"""PPO on Breakout, 600 000 steps; needs `pip install -e '.[atari]'`."""

from functools import partial

import alf
from alf.algorithms.data_transformer import FrameStacker, RewardClipping
from alf.environments import suite_atari
from alf.examples import ppo_conf  # noqa: F401 - what it configures is what is wanted
from alf.schedulers import LinearScheduler

# Training sees lives, and rewards that are -1, 0 or 1; evaluation and play see games and scores.
alf.config(
    "create_environment",
    env_name="ALE/Breakout-v5",
    env_load_fn=partial(suite_atari.load, terminal_on_life_loss=True),
    eval_env_load_fn=suite_atari.load,
    num_parallel_environments=8,
)

# (channels, kernel size, stride): the network of https://arxiv.org/abs/1312.5602, a third of the
# work of its successor, ((32, 8, 4), (64, 4, 2), (64, 3, 1)) before 512.
conv_layer_params = ((16, 8, 4), (32, 4, 2))
alf.config("ActorDistributionNetwork", conv_layer_params=conv_layer_params, fc_layer_params=(256,))
alf.config("ValueNetwork", conv_layer_params=conv_layer_params, fc_layer_params=(256,))
alf.config("CategoricalProjectionNetwork", logits_init_output_factor=0.01)

alf.config(
    "PPOLoss",
    gamma=0.99,
    td_lambda=0.95,
    importance_ratio_clipping=0.1,
    entropy_regularization=0.01,
)

optimizer = alf.optimizers.Adam(
    lr=LinearScheduler("percent", [(0.0, 5e-4), (1.0, 0.0)]),
    eps=1e-5,
    gradient_clipping=0.5,
    clip_by_global_norm=True,
)
alf.config("Agent", optimizer=optimizer)

# An unroll is 1024 steps, 4096 frames.
alf.config(
    "TrainerConfig",
    data_transformer_ctor=[FrameStacker, RewardClipping],
    unroll_length=128,
    num_updates_per_train_iter=4,
    mini_batch_size=256,
    num_iterations=586,
    num_checkpoints=5,
    summary_interval=5,
    eval_interval=50,
    num_eval_episodes=5,
    num_eval_environments=5,
)
