"""DQN on CartPole-v1 as `benchmarks.training_peers` sets it up."""

import torch

import alf
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.networks import QNetwork
from alf.ops import element_wise_huber_loss
from alf.schedulers import LinearScheduler


def q_network(**arguments):
    """Weights that start as those of the peer do, which are torch's own."""
    network = QNetwork(**arguments)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.reset_parameters()
    return network


alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=1)
alf.config("QNetwork", fc_layer_params=(256, 256))
alf.config("OneStepTDLoss", gamma=0.99, td_error_loss_fn=element_wise_huber_loss)
steps = 1000 + 4 * alf.get_config_value("TrainerConfig.num_iterations")
optimizer = alf.optimizers.Adam(lr=2.3e-3, gradient_clipping=10.0, clip_by_global_norm=True)
# The slower copy both chooses and values, and is renewed every 500 steps, which are 125 updates.
alf.config(
    "DqnAlgorithm",
    q_network_cls=q_network,
    q_optimizer=optimizer,
    num_critic_replicas=1,
    target_net_target_action=True,
    rollout_epsilon_greedy=LinearScheduler("env_steps", [(0, 1.0), (0.2 * steps, 0.05)]),
    target_update_tau=1.0,
    target_update_period=125,
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=DqnAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=1000,
    replay_buffer_length=100_000,
    unroll_length=4,
    num_updates_per_train_iter=1,
    mini_batch_length=2,
    mini_batch_size=64,
    num_checkpoints=1,
    summary_interval=500,
    summarize_first_interval=False,
)
