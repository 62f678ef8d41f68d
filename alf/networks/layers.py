"""Fully connected blocks, activations and how weights start."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from alf import ops
from alf.errors import ConfigError

Activation = Callable[[torch.Tensor], torch.Tensor]
Initializer = Callable[[torch.Tensor], Any]


def identity(x: torch.Tensor) -> torch.Tensor:
    """`x` itself: the activation of a linear layer."""
    return x


# Functions that have a module of their own: nn.Sequential then runs no Python of ours, and a
# printed network is readable.
_MODULES: dict[Any, Callable[[], nn.Module]] = {
    torch.relu_: lambda: nn.ReLU(inplace=True),
    F.relu_: lambda: nn.ReLU(inplace=True),
    torch.relu: nn.ReLU,
    F.relu: nn.ReLU,
    torch.tanh: nn.Tanh,
    torch.tanh_: nn.Tanh,
    torch.sigmoid: nn.Sigmoid,
    F.elu: nn.ELU,
    F.elu_: nn.ELU,
    F.gelu: nn.GELU,
    F.silu: nn.SiLU,
    F.mish: nn.Mish,
    F.selu: nn.SELU,
    F.leaky_relu: nn.LeakyReLU,
    F.softplus: nn.Softplus,
}


ACTIVATIONS = (
    nn.ReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.SELU,
    nn.LeakyReLU,
    nn.Softplus,
)
"""Modules that work element by element, on tensors of any shape."""


class _FunctionModule(nn.Module):
    """Any function of a tensor as a module."""

    def __init__(self, func: Callable[..., Any]):
        super().__init__()
        self._func = func

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._func(x)

    def extra_repr(self) -> str:
        return getattr(self._func, "__name__", repr(self._func))


class Linear(nn.Linear):
    """A linear layer that is computed as `alf.ops.linear` does."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """`[..., out_features]`."""
        return ops.linear(input, self.weight, self.bias)


def activation_module(activation: Any) -> nn.Module | None:
    """The module of an activation; `None` for the identity.

    Args:
        activation: a function, a module, a module class, or `None` for the identity.

    Raises:
        ConfigError: if it is none of these.
    """
    if activation is None or activation is identity:
        return None
    if isinstance(activation, nn.Module):
        return None if isinstance(activation, nn.Identity) else activation
    if isinstance(activation, type) and issubclass(activation, nn.Module):
        return activation()
    if not callable(activation):
        raise ConfigError(f"activation {activation!r} is not a function: give e.g. torch.relu_")
    maker = _MODULES.get(activation)
    return _FunctionModule(activation) if maker is None else maker()


def default_initializer(activation: Any) -> Initializer:
    """Orthogonal weights, scaled by the square root of 2 before a nonlinearity.

    They keep the variance through rectified layers; see "Exact solutions to the nonlinear dynamics
    of learning in deep linear neural networks", https://arxiv.org/abs/1312.6120
    """
    linear = activation is None or activation is identity
    return orthogonal(1.0 if linear else math.sqrt(2.0))


def orthogonal(gain: float) -> Initializer:
    """An initializer: orthogonal rows or columns of norm `gain`."""

    def initialize(weight: torch.Tensor) -> None:
        if gain == 0:
            nn.init.zeros_(weight)
        else:
            nn.init.orthogonal_(weight, gain)

    return initialize


def linear(
    in_features: int,
    out_features: int,
    kernel_initializer: Initializer,
    bias: float | None = 0.0,
) -> Linear:
    """A linear layer with initialized weights.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        kernel_initializer: called with the weight `[out, in]`, changes it in place.
        bias: the value that the bias starts with; `None` for a layer without bias.
    """
    layer = Linear(in_features, out_features, bias=bias is not None)
    with torch.no_grad():
        kernel_initializer(layer.weight)
        if bias is not None:
            layer.bias.fill_(bias)
    return layer


def fc_block(
    in_features: int,
    out_features: int,
    activation: Any = torch.relu_,
    kernel_initializer: Initializer | None = None,
    use_bn: bool = False,
    use_ln: bool = False,
) -> list[nn.Module]:
    """The modules of one fully connected layer: linear, normalization, activation.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        activation: see `activation_module`.
        kernel_initializer: called with the weight; `None` for `default_initializer`.
        use_bn: normalize over the batch before the activation.
        use_ln: normalize over the features before the activation.
    """
    kernel_initializer = kernel_initializer or default_initializer(activation)
    bias = None if use_bn else 0.0
    modules: list[nn.Module] = [linear(in_features, out_features, kernel_initializer, bias)]
    if use_bn:
        modules.append(nn.BatchNorm1d(out_features))
    if use_ln:
        modules.append(nn.LayerNorm(out_features))
    module = activation_module(activation)
    return modules if module is None else [*modules, module]


def checked_sizes(name: str, sizes: Sequence[int] | int | None) -> tuple[int, ...]:
    """Layer sizes as a tuple of positive integers; `None` is no layer, a number is one.

    Raises:
        ConfigError: naming the parameter.
    """
    sizes = () if sizes is None else (sizes,) if isinstance(sizes, int) else tuple(sizes)
    for size in sizes:
        if not isinstance(size, int) or size < 1:
            raise ConfigError(
                f"{name} is {sizes!r}: give a tuple of positive integers, as (64, 64)"
            )
    return sizes
