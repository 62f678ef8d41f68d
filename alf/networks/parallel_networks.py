"""Replicas of a network, computed together: one batched product a layer instead of several.

Replicas differ in how their weights start and in nothing else. They see the same input; what
preprocesses it is shared.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from alf.errors import ConfigError
from alf.module import Module
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layer_chain import LayerChain
from alf.networks.layers import Linear, ParallelLinear
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
        A network that gives `[B, R, ...]`. Where the class knows how, the layers of several are
        fused; any other network runs once for each replica. The state of replicas with a memory is
        the tuple of theirs.

    Raises:
        ConfigError: there is none.
    """
    if not replicas:
        raise ConfigError("0 replicas of a network were asked for: give at least 1")
    if replicas[0].state_spec != ():
        return _RememberingSideBySide(replicas)
    if len(replicas) == 1:
        return SingleReplica(replicas[0])
    first = type(replicas[0])
    same = all(type(network) is first for network in replicas)
    # A subclass may compute something else in its forward(), which fusing would pass over; it is
    # fused only if it says itself how.
    if same and issubclass(first, ReplicableNetwork) and "fuse" in vars(first):
        return first.fuse(replicas)
    return _SideBySide(replicas)


class SingleReplica(Network):
    """Replicas of which there is one.

    Args:
        network: gives a tensor `[B, ...]`.

    Attributes:
        network: for who needs no dimension of replicas, which costs as much as a small layer.
    """

    def __init__(self, network: Network):
        super().__init__(network.input_tensor_spec, name=f"{network.name}.parallel")
        self.network = network

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """`[B, 1, ...]`."""
        output, state = self.network(inputs, state)
        return output.unsqueeze(1), state


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


class ParallelEncoding(Module):
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

    def encode(self, inputs: Any) -> torch.Tensor:
        """Features of a nest of `[B, ...]`.

        Returns:
            `[R, B, ...]`, or `[B, ...]` where no layer tells the replicas apart.
        """
        if self._preprocess is not None:
            inputs = self._preprocess(inputs)
        if self._convs:
            inputs = torch.stack([conv(inputs)[0] for conv in self._convs])
        return self._layers(inputs)


def fuse_modules(modules: Sequence[nn.Module]) -> nn.Module:
    """One module that does for `[R, B, ...]`, or a shared `[B, ...]`, what each does for its part.

    Args:
        modules: one a replica, of one kind and size; parameters are copied.
    """
    first = modules[0]
    if isinstance(first, LayerChain):
        layers = zip(*modules, strict=True)  # pyright: ignore[reportArgumentType]
        return LayerChain(*[fuse_modules(layer) for layer in layers])
    if type(first) in (nn.Linear, Linear):
        return ParallelLinear(modules)  # pyright: ignore[reportArgumentType] - of one kind
    if type(first) is nn.LayerNorm:
        return _ParallelLayerNorm(modules)  # pyright: ignore[reportArgumentType]
    has_state = any(True for _ in (*first.parameters(), *first.buffers()))
    is_shared = len(modules) > 1 and all(module is first for module in modules)
    if is_shared or not has_state:
        return first
    return _Each(modules)


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
