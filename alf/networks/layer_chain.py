"""Layers one after the other, with little between them: a policy acts by small operations."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from alf import ops
from alf.networks.layers import Linear, ParallelLinear


class LayerChain(nn.Sequential):
    """`nn.Sequential`, which takes half the time for small tensors.

    What a layer of a known class does is done at once, without `nn.Module.__call__` and the search
    for its parameters. A layer that has a hook, and any other module, is called as usual; hooks for
    all modules of a process (`register_module_forward_hook`) do not see the others.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """What the last layer gives."""
        x = input
        for module in self._modules.values():
            assert module is not None
            function = _DIRECT.get(type(module))
            if (
                function is None
                or module._forward_hooks
                or module._forward_pre_hooks
                or module._backward_hooks
                or module._backward_pre_hooks
            ):
                x = module(x)
            else:
                x = function(module, x)
        return x


def _linear(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    parameters: Any = module._parameters
    return ops.linear(x, parameters["weight"], parameters["bias"])


def _relu(module: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.relu_(x) if module.inplace else torch.relu(x)


def _tanh(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x)


# By class, and not by `isinstance`: torch's parametrizations make a subclass.
_DIRECT: dict[type[nn.Module], Callable[[Any, torch.Tensor], torch.Tensor]] = {
    Linear: _linear,
    ParallelLinear: ParallelLinear.forward,
    nn.ReLU: _relu,
    nn.Tanh: _tanh,
}
