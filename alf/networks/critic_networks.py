"""Networks that tell the value of an action at an observation."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from alf._config import checked, configurable, moved
from alf._config.settled import no_matter, settled
from alf.device import get_default_device
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import Activation, Initializer, identity, orthogonal
from alf.networks.network import Network
from alf.networks.parallel_networks import ParallelEncoding, ReplicableNetwork
from alf.tensor_specs import TensorSpec


@configurable
@settled(use_naive_parallel_network=no_matter(False))  # replicas give the same either way
class CriticNetwork(ReplicableNetwork):
    """The value of a pair of an observation and an action.

    Each of the two goes through an encoding of its own, as far as one is asked for; the results
    are concatenated and go through the joint layers. The last layer is linear.

    Args:
        input_tensor_spec: the pair `(observation_spec, action_spec)`, two nests of specs.
        output_tensor_spec: spec of the value; `()` is one number, a vector is several rewards or
            quantiles of the return.
        observation_input_processors: see `input_preprocessors` of `EncodingNetwork`.
        observation_input_processors_ctor: called with the observation's spec, makes them.
        observation_preprocessing_combiner: see `EncodingNetwork`.
        observation_conv_layer_params: see `EncodingNetwork`.
        observation_fc_layer_params: see `EncodingNetwork`.
        action_input_processors: see `input_preprocessors` of `EncodingNetwork`.
        action_input_processors_ctor: called with the action's spec, makes them.
        action_preprocessing_combiner: see `EncodingNetwork`.
        action_fc_layer_params: see `EncodingNetwork`.
        observation_action_combiner: takes the list of the two encodings `[..., k]`, returns
            `[..., n]`; `None` concatenates them.
        joint_fc_layer_params: sizes of the layers after that.
        activation: after each layer but the last.
        kernel_initializer: of all layers; `None` for orthogonal.
        use_fc_bn: batch normalization in the fully connected layers but the last.
        use_fc_ln: layer normalization in the fully connected layers but the last.
        last_use_fc_bn: batch normalization in the last layer.
        last_use_fc_ln: layer normalization in the last layer.
        last_layer_activation: of the last layer.
        name: name of the network.
    """

    def __init__(
        self,
        input_tensor_spec: tuple[Any, Any],
        output_tensor_spec: TensorSpec = TensorSpec(()),  # noqa: B008 - specs do not change
        observation_input_processors: Any = None,
        observation_input_processors_ctor: Callable[[Any], Any] | None = None,
        observation_preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        observation_conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        observation_fc_layer_params: Sequence[int] | None = None,
        action_input_processors: Any = None,
        action_input_processors_ctor: Callable[[Any], Any] | None = None,
        action_preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        action_fc_layer_params: Sequence[int] | None = None,
        observation_action_combiner: Callable[[list[torch.Tensor]], torch.Tensor] | None = None,
        joint_fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Initializer | None = None,
        use_fc_bn: bool = False,
        use_fc_ln: bool = False,
        last_use_fc_bn: bool = False,
        last_use_fc_ln: bool = False,
        last_layer_activation: Activation = identity,
        name: str = "CriticNetwork",
    ):
        super().__init__(input_tensor_spec, name=name)
        observation_spec, action_spec = input_tensor_spec
        layers: dict[str, Any] = {
            "activation": activation,
            "kernel_initializer": kernel_initializer,
            "use_fc_bn": use_fc_bn,
            "use_fc_ln": use_fc_ln,
        }
        self._observation_encoding = _encoding(
            f"{name}.observation",
            observation_spec,
            input_preprocessors=observation_input_processors,
            input_preprocessors_ctor=observation_input_processors_ctor,
            preprocessing_combiner=observation_preprocessing_combiner,
            conv_layer_params=observation_conv_layer_params,
            fc_layer_params=observation_fc_layer_params,
            **layers,
        )
        self._action_encoding = _encoding(
            f"{name}.action",
            action_spec,
            input_preprocessors=action_input_processors,
            input_preprocessors_ctor=action_input_processors_ctor,
            preprocessing_combiner=action_preprocessing_combiner,
            fc_layer_params=action_fc_layer_params,
            **layers,
        )
        self._combine = observation_action_combiner or _concatenate
        self._joint_encoding = _encoding(
            f"{name}.joint",
            self._joint_spec(),
            output_tensor_spec=output_tensor_spec,
            fc_layer_params=joint_fc_layer_params,
            last_layer_size=output_tensor_spec.numel,
            last_activation=last_layer_activation,
            last_kernel_initializer=kernel_initializer or orthogonal(1.0),
            last_use_fc_bn=last_use_fc_bn,
            last_use_fc_ln=last_use_fc_ln,
            **layers,
        )
        self.to(get_default_device())

    def forward(self, inputs: tuple[Any, Any], state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B]` (or `[B, k]`) of a pair of nests of `[B, ...]`."""
        observation, action = inputs
        parts = [
            self._observation_encoding.encode(observation),
            self._action_encoding.encode(action),
        ]
        return self._joint_encoding.encode(self._combine(parts)), state

    @classmethod
    def fuse(cls, replicas: Sequence[Any]) -> Network:
        """See `ReplicableNetwork`."""
        return _ParallelCriticNetwork(replicas)

    def _joint_spec(self) -> TensorSpec:
        encodings = (self._observation_encoding, self._action_encoding)
        parts = [encoding.output_spec.zeros((1,)) for encoding in encodings]
        combine = checked(self._combine, "CriticNetwork.observation_action_combiner", torch.Tensor)
        return TensorSpec.from_tensor(combine(parts), from_dim=1)


