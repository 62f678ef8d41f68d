"""Networks with memory: an LSTM between fully connected layers.

The state is a tuple of `(h, c)` pairs, one a layer, `[B, hidden_size]` each, zeros at the start of
an episode. One call is one step, and who calls resets the state; `unroll` takes many steps at once
and resets it itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from alf._config import configurable
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.networks.actor_distribution_networks import ActionProjection
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import checked_sizes, identity, orthogonal
from alf.networks.network import Network, RecurrentNetwork, Unrolled, on_rows
from alf.networks.projection_networks import CategoricalProjectionNetwork, NormalProjectionNetwork
from alf.tensor_specs import TensorSpec

Initializer = Callable[[torch.Tensor], Any]


@configurable
class LSTMEncodingNetwork(RecurrentNetwork):
    """An encoder, LSTM layers, and fully connected layers.

    "Long Short-Term Memory", https://doi.org/10.1162/neco.1997.9.8.1735. Its weights start
    orthogonal and its biases at 0, but the forget gate's at 1
    (https://proceedings.mlr.press/v37/jozefowicz15.html).

    Args:
        input_tensor_spec: nest of specs.
        output_tensor_spec: the output is reshaped to it; `None` for a vector.
        input_preprocessors: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        pre_fc_layer_params: sizes of the layers before the LSTM.
        hidden_size: sizes of the LSTM layers.
        lstm_output_layers: which LSTM layers' outputs go on, concatenated: an index or several.
        post_fc_layer_params: sizes of the layers after the LSTM.
        activation: after each fully connected layer but the last one.
        kernel_initializer: of the fully connected layers; `None` for orthogonal.
        last_layer_size: size of one more layer; `None` for none.
        last_activation: its activation; required with `last_layer_size`.
        last_kernel_initializer: its initializer; `None` for `kernel_initializer`.
        name: name of the network.

    Raises:
        ConfigError: if there is no LSTM layer, or not the one that is asked for.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        output_tensor_spec: TensorSpec | None = None,
        input_preprocessors: Any = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        pre_fc_layer_params: Sequence[int] | None = None,
        hidden_size: int | Sequence[int] = (100,),
        lstm_output_layers: int | Sequence[int] = -1,
        post_fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Initializer | None = None,
        last_layer_size: int | None = None,
        last_activation: Any = None,
        last_kernel_initializer: Initializer | None = None,
        name: str = "LSTMEncodingNetwork",
    ):
        sizes = checked_sizes(f"{name}.hidden_size", hidden_size)
        if not sizes:
            raise ConfigError(f"{name}.hidden_size is empty: give at least one LSTM layer")
        pairs = tuple((TensorSpec((size,)), TensorSpec((size,))) for size in sizes)
        super().__init__(input_tensor_spec, state_spec=pairs, name=name)
        self._outputs = _checked_layers(name, lstm_output_layers, len(sizes))
        self._pre = EncodingNetwork(
            input_tensor_spec,
            output_tensor_spec=None,
            input_preprocessors=input_preprocessors,
            input_preprocessors_ctor=None,
            preprocessing_combiner=preprocessing_combiner,
            conv_layer_params=conv_layer_params,
            fc_layer_params=pre_fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            use_fc_bn=False,
            use_fc_ln=False,
            last_layer_size=None,
            last_activation=None,
            last_kernel_initializer=None,
            last_use_fc_bn=False,
            last_use_fc_ln=False,
            name=f"{name}.pre",
        )
        inputs = (self._pre.output_spec.numel, *sizes[:-1])
        self._cells = nn.ModuleList(_cell(i, o) for i, o in zip(inputs, sizes, strict=True))
        self._post = EncodingNetwork(
            TensorSpec((sum(sizes[layer] for layer in self._outputs),)),
            output_tensor_spec=output_tensor_spec,
            input_preprocessors=None,
            input_preprocessors_ctor=None,
            preprocessing_combiner=None,
            conv_layer_params=None,
            fc_layer_params=post_fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            use_fc_bn=False,
            use_fc_ln=False,
            last_layer_size=last_layer_size,
            last_activation=last_activation,
            last_kernel_initializer=last_kernel_initializer,
            last_use_fc_bn=False,
            last_use_fc_ln=False,
            name=f"{name}.post",
        )
        self.to(get_default_device())

    @property
    def output_spec(self) -> TensorSpec:
        """The spec of the output, without the batch dimension."""
        return self._post.output_spec

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Features `[B, ...]` and the next state.

        Args:
            inputs: nest of `[B, ...]`, one step.
            state: tuple of `(h, c)`; `()` for zeros.
        """
        x = self._pre.encode(inputs)
        pairs = state or (None,) * len(self._cells)
        new_state: list[tuple[torch.Tensor, torch.Tensor]] = []
        for cell, pair in zip(self._cells, pairs, strict=True):
            pair = cell(x, pair)  # noqa: PLW2901 - the pair moves on
            new_state.append(pair)
            x = pair[0]
        features = self._chosen([pair[0] for pair in new_state])
        return self._post.encode(features), tuple(new_state)

    def unroll(self, inputs: Any, state: Any, is_first: torch.Tensor) -> Unrolled:
        """See `RecurrentNetwork`; row after row goes only what the memory takes part in."""
        x: torch.Tensor = on_rows(self._pre.encode, inputs, is_first)
        kept = (~is_first).to(x.dtype).unsqueeze(-1)
        outputs: list[torch.Tensor] = []
        before: list[Any] = []
        after: list[Any] = []
        for cell, pair in zip(self._cells, state, strict=True):
            x, befores, last = _unroll_cell(cell, x, pair, kept)
            outputs.append(x)
            before.append(befores)
            after.append(last)
        output = on_rows(self._post.encode, self._chosen(outputs), is_first)
        return Unrolled(output, tuple(before), tuple(after))

    def _chosen(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """What goes on of the outputs of all LSTM layers."""
        if len(self._outputs) == 1:
            return outputs[self._outputs[0]]
        return torch.cat([outputs[layer] for layer in self._outputs], -1)


@configurable
class ActorDistributionRNNNetwork(RecurrentNetwork):
    """The distribution of actions at an observation and what came before it.

    Args:
        input_tensor_spec: nest of specs.
        action_spec: nest of specs; the output is a nest of distributions like it.
        input_preprocessors: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        fc_layer_params: sizes of the layers before the LSTM.
        lstm_hidden_size: sizes of the LSTM layers.
        actor_fc_layer_params: sizes of the layers after the LSTM.
        activation: after each fully connected layer.
        kernel_initializer: of the fully connected layers; `None` for orthogonal.
        discrete_projection_net_ctor: see `ActorDistributionNetwork`.
        continuous_projection_net_ctor: see `ActorDistributionNetwork`.
        name: name of the network.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        action_spec: Any,
        input_preprocessors: Any = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        fc_layer_params: Sequence[int] | None = None,
        lstm_hidden_size: int | Sequence[int] = 100,
        actor_fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Initializer | None = None,
        discrete_projection_net_ctor: Callable[..., Network] = CategoricalProjectionNetwork,
        continuous_projection_net_ctor: Callable[..., Network] = NormalProjectionNetwork,
        name: str = "ActorRNNDistributionNetwork",
    ):
        encoding = LSTMEncodingNetwork(
            input_tensor_spec,
            output_tensor_spec=None,
            input_preprocessors=input_preprocessors,
            preprocessing_combiner=preprocessing_combiner,
            conv_layer_params=conv_layer_params,
            pre_fc_layer_params=fc_layer_params,
            hidden_size=lstm_hidden_size,
            lstm_output_layers=-1,
            post_fc_layer_params=actor_fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            last_layer_size=None,
            last_activation=None,
            last_kernel_initializer=None,
            name=f"{name}.encoding",
        )
        super().__init__(input_tensor_spec, state_spec=encoding.state_spec, name=name)
        self._encoding = encoding
        self._projection = ActionProjection(
            encoding.output_spec.numel,
            action_spec,
            discrete_projection_net_ctor,
            continuous_projection_net_ctor,
        )
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[Any, Any]:
        """A nest of distributions `[B, ...]`, and the next state."""
        features, state = self._encoding(inputs, state)
        return self._projection.project(features), state

    def unroll(self, inputs: Any, state: Any, is_first: torch.Tensor) -> Unrolled:
        """See `RecurrentNetwork`."""
        unrolled = self._encoding.unroll(inputs, state, is_first)
        distribution = on_rows(self._projection.project, unrolled.output, is_first)
        return unrolled._replace(output=distribution)


