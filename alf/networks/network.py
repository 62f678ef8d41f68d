"""The base class of all networks."""

from typing import Any

from torch import nn


class Network(nn.Module):
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
