"""Actor-critic with memory, networks by functools.partial."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

import functools

import torch
from alf.utils import losses

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.actor_critic_loss import ActorCriticLoss
from alf.networks.actor_distribution_networks import ActorDistributionRNNNetwork
from alf.networks.value_networks import ValueRNNNetwork

alf.config(
    "create_environment",
    env_name="CartPole-v0",
    env_load_fn=alf.environments.suite_gym.load,
    num_parallel_environments=4,
    batch_size_per_env=2,
    start_serially=True,
    num_spare_envs=0,
)

hidden_size = (16,)
actor_network_ctor = functools.partial(
    ActorDistributionRNNNetwork,
    fc_layer_params=(16,),
    lstm_hidden_size=hidden_size,
    actor_fc_layer_params=(16,),
    activation=torch.tanh,
    discrete_projection_net_ctor=functools.partial(
        alf.networks.CategoricalProjectionNetwork, logits_init_output_factor=1e-10
    ),
)
value_network_ctor = functools.partial(
    ValueRNNNetwork,
    fc_layer_params=(16,),
    lstm_hidden_size=hidden_size,
    value_fc_layer_params=(16,),
    activation=torch.tanh,
)

alf.config(
    "ActorCriticAlgorithm",
    actor_network_ctor=actor_network_ctor,
    value_network_ctor=value_network_ctor,
    loss_class=ActorCriticLoss,
    optimizer=alf.optimizers.Adam(lr=1e-3, gradient_clipping=0.5, clip_by_global_norm=True),
)
alf.config(
    "ActorCriticLoss",
    gamma=0.98,
    td_error_loss_fn=losses.element_wise_huber_loss,
    use_gae=True,
    use_td_lambda_return=True,
    td_lambda=0.9,
    entropy_regularization=1e-4,
    advantage_clip=5.0,
    td_loss_weight=0.5,
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=ActorCriticAlgorithm,
    unroll_length=4,
    use_rollout_state=True,
    num_iterations=3,
    num_checkpoints=1,
    evaluate=True,
    async_eval=False,
    eval_interval=2,
    num_eval_episodes=1,
    debug_summaries=True,
    summarize_grads_and_vars=True,
    summarize_action_distributions=True,
    summary_interval=1,
    mask_out_loss_for_last_step=True,
    temporally_independent_train_step=None,
    code_snapshots=None,
)
