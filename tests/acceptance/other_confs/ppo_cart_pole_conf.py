"""PPO on a shared conf, with transformers and schedules."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

from functools import partial

import ppo_conf  # noqa: F401 - the conf beside this one
from alf.utils.schedulers import StepScheduler

import alf
from alf.algorithms.data_transformer import (
    ObservationNormalizer,
    RewardClipping,
    RewardScaling,
    RewardShifting,
)
from alf.networks import ActorDistributionNetwork, ValueNetwork
from alf.optimizers import Adam

alf.config(
    "create_environment", env_name="CartPole-v1", num_parallel_environments=4, nonparallel=True
)
alf.config("suite_gym.load", max_episode_steps=50)
alf.config("ObservationNormalizer", clipping=5.0, mode="adaptive", update_mode="rollout")
alf.config("RewardScaling", scale=0.1)
alf.config("RewardClipping", minmax=(-1.0, 1.0))

alf.config(
    "ActorCriticAlgorithm",
    actor_network_ctor=partial(ActorDistributionNetwork, fc_layer_params=(16,), use_fc_ln=True),
    value_network_ctor=partial(ValueNetwork, fc_layer_params=(16,), use_fc_bn=False),
)
schedule = StepScheduler("percent", [(0.5, 1e-3), (1.0, 1e-4)], warm_up_period=0.1)
alf.config("Agent", optimizer=Adam(lr=schedule, gradient_clipping=1.0, name="policy"))
alf.config(
    "TrainerConfig",
    data_transformer_ctor=[
        ObservationNormalizer,
        RewardScaling,
        partial(RewardShifting, bias=0.01),
        RewardClipping,
    ],
    unroll_length=8,
    num_updates_per_train_iter=2,
    mini_batch_size=16,
    num_iterations=0,
    num_env_steps=96,
    random_seed=0,
    metric_min_buffer_size=5,
    async_unroll=False,
    summarize_first_interval=True,
    confirm_checkpoint_upon_crash=False,
    no_thread_env_for_conf=False,
)
