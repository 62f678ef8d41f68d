"""Continuous SAC with networks and optimizers by partial, options of critics and targets."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

from functools import partial

import alf.utils.math_ops
import sac_conf  # noqa: F401 - the conf beside this one
from alf.utils.dist_utils import StableTanh
from alf.utils.losses import element_wise_huber_loss
from alf.utils.math_ops import clipped_exp

import alf
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.networks import ActorDistributionNetwork, CriticNetwork, NormalProjectionNetwork

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=1)

hidden_layers = (16, 16)
proj_net = partial(
    NormalProjectionNetwork,
    state_dependent_std=True,
    scale_distribution=True,
    std_transform=partial(clipped_exp, clip_value_min=-10, clip_value_max=2),
    dist_squashing_transform=StableTanh(),
)
actor_network_cls = partial(
    ActorDistributionNetwork,
    fc_layer_params=hidden_layers,
    continuous_projection_net_ctor=proj_net,
)
critic_network_cls = partial(
    CriticNetwork,
    joint_fc_layer_params=hidden_layers,
    observation_fc_layer_params=(8,),
    action_fc_layer_params=(8,),
    last_layer_activation=alf.utils.math_ops.identity,
    use_fc_ln=True,
    use_naive_parallel_network=True,
)
alf.config(
    "SacAlgorithm",
    actor_network_cls=actor_network_cls,
    critic_network_cls=critic_network_cls,
    q_network_cls=None,
    use_entropy_reward=True,
    num_critic_replicas=3,
    target_entropy=-1.0,
    initial_log_alpha=-1.0,
    max_log_alpha=2.0,
    target_update_tau=0.005,
    target_update_period=2,
    dqda_clipping=1.0,
    prior_actor_ctor=None,
    target_kld_per_dim=3.0,
    parameter_reset_period=-1,
    actor_optimizer=alf.optimizers.Adam(lr=5e-4, name="actor"),
    critic_optimizer=alf.optimizers.Adam(lr=5e-4, name="critic", gradient_clipping=10.0),
    alpha_optimizer=alf.optimizers.Adam(lr=5e-4, name="alpha"),
)
alf.config("OneStepTDLoss", gamma=0.98, td_error_loss_fn=element_wise_huber_loss)
alf.config(
    "TrainerConfig",
    algorithm_ctor=SacAlgorithm,
    num_iterations=10,
    priority_replay=True,
    priority_replay_alpha=0.6,
    priority_replay_beta=alf.utils.schedulers.LinearScheduler("percent", [(0, 0.4), (1, 1.0)]),
    priority_replay_eps=1e-5,
)
alf.config("SacAlgorithm", calculate_priority=True)