@configurable
class ValueRNNNetwork(RecurrentNetwork):
    """The value of an observation and what came before it.

    Args:
        input_tensor_spec: nest of specs.
        output_tensor_spec: spec of the value; `()` is one number.
        input_preprocessors: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        fc_layer_params: sizes of the layers before the LSTM.
        lstm_hidden_size: sizes of the LSTM layers.
        value_fc_layer_params: sizes of the layers after the LSTM.
        activation: after each fully connected layer but the last.
        kernel_initializer: of the fully connected layers but the last; `None` for orthogonal.
        name: name of the network.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        output_tensor_spec: TensorSpec = TensorSpec(()),  # noqa: B008 - specs do not change
        input_preprocessors: Any = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        fc_layer_params: Sequence[int] | None = None,
        lstm_hidden_size: int | Sequence[int] = 100,
        value_fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Initializer | None = None,
        name: str = "ValueRNNNetwork",
    ):
        encoding = LSTMEncodingNetwork(
            input_tensor_spec,
            output_tensor_spec=output_tensor_spec,
            input_preprocessors=input_preprocessors,
            preprocessing_combiner=preprocessing_combiner,
            conv_layer_params=conv_layer_params,
            pre_fc_layer_params=fc_layer_params,
            hidden_size=lstm_hidden_size,
            lstm_output_layers=-1,
            post_fc_layer_params=value_fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            last_layer_size=output_tensor_spec.numel,
            last_activation=identity,
            last_kernel_initializer=orthogonal(1.0),
            name=f"{name}.encoding",
        )
        super().__init__(input_tensor_spec, state_spec=encoding.state_spec, name=name)
        self._encoding = encoding
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B]` (or `[B, k]`), and the next state."""
        return self._encoding(inputs, state)

    def unroll(self, inputs: Any, state: Any, is_first: torch.Tensor) -> Unrolled:
        """See `RecurrentNetwork`."""
        return self._encoding.unroll(inputs, state, is_first)


