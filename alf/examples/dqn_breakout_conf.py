"""DQN on Breakout, 1 000 000 steps; needs `pip install -e '.[atari]'`."""

from functools import partial

import alf
from alf.algorithms.data_transformer import FrameStacker, RewardClipping
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.environments import suite_atari
from alf.ops import element_wise_huber_loss
from alf.schedulers import LinearScheduler

# Training sees lives, and rewards that are -1, 0 or 1; evaluation and play see games and scores.
alf.config(
    "create_environment",
    env_name="ALE/Breakout-v5",
    env_load_fn=partial(suite_atari.load, terminal_on_life_loss=True),
    eval_env_load_fn=suite_atari.load,
    num_parallel_environments=8,
)

# (channels, kernel size, stride): the network of https://doi.org/10.1038/nature14236
alf.config(
    "QNetwork",
    conv_layer_params=((32, 8, 4), (64, 4, 2), (64, 3, 1)),
    fc_layer_params=(512,),
)
alf.config("OneStepTDLoss", gamma=0.99, td_error_loss_fn=element_wise_huber_loss)

# The target network is a copy of 1000 updates ago, 8000 steps.
alf.config(
    "DqnAlgorithm",
    q_optimizer=alf.optimizers.Adam(lr=1e-4),
    num_critic_replicas=1,
    target_net_target_action=False,
    rollout_epsilon_greedy=LinearScheduler("percent", [(0.0, 1.0), (0.1, 0.01)]),
    target_update_tau=1.0,
    target_update_period=1000,
)

# Frames stay bytes in the replay buffer: its 100 000 steps take 2.8 GB of memory, and as much disk
# where a checkpoint keeps them; so none does.
alf.config(
    "TrainerConfig",
    algorithm_ctor=DqnAlgorithm,
    data_transformer_ctor=[FrameStacker, RewardClipping],
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=10_000,
    replay_buffer_length=12_500,
    replay_checkpoints=0,
    unroll_length=1,
    num_updates_per_train_iter=2,
    mini_batch_length=2,
    mini_batch_size=32,
    num_iterations=123_750,
    num_checkpoints=5,
    summary_interval=500,
    eval_interval=12_500,
    num_eval_episodes=5,
    num_eval_environments=5,
)
