"""DDPG inside an agent, within a trust region: noise, random actions, options of the copies."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

from functools import partial

import sac_conf  # noqa: F401 - the conf beside this one, for its replay
from alf.utils.losses import element_wise_huber_loss

import alf
from alf.algorithms.agent import Agent
from alf.algorithms.data_transformer import RewardScaling
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm
from alf.algorithms.trac_algorithm import TracAlgorithm
from alf.networks import ActorNetwork, CriticNetwork

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=1)

hidden_layers = (16, 16)
alf.config(
    "DdpgAlgorithm",
    actor_network_ctor=partial(ActorNetwork, fc_layer_params=hidden_layers),
    critic_network_ctor=partial(CriticNetwork, joint_fc_layer_params=hidden_layers),
    reward_weights=None,
    epsilon_greedy=0.05,
    calculate_priority=True,
    ou_stddev=0.2,
    ou_damping=0.15,
    num_critic_replicas=2,
    target_update_tau=0.05,
    target_update_period=5,
    rollout_random_action=0.1,
    dqda_clipping=1.0,
    action_l2=0.01,
    actor_optimizer=alf.optimizers.Adam(lr=5e-4, gradient_clipping=1.0),
    critic_optimizer=alf.optimizers.Adam(lr=1e-3, gradient_clipping=1.0),
    checkpoint=None,
)
alf.config("OneStepTDLoss", gamma=0.98, td_error_loss_fn=element_wise_huber_loss)
alf.config("Agent", rl_algorithm_cls=partial(TracAlgorithm, ac_algorithm_cls=DdpgAlgorithm))
alf.config(
    "TrainerConfig",
    algorithm_ctor=Agent,
    data_transformer_ctor=partial(RewardScaling, scale=0.1),
    priority_replay=True,
    num_iterations=10,
)
