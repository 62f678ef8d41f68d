"""Images: frames on a stack, convolutions, preprocessors made by a function."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

import functools

import torch

import alf
from alf.algorithms.data_transformer import FrameStacker, ImageScaleTransformer
from alf.networks import ActorDistributionNetwork, ValueNetwork
from alf.optimizers import RMSprop

alf.config(
    "create_environment",
    env_name="alf.environments.pixel_grid:PixelGrid-v0",
    num_parallel_environments=2,
    flatten=True,
)
alf.config(
    "TrainerConfig",
    data_transformer_ctor=[FrameStacker, functools.partial(ImageScaleTransformer, min=0.0)],
)
alf.config("FrameStacker", stack_size=2, stack_axis=0)

conv_layer_params = ((8, 2, 2), (8, 3, 2, 1))
actor_network_ctor = functools.partial(
    ActorDistributionNetwork,
    fc_layer_params=(16,),
    conv_layer_params=conv_layer_params,
    kernel_initializer=functools.partial(torch.nn.init.uniform_, a=-0.1, b=0.1),
)
value_network_ctor = functools.partial(
    ValueNetwork, fc_layer_params=(16,), conv_layer_params=conv_layer_params
)
alf.config("ImageEncodingNetwork", use_batch_ensemble=False)
alf.config(
    "ActorCriticAlgorithm",
    actor_network_ctor=actor_network_ctor,
    value_network_ctor=value_network_ctor,
    optimizer=RMSprop(lr=alf.utils.schedulers.ExponentialScheduler("iterations", 1e-3, 0.5, 10)),
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=alf.algorithms.actor_critic_algorithm.ActorCriticAlgorithm,
    unroll_length=3,
    unroll_with_grad=True,
    num_iterations=3,
    num_checkpoints=1,
    enable_amp=False,
    profiling=False,
)