def _cell(in_features: int, size: int) -> nn.LSTMCell:
    cell = nn.LSTMCell(in_features, size)
    with torch.no_grad():
        for weight in (cell.weight_ih, cell.weight_hh):
            for gate in weight.chunk(4):
                nn.init.orthogonal_(gate)
        cell.bias_ih.zero_()
        cell.bias_hh.zero_()
        cell.bias_ih[size : 2 * size] = 1.0  # input, forget, cell, output
    return cell


def _unroll_cell(
    cell: Any, x: torch.Tensor, pair: Any, kept: torch.Tensor
) -> tuple[torch.Tensor, Any, Any]:
    """Outputs `[T, B, size]`, the pairs `[T, B, size]` before each row, and the last pair.

    Args:
        cell: the layer, an `nn.LSTMCell`.
        x: its inputs, `[T, B, n]`.
        pair: its memory before the first row.
        kept: `[T, B, 1]`, 0 where an episode begins and the memory is empty, else 1.
    """
    hidden, memory = pair
    weight = cell.weight_hh.t()
    # The share of the inputs in all gates of all rows is one product.
    gates = nn.functional.linear(x, cell.weight_ih, cell.bias_ih + cell.bias_hh)
    outputs: list[torch.Tensor] = []
    before: list[tuple[torch.Tensor, torch.Tensor]] = []
    for row, keep in zip(gates.unbind(0), kept.unbind(0), strict=True):
        hidden, memory = hidden * keep, memory * keep
        before.append((hidden, memory))
        let_in, remember, new, let_out = torch.addmm(row, hidden, weight).chunk(4, -1)
        memory = remember.sigmoid() * memory + let_in.sigmoid() * new.tanh()
        hidden = let_out.sigmoid() * memory.tanh()
        outputs.append(hidden)
    hiddens, memories = zip(*before, strict=True)
    return torch.stack(outputs), (torch.stack(hiddens), torch.stack(memories)), (hidden, memory)


def _checked_layers(name: str, layers: int | Sequence[int], count: int) -> tuple[int, ...]:
    layers = (layers,) if isinstance(layers, int) else tuple(layers)
    if not layers or not all(-count <= layer < count for layer in layers):
        raise ConfigError(
            f"{name}.lstm_output_layers is {layers}: there are {count} layers, "
            f"-{count}..{count - 1}"
        )
    return layers