class _ParallelCriticNetwork(Network):
    """Replicas of a `CriticNetwork`: values `[B, R]` (or `[B, R, k]`)."""

    def __init__(self, replicas: Sequence[CriticNetwork]):
        first = replicas[0]
        super().__init__(first.input_tensor_spec, name=f"{first.name}.parallel")
        self._combine = first._combine
        self._observation_encoding = ParallelEncoding([n._observation_encoding for n in replicas])
        self._action_encoding = ParallelEncoding([n._action_encoding for n in replicas])
        self._joint_encoding = ParallelEncoding([n._joint_encoding for n in replicas])
        self.to(get_default_device())

    def forward(self, inputs: tuple[Any, Any], state: Any = ()) -> tuple[torch.Tensor, Any]:
        """Values `[B, R]` (or `[B, R, k]`) of a pair of nests of `[B, ...]`."""
        observation, action = inputs
        parts = [
            self._observation_encoding.encode(observation),
            self._action_encoding.encode(action),
        ]
        # An encoding without layers of its own is one for all replicas.
        replicas = max((part.shape[0] for part in parts if part.dim() == 3), default=None)
        if replicas is not None:
            parts = [x.expand(replicas, *x.shape) if x.dim() == 2 else x for x in parts]
        return self._joint_encoding.encode(self._combine(parts)).transpose(0, 1), state


def _encoding(name: str, spec: Any, **given: Any) -> EncodingNetwork:
    """An encoding with every parameter said, so that nothing configured for others leaks in."""
    arguments: dict[str, Any] = {
        "output_tensor_spec": None,
        "input_preprocessors": None,
        "input_preprocessors_ctor": None,
        "preprocessing_combiner": None,
        "conv_layer_params": None,
        "last_layer_size": None,
        "last_activation": None,
        "last_kernel_initializer": None,
        "last_use_fc_bn": False,
        "last_use_fc_ln": False,
    }
    return EncodingNetwork(spec, **{**arguments, **given}, name=name)


def _concatenate(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts, -1)


if not TYPE_CHECKING:
    # Its module needs this one, and confs import it from here.
    _ELSEWHERE = {"CriticRNNNetwork": "alf.networks.recurrent_q_networks"}
    __getattr__ = moved.attributes(__name__, _ELSEWHERE)
