"""Networks that tell the value of a state."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from alf._config import configurable, moved
from alf.device import get_default_device
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import identity, orthogonal
from alf.networks.network import Network
from alf.tensor_specs import TensorSpec


@configurable
class ValueNetwork(Network):
    """The value of an observation.

    The last layer is linear and starts orthogonal with gain 1.

    Args:
        input_tensor_spec: nest of specs.
        output_tensor_spec: spec of the value; `()` is one number, a vector is several rewards.
        input_preprocessors: see `EncodingNetwork`.
        input_preprocessors_ctor: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        fc_layer_params: see `EncodingNetwork`.
        activation: after each layer but the last.
        kernel_initializer: of the layers but the last; `None` for orthogonal.
        use_fc_bn: batch normalization in the fully connected layers.
        use_fc_ln: layer normalization in the fully connected layers.
        name: name of the network.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        output_tensor_spec: TensorSpec = TensorSpec(()),  # noqa: B008 - specs do not change
        input_preprocessors: Any = None,
        input_preprocessors_ctor: Callable[[Any], Any] | None = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Callable[[torch.Tensor], Any] | None = None,
        use_fc_bn: bool = False,
        use_fc_ln: bool = False,
        name: str = "ValueNetwork",
    ):
        super().__init__(input_tensor_spec, name=name)
        self._encoding = EncodingNetwork(
            input_tensor_spec,
            output_tensor_spec=output_tensor_spec,
            input_preprocessors=input_preprocessors,
            input_preprocessors_ctor=input_preprocessors_ctor,
            preprocessing_combiner=preprocessing_combiner,
            conv_layer_params=conv_layer_params,
            fc_layer_params=fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            use_fc_bn=use_fc_bn,
            use_fc_ln=use_fc_ln,
            last_layer_size=output_tensor_spec.numel,
            last_activation=identity,
            last_kernel_initializer=orthogonal(1.0),
            last_use_fc_bn=False,
            last_use_fc_ln=False,
            name=f"{name}.encoding",
        )
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B]` (or `[B, k]`) of a nest of `[B, ...]`."""
        return self._encoding.encode(inputs), state


if not TYPE_CHECKING:
    # Its module needs this one, and confs import it from here.
    _ELSEWHERE = {"ValueRNNNetwork": "alf.networks.recurrent_networks"}
    __getattr__ = moved.attributes(__name__, _ELSEWHERE)
