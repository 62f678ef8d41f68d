"""Layers one after the other, with little between them: a policy acts by small operations."""

from typing import Any

import torch
from torch import nn, relu, relu_, tanh

from alf.networks.layers import Linear, ParallelLinear
from alf.ops import linear


class LayerChain(nn.Sequential):
    """`nn.Sequential`, which takes half the time for small tensors.

    What a layer of a known class does is done at once, without `nn.Module.__call__` and the search
    for its parameters. A layer that has a hook, and any other module, is called as usual; hooks for
    all modules of a process (`register_module_forward_hook`) do not see the others.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """What the last layer gives."""
        x = input
        module: Any
        for module in self._modules.values():
            kind = type(module)  # not by `isinstance`: torch's parametrizations make a subclass
            if (
                module._forward_hooks
                or module._forward_pre_hooks
                or module._backward_hooks
                or module._backward_pre_hooks
            ):
                x = module(x)
            elif kind is Linear:
                parameters = module._parameters
                x = linear(x, parameters["weight"], parameters["bias"])
            elif kind is nn.ReLU:
                x = relu_(x) if module.inplace else relu(x)
            elif kind is nn.Tanh:
                x = tanh(x)
            elif kind is ParallelLinear:
                x = module.forward(x)
            else:
                x = module(x)
        return x
