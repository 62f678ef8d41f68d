"""Fully connected blocks, activations and how weights start."""

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from alf import ops
from alf._config import checked, lessons
from alf.errors import ConfigError

Activation = Callable[[torch.Tensor], torch.Tensor]
Initializer = Callable[[torch.Tensor], Any]


def identity(x: torch.Tensor) -> torch.Tensor:
    """`x` itself: the activation of a linear layer."""
    return x


# Functions that have a module of their own: nn.Sequential then runs no Python of ours, and a
# printed network is readable.
_MODULES: dict[Any, type[nn.Module] | partial[nn.Module]] = {
    torch.relu_: partial(nn.ReLU, inplace=True),
    F.relu_: partial(nn.ReLU, inplace=True),
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


def _kind(maker: Any) -> type[nn.Module]:
    return getattr(maker, "func", maker)


ACTIVATIONS = tuple(dict.fromkeys(map(_kind, _MODULES.values())))
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


class BatchNorm1d(nn.BatchNorm1d):
    """Normalization over a batch, which one row is not."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """`[B, features]`.

        Raises:
            ConfigError: while training, of a single row.
        """
        if self.training and input.shape[0] == 1:
            raise ConfigError(
                "batch normalization (use_fc_bn) needs more than one row, but a batch of 1 came: "
                "raise create_environment.num_parallel_environments, or use_fc_ln=True instead"
            )
        return super().forward(input)


class Linear(nn.Linear):
    """A linear layer that is computed as `alf.ops.linear` does."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """`[..., out_features]`."""
        return ops.linear(input, self.weight, self.bias)


class ParallelLinear(nn.Module):
    """Linear layers `[R, B, in]` to `[R, B, out]`; an input `[B, in]` is shared by all.

    Args:
        replicas: layers of one size.
    """

    bias: torch.Tensor | None

    def __init__(self, replicas: Sequence[nn.Linear]):
        super().__init__()
        with torch.no_grad():
            weight = torch.stack([layer.weight.t() for layer in replicas])
            self.weight = nn.Parameter(weight.contiguous())
            bias = None
            if replicas[0].bias is not None:
                bias = nn.Parameter(torch.stack([layer.bias for layer in replicas])[:, None])
        self.register_parameter("bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[R, B, out]`."""
        if x.dim() == 2:
            x = x.expand(self.weight.shape[0], *x.shape)
        return ops.parallel_linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, for print()."""
        replicas, in_features, out_features = self.weight.shape
        return f"replicas={replicas}, in_features={in_features}, out_features={out_features}"


def activation_module(activation: Any, name: str = "activation") -> nn.Module | None:
    """The module of an activation; `None` for the identity.

    Args:
        activation: a function, a module, a module class, or `None` for the identity.
        name: the parameter that it was given for.

    Raises:
        ConfigError: if it is none of these, or does not make a tensor of a tensor.
    """
    if activation is None or activation is identity:
        return None
    if isinstance(activation, nn.Module):
        _require_same_shape(activation, name)
        return None if isinstance(activation, nn.Identity) else activation
    if not callable(activation):
        raise _no_activation(name, activation, "it is not a function")
    if isinstance(activation, type) and issubclass(activation, nn.Module):
        return _made(activation, name)
    known = _MODULES.get(activation)
    return _probed(activation, name) if known is None else known()


def _made(kind: type[nn.Module], name: str) -> nn.Module:
    try:
        return kind()
    except TypeError as error:
        reason = f"{error}: give one that is made, with what it needs"
        raise _no_activation(name, kind, reason) from error


def _probed(function: Callable[..., Any], name: str) -> nn.Module:
    """A function as a module; called once, as a wrong one would fail in the first forward pass."""
    made = checked(function, name, torch.Tensor)(torch.zeros(2, 4))
    if made.shape != (2, 4):
        raise _no_activation(name, function, f"of [2, 4] it makes {list(made.shape)}")
    return _FunctionModule(function)


def _require_same_shape(module: nn.Module, name: str) -> None:
    """Refuse a module that plainly makes something else; one for other sizes may be right."""
    if isinstance(module, ACTIVATIONS):
        return
    try:
        with torch.no_grad():
            made = copy.deepcopy(module).eval()(torch.zeros(2, 4))
    except Exception:  # noqa: BLE001 - a module of the user's may raise anything
        return
    if not isinstance(made, torch.Tensor) or made.shape != (2, 4):
        raise _no_activation(name, module, f"of a tensor [2, 4] it makes {lessons.passed(made)}")


def _no_activation(name: str, given: Any, reason: str) -> ConfigError:
    shown = getattr(given, "__name__", repr(given))
    return ConfigError(
        f"{name} {shown} does not fit: {reason}. Give a function of a tensor, such as torch.relu_, "
        "or a module, such as torch.nn.ReLU"
    )


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
    if in_features < out_features:
        # Laid out inputs first: the gradient is laid out alike, and MKL takes up to five times as
        # long for a product with few columns as for its transpose.
        layer.weight = nn.Parameter(layer.weight.detach().t().contiguous().t())
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
        modules.append(BatchNorm1d(out_features))
    if use_ln:
        modules.append(nn.LayerNorm(out_features))
    module = activation_module(activation)
    return modules if module is None else [*modules, module]


def checked_sizes(name: str, sizes: Sequence[int] | int | None) -> tuple[int, ...]:
    """Layer sizes as a tuple of positive integers; `None` is no layer, a number is one.

    Raises:
        ConfigError: naming the parameter.
    """
    try:
        sizes = () if sizes is None else (sizes,) if isinstance(sizes, int) else tuple(sizes)
    except TypeError:  # it is neither a number nor several
        raise ConfigError(f"{name} is {sizes!r}: give a tuple of positive integers") from None
    for size in sizes:
        if not isinstance(size, int) or not 1 <= size < 2**63:
            raise ConfigError(
                f"{name} is {sizes!r}: give a tuple of positive integers, as (64, 64)"
            )
    return sizes
