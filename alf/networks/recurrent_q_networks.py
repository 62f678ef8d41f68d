"""Networks with memory that tell the value of actions; see `alf.networks.recurrent_networks`."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from alf._config import configurable
from alf._config.settled import no_matter, settled
from alf.device import get_default_device
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import Initializer, identity, orthogonal
from alf.networks.network import RecurrentNetwork, Unrolled, on_rows
from alf.networks.q_networks import count_choices
from alf.networks.recurrent_networks import LSTMEncodingNetwork
from alf.tensor_specs import BoundedTensorSpec, TensorSpec


@configurable
@settled(use_naive_parallel_network=no_matter(False))  # replicas give the same either way
class QRNNNetwork(RecurrentNetwork):
    """The values of all choices of a discrete action at an observation and what came before it.

    Args:
        input_tensor_spec: nest of specs.
        action_spec: bounded integers of shape `()`.
        input_preprocessors: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        fc_layer_params: sizes of the layers before the LSTM.
        lstm_hidden_size: sizes of the LSTM layers.
        value_fc_layer_params: sizes of the layers after the LSTM.
        activation: after each fully connected layer but the last.
        kernel_initializer: of the fully connected layers but the last; `None` for orthogonal.
        name: name of the network.

    Raises:
        ConfigError: the action is of another kind.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        action_spec: BoundedTensorSpec,
        input_preprocessors: Any = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        fc_layer_params: Sequence[int] | None = None,
        lstm_hidden_size: int | Sequence[int] = 100,
        value_fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Initializer | None = None,
        name: str = "QRNNNetwork",
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
            post_fc_layer_params=value_fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            last_layer_size=count_choices(name, action_spec),
            last_activation=identity,
            last_kernel_initializer=orthogonal(1.0),
            name=f"{name}.encoding",
        )
        super().__init__(input_tensor_spec, state_spec=encoding.state_spec, name=name)
        self._encoding = encoding
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B, n]` of the `n` choices, and the next state."""
        return self._encoding(inputs, state)

    def unroll(self, inputs: Any, state: Any, is_first: torch.Tensor) -> Unrolled:
        """See `RecurrentNetwork`."""
        return self._encoding.unroll(inputs, state, is_first)


@configurable
class CriticRNNNetwork(RecurrentNetwork):
    """The value of a pair of an observation and an action, and of the pairs that came before.

    Args:
        input_tensor_spec: the pair `(observation_spec, action_spec)`, two nests of specs.
        output_tensor_spec: spec of the value; `()` is one number.
        observation_input_processors: see `input_preprocessors` of `EncodingNetwork`.
        observation_preprocessing_combiner: see `EncodingNetwork`.
        observation_conv_layer_params: see `EncodingNetwork`.
        observation_fc_layer_params: see `EncodingNetwork`.
        action_input_processors: see `input_preprocessors` of `EncodingNetwork`.
        action_preprocessing_combiner: see `EncodingNetwork`.
        action_fc_layer_params: see `EncodingNetwork`.
        joint_fc_layer_params: sizes of the layers between the pair and the LSTM.
        lstm_hidden_size: sizes of the LSTM layers.
        critic_fc_layer_params: sizes of the layers after the LSTM.
        activation: after each fully connected layer but the last.
        kernel_initializer: of the fully connected layers but the last; `None` for orthogonal.
        name: name of the network.
    """

    def __init__(
        self,
        input_tensor_spec: tuple[Any, Any],
        output_tensor_spec: TensorSpec = TensorSpec(()),  # noqa: B008 - specs do not change
        observation_input_processors: Any = None,
        observation_preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        observation_conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        observation_fc_layer_params: Sequence[int] | None = None,
        action_input_processors: Any = None,
        action_preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        action_fc_layer_params: Sequence[int] | None = None,
        joint_fc_layer_params: Sequence[int] | None = None,
        lstm_hidden_size: int | Sequence[int] = 100,
        critic_fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Initializer | None = None,
        name: str = "CriticRNNNetwork",
    ):
        observation_spec, action_spec = input_tensor_spec

        def encode(part: str, spec: Any, **given: Any) -> EncodingNetwork:
            # Every parameter is said, so that nothing configured for others leaks in.
            return EncodingNetwork(
                spec,
                output_tensor_spec=None,
                input_preprocessors_ctor=None,
                activation=activation,
                kernel_initializer=kernel_initializer,
                use_fc_bn=False,
                use_fc_ln=False,
                last_layer_size=None,
                last_activation=None,
                last_kernel_initializer=None,
                last_use_fc_bn=False,
                last_use_fc_ln=False,
                name=f"{name}.{part}",
                **given,
            )

        observation = encode(
            "observation",
            observation_spec,
            input_preprocessors=observation_input_processors,
            preprocessing_combiner=observation_preprocessing_combiner,
            conv_layer_params=observation_conv_layer_params,
            fc_layer_params=observation_fc_layer_params,
        )
        action = encode(
            "action",
            action_spec,
            input_preprocessors=action_input_processors,
            preprocessing_combiner=action_preprocessing_combiner,
            conv_layer_params=None,
            fc_layer_params=action_fc_layer_params,
        )
        joint = LSTMEncodingNetwork(
            TensorSpec((observation.output_spec.numel + action.output_spec.numel,)),
            output_tensor_spec=output_tensor_spec,
            input_preprocessors=None,
            preprocessing_combiner=None,
            conv_layer_params=None,
            pre_fc_layer_params=joint_fc_layer_params,
            hidden_size=lstm_hidden_size,
            lstm_output_layers=-1,
            post_fc_layer_params=critic_fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            last_layer_size=output_tensor_spec.numel,
            last_activation=identity,
            last_kernel_initializer=orthogonal(1.0),
            name=f"{name}.joint",
        )
        super().__init__(input_tensor_spec, state_spec=joint.state_spec, name=name)
        self._observation_encoding = observation
        self._action_encoding = action
        self._joint_encoding = joint
        self.to(get_default_device())

    def forward(self, inputs: tuple[Any, Any], state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B]` (or `[B, k]`) of a pair of nests of `[B, ...]`, and the next state."""
        return self._joint_encoding(self._joined(inputs), state)

    def unroll(self, inputs: tuple[Any, Any], state: Any, is_first: torch.Tensor) -> Unrolled:
        """See `RecurrentNetwork`."""
        return self._joint_encoding.unroll(on_rows(self._joined, inputs, is_first), state, is_first)

    def _joined(self, inputs: tuple[Any, Any]) -> torch.Tensor:
        """The pair as one vector, `[N, ...]`."""
        observation, action = inputs
        parts = [
            self._observation_encoding.encode(observation).flatten(1),
            self._action_encoding.encode(action).flatten(1),
        ]
        return torch.cat(parts, -1)
