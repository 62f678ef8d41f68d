"""Replicas of a network, computed together: one batched product a layer instead of several.

Replicas differ in how their weights start and in nothing else. They see the same input; what
preprocesses it is shared.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from alf import ops
from alf.errors import ConfigError
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import ACTIVATIONS, Linear
from alf.networks.network import Network, RecurrentNetwork, Unrolled, over_time


class ReplicableNetwork(Network):
    """A network without memory whose replicas can be fused layer by layer."""

    @classmethod
    @abstractmethod
    def fuse(cls, replicas: Sequence[Any]) -> Network:
        """One network that gives `[B, R, ...]`, the outputs of `R` replicas side by side.

        Its parameters start as those of the replicas, in tensors of its own.

        Args:
            replicas: of exactly this class.
        """


def make_parallel(replicas: Sequence[Network]) -> Network:
    """One network of several independent ones.

    Args:
        replicas: at least one; each gives a tensor `[B, ...]`.

    Returns:
        A network that gives `[B, R, ...]`. Where the class knows how, layers are fused; any other
        network runs once for each replica. The state of replicas with a memory is the tuple of
        theirs.

    Raises:
        ConfigError: there is none.
    """
    if not replicas:
        raise ConfigError("0 replicas of a network were asked for: give at least 1")
    if replicas[0].state_spec != ():
        return _RememberingSideBySide(replicas)
    first = type(replicas[0])
    same = all(type(network) is first for network in replicas)
    # A subclass may compute something else in its forward(), which fusing would pass over; it is
    # fused only if it says itself how.
    if same and issubclass(first, ReplicableNetwork) and "fuse" in vars(first):
        return first.fuse(replicas)
    return _SideBySide(replicas)


class _SideBySide(Network):
    """Networks of any kind, one after the other."""

    def __init__(self, replicas: Sequence[Network]):
        super().__init__(replicas[0].input_tensor_spec, name=f"{replicas[0].name}.parallel")
        self._replicas = nn.ModuleList(replicas)

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """`[B, R, ...]`."""
        return torch.stack([network(inputs)[0] for network in self._replicas], 1), state


class _RememberingSideBySide(RecurrentNetwork):
    """Networks with a memory, one after the other."""

    def __init__(self, replicas: Sequence[Network]):
        super().__init__(
            replicas[0].input_tensor_spec,
            state_spec=tuple(network.state_spec for network in replicas),
            name=f"{replicas[0].name}.parallel",
        )
        self._replicas = nn.ModuleList(replicas)

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """`[B, R, ...]`, and the next state of each."""
        states = state or ((),) * len(self._replicas)
        pairs = [f(inputs, one) for f, one in zip(self._replicas, states, strict=True)]
        outputs, new_state = zip(*pairs, strict=True)
        return torch.stack(outputs, 1), new_state

    def unroll(self, inputs: Any, state: Any, is_first: torch.Tensor) -> Unrolled:
        """See `RecurrentNetwork`: outputs `[T, B, R, ...]`."""
        unrolled = [
            over_time(network, inputs, one, is_first)  # pyright: ignore[reportArgumentType]
            for network, one in zip(self._replicas, state, strict=True)
        ]
        outputs, before, after = zip(*unrolled, strict=True)
        return Unrolled(torch.stack(outputs, 2), before, after)


class ParallelEncoding(nn.Module):
    """Replicas of an `EncodingNetwork`.

    Convolutions run one replica after the other, everything after them together.

    Args:
        replicas: built with the same arguments.
    """

    def __init__(self, replicas: Sequence[EncodingNetwork]):
        super().__init__()
        # The parts of an encoding, which is put together anew here.
        self._preprocess = replicas[0]._preprocess
        convs = [network._conv for network in replicas if network._conv is not None]
        self._convs = nn.ModuleList(convs)
        self._layers = fuse_modules([network._layers for network in replicas])
        self._is_one = len(replicas) == 1 and _goes_without_replicas(self._layers)

    def encode(self, inputs: Any) -> torch.Tensor:
        """Features of a nest of `[B, ...]`.

        Returns:
            `[R, B, ...]`, or `[B, ...]` where no layer tells the replicas apart.
        """
        if self._preprocess is not None:
            inputs = self._preprocess(inputs)
        if self._convs:
            inputs = torch.stack([conv(inputs)[0] for conv in self._convs])
        return self._encode_one(inputs) if self._is_one else self._layers(inputs)

    def _encode_one(self, x: torch.Tensor) -> torch.Tensor:
        """`[1, B, out]`, computed without the first dimension, which would slow down every step."""
        if x.dim() == 3:
            x = x.squeeze(0)
        for layer in self._layers._modules.values():
            assert layer is not None
            x = layer.alone(x) if isinstance(layer, ParallelLinear) else layer(x)
        return x.unsqueeze(0)


def _goes_without_replicas(layers: nn.Module) -> bool:
    """Whether layers of one replica, from a linear one on, give for `[B, in]` what they should."""
    modules = list(layers.children())
    known = (ParallelLinear, *ACTIVATIONS)
    return (
        bool(modules)
        and isinstance(modules[0], ParallelLinear)
        and all(isinstance(module, known) for module in modules)
    )


def fuse_modules(modules: Sequence[nn.Module]) -> nn.Module:
    """One module that does for `[R, B, ...]`, or a shared `[B, ...]`, what each does for its part.

    Args:
        modules: one a replica, of one kind and size; parameters are copied.
    """
    first = modules[0]
    if isinstance(first, nn.Sequential):
        layers = zip(*modules, strict=True)  # pyright: ignore[reportArgumentType]
        return nn.Sequential(*[fuse_modules(layer) for layer in layers])
    if type(first) in (nn.Linear, Linear):
        return ParallelLinear(modules)  # pyright: ignore[reportArgumentType] - of one kind
    if type(first) is nn.LayerNorm:
        return _ParallelLayerNorm(modules)  # pyright: ignore[reportArgumentType]
    has_state = any(True for _ in (*first.parameters(), *first.buffers()))
    is_shared = len(modules) > 1 and all(module is first for module in modules)
    if is_shared or not has_state:
        return first
    return _Each(modules)


class ParallelLinear(nn.Module):
    """Linear layers `[R, B, in]` to `[R, B, out]`; an input `[B, in]` is shared by all.

    Args:
        replicas: layers of one size.
    """

    def __init__(self, replicas: Sequence[nn.Linear]):
        super().__init__()
        with torch.no_grad():
            weight = torch.stack([layer.weight.t() for layer in replicas])
            self.weight = nn.Parameter(weight.contiguous())
            self.bias = None
            if replicas[0].bias is not None:
                self.bias = nn.Parameter(torch.stack([layer.bias for layer in replicas])[:, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[R, B, out]`."""
        if x.dim() == 2:
            x = x.expand(self.weight.shape[0], *x.shape)
        return ops.parallel_linear(x, self.weight, self.bias)

    def alone(self, x: torch.Tensor) -> torch.Tensor:
        """`[B, out]` for `[B, in]`, of a single replica."""
        bias = self.bias  # [1, 1, out], of which one row is left
        weight = self.weight.squeeze(0)
        return ops.linear(x, weight, None if bias is None else bias.view(-1), inputs_first=True)

    def extra_repr(self) -> str:
        """The sizes, for print()."""
        replicas, in_features, out_features = self.weight.shape
        return f"replicas={replicas}, in_features={in_features}, out_features={out_features}"


class _ParallelLayerNorm(nn.Module):
    """Layer normalization of `[R, B, d]`, with weights of its own for each replica."""

    def __init__(self, replicas: Sequence[nn.LayerNorm]):
        super().__init__()
        with torch.no_grad():
            self.weight = nn.Parameter(torch.stack([layer.weight for layer in replicas])[:, None])
            self.bias = nn.Parameter(torch.stack([layer.bias for layer in replicas])[:, None])
        self._shape = replicas[0].normalized_shape
        self._eps = replicas[0].eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[R, B, d]`."""
        normalized = nn.functional.layer_norm(x, self._shape, eps=self._eps)
        return torch.addcmul(self.bias, normalized, self.weight)


class _Each(nn.Module):
    """Modules that are not fused: each takes its part of `[R, B, ...]`."""

    def __init__(self, replicas: Sequence[nn.Module]):
        super().__init__()
        self._replicas = nn.ModuleList(replicas)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[R, B, ...]`."""
        return torch.stack([f(part) for f, part in zip(self._replicas, x.unbind(0), strict=True)])
