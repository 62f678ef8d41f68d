"""The base classes of all networks, without memory and with."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from alf.distributions import map_params
from alf.module import Module
from alf.nest import map_structure


class Network(Module):
    """A module that takes a nest of tensors and a state, and returns an output and a state.

    Subclasses define `forward(inputs, state=()) -> (output, state)`. They are built on the CPU, so
    that one seed gives one network wherever it runs, and end their constructor with
    `self.to(get_default_device())`.

    Args:
        input_tensor_spec: nest of specs of the input, without the batch dimension.
        state_spec: nest of specs of the state; `()` without memory.
        name: name of the network.
    """

    def __init__(self, input_tensor_spec: Any, state_spec: Any = (), name: str = "Network"):
        super().__init__()
        self._input_tensor_spec = input_tensor_spec
        self._state_spec = state_spec
        self._name = name

    @property
    def input_tensor_spec(self) -> Any:
        """Nest of specs of the input."""
        return self._input_tensor_spec

    @property
    def state_spec(self) -> Any:
        """Nest of specs of the state; `()` without memory."""
        return self._state_spec

    @property
    def name(self) -> str:
        """Name of the network."""
        return self._name

    def forward(self, inputs: Any, state: Any = ()) -> tuple[Any, Any]:
        """The output, nest of `[B, ...]`, and the next state.

        Args:
            inputs: nest of `[B, ...]`, as `input_tensor_spec` says.
            state: nest of `[B, ...]`, as `state_spec` says.
        """
        raise NotImplementedError


class Unrolled(NamedTuple):
    """What a network made of consecutive steps.

    Attributes:
        output: nest of `[T, B, ...]`.
        before: the state that each row began with, set back where an episode began, nest of
            `[T, B, ...]`; `()` without memory.
        after: the state after the last row, nest of `[B, ...]`; `()` without memory.
    """

    output: Any
    before: Any = ()
    after: Any = ()


class RecurrentNetwork(Network):
    """A network with a memory, that can also be given many steps at once."""

    @abstractmethod
    def unroll(self, inputs: Any, state: Any, is_first: torch.Tensor) -> Unrolled:
        """The same as step after step, with the state set to zeros where an episode begins.

        Args:
            inputs: consecutive steps, nest of `[T, B, ...]`.
            state: before the first of them, nest of `[B, ...]`.
            is_first: bool `[T, B]`, where an episode begins.
        """


def over_time(network: Network, inputs: Any, state: Any, is_first: torch.Tensor) -> Unrolled:
    """What any network makes of consecutive steps; see `RecurrentNetwork.unroll`.

    Raises:
        TypeError: the network has a memory, and does not say how to unroll it.
    """
    if network.state_spec == ():
        return Unrolled(on_rows(lambda flat: network(flat)[0], inputs, is_first))
    if not isinstance(network, RecurrentNetwork):
        raise TypeError(f"{network.name} has a memory: derive it from RecurrentNetwork")
    return network.unroll(inputs, state, is_first)


def on_rows(function: Callable[[Any], Any], inputs: Any, like: torch.Tensor) -> Any:
    """A function of `[N, ...]` on all rows of `[T, B, ...]` at once.

    Args:
        function: gives a nest of tensors or distributions, `[N, ...]`.
        inputs: nest of `[T, B, ...]`.
        like: `[T, B]`.
    """
    flat = function(map_structure(lambda x: x.flatten(0, 1), inputs))
    return map_params(lambda x: x.unflatten(0, like.shape), flat)
