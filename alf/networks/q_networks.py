"""Networks that tell the value of every discrete action at once."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alf._config import configurable, moved
from alf._config.settled import no_matter, settled
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import identity, orthogonal
from alf.networks.network import Network
from alf.networks.parallel_networks import ParallelEncoding, ReplicableNetwork
from alf.tensor_specs import BoundedTensorSpec


@configurable
@settled(use_naive_parallel_network=no_matter(False))  # replicas give the same either way
class QNetwork(ReplicableNetwork):
    """The values of all choices of a discrete action at an observation.

    With `dueling_fc_layer_params` the features go into two streams of such hidden layers, one for
    the value of the state and one for the advantages of the actions,
    `Q(s, a) = V(s) + A(s, a) - mean_a' A(s, a')`. See "Dueling Network Architectures for Deep
    Reinforcement Learning", https://arxiv.org/abs/1511.06581

    Args:
        input_tensor_spec: nest of specs.
        action_spec: bounded integers of shape `()`.
        input_preprocessors: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        fc_layer_params: see `EncodingNetwork`.
        activation: after each layer but the last.
        kernel_initializer: of the layers but the last; `None` for orthogonal.
        dueling_fc_layer_params: sizes of the hidden layers of each stream, `()` for streams of one
            linear layer; `None` for no streams.
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
        activation: Any = torch.relu_,
        kernel_initializer: Callable[[torch.Tensor], Any] | None = None,
        dueling_fc_layer_params: Sequence[int] | None = None,
        name: str = "QNetwork",
    ):
        super().__init__(input_tensor_spec, name=name)
        count = count_choices(name, action_spec)

        def encode(spec: Any, sizes: Sequence[int] | None, outputs: int | None) -> EncodingNetwork:
            first = spec is input_tensor_spec
            return EncodingNetwork(
                spec,
                output_tensor_spec=None,
                input_preprocessors=input_preprocessors if first else None,
                input_preprocessors_ctor=None,
                preprocessing_combiner=preprocessing_combiner if first else None,
                conv_layer_params=conv_layer_params if first else None,
                fc_layer_params=sizes,
                activation=activation,
                kernel_initializer=kernel_initializer,
                use_fc_bn=False,
                use_fc_ln=False,
                last_layer_size=outputs,
                last_activation=None if outputs is None else identity,
                last_kernel_initializer=orthogonal(1.0),
                last_use_fc_bn=False,
                last_use_fc_ln=False,
                name=f"{name}.encoding",
            )

        self._is_dueling = dueling_fc_layer_params is not None
        if self._is_dueling:
            self._encoding = encode(input_tensor_spec, fc_layer_params, None)
            features = self._encoding.output_spec
            self._value = encode(features, dueling_fc_layer_params, 1)
            self._advantage = encode(features, dueling_fc_layer_params, count)
        else:
            self._encoding = encode(input_tensor_spec, fc_layer_params, count)
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B, n]` of the `n` choices, for a nest of `[B, ...]`."""
        features = self._encoding.encode(inputs)
        if not self._is_dueling:
            return features, state
        return join_streams(self._value.encode(features), self._advantage.encode(features)), state

    @classmethod
    def fuse(cls, replicas: Sequence[Any]) -> Network:
        """See `ReplicableNetwork`."""
        return _ParallelQNetwork(replicas)


class _ParallelQNetwork(Network):
    """Replicas of a `QNetwork`: values `[B, R, n]`."""

    def __init__(self, replicas: Sequence[QNetwork]):
        first = replicas[0]
        super().__init__(first.input_tensor_spec, name=f"{first.name}.parallel")
        self._is_dueling = first._is_dueling
        self._encoding = ParallelEncoding([network._encoding for network in replicas])
        if self._is_dueling:
            self._value = ParallelEncoding([network._value for network in replicas])
            self._advantage = ParallelEncoding([network._advantage for network in replicas])
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B, R, n]`, for a nest of `[B, ...]`."""
        values = self._encoding.encode(inputs)
        if self._is_dueling:
            values = join_streams(self._value.encode(values), self._advantage.encode(values))
        return values.transpose(0, 1), state


def join_streams(value: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    """`V + A - mean A`, equation 9 of https://arxiv.org/abs/1511.06581.

    Args:
        value: `[..., 1]`.
        advantages: `[..., n]`.
    """
    return advantages + (value - advantages.mean(-1, keepdim=True))


def count_choices(name: str, action_spec: Any) -> int:
    """How many choices a single discrete action has.

    Raises:
        ConfigError: `action_spec` is not one of bounded integers of shape `()`.
    """
    if (
        not isinstance(action_spec, BoundedTensorSpec)
        or action_spec.is_continuous
        or action_spec.ndim
    ):
        raise ConfigError(
            f"{name} needs one discrete action (bounded integers of shape ()), but was given "
            f"{action_spec}; for continuous actions use a CriticNetwork"
        )
    return int(np.int64(action_spec.maximum) - np.int64(action_spec.minimum)) + 1


if not TYPE_CHECKING:
    # Its module needs this one, and confs import it from here.
    _ELSEWHERE = {"QRNNNetwork": "alf.networks.recurrent_q_networks"}
    __getattr__ = moved.attributes(__name__, _ELSEWHERE)
