"""Policies: networks that tell the distribution of actions."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from alf._config import configurable, moved
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.nest import flatten, pack_sequence_as
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.network import Network
from alf.networks.projection_networks import (
    CategoricalProjectionNetwork,
    NormalProjectionNetwork,
    ProjectionNetwork,
)
from alf.tensor_specs import TensorSpec


@configurable
class ActorDistributionNetwork(Network):
    """The distribution of actions at an observation.

    Features come from an `EncodingNetwork`; each leaf of the action has a projection network.

    Args:
        input_tensor_spec: nest of specs.
        action_spec: nest of specs; the output is a nest of distributions like it.
        input_preprocessors: see `EncodingNetwork`.
        input_preprocessors_ctor: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        fc_layer_params: see `EncodingNetwork`.
        activation: after each layer of the encoding.
        kernel_initializer: of the layers of the encoding; `None` for orthogonal.
        use_fc_bn: batch normalization in the fully connected layers.
        use_fc_ln: layer normalization in the fully connected layers.
        discrete_projection_net_ctor: called as `ctor(input_size=, action_spec=)` for an integer
            action.
        continuous_projection_net_ctor: likewise for a floating point action.
        name: name of the network.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        action_spec: Any,
        input_preprocessors: Any = None,
        input_preprocessors_ctor: Callable[[Any], Any] | None = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        kernel_initializer: Callable[[torch.Tensor], Any] | None = None,
        use_fc_bn: bool = False,
        use_fc_ln: bool = False,
        discrete_projection_net_ctor: Callable[..., Network] = CategoricalProjectionNetwork,
        continuous_projection_net_ctor: Callable[..., Network] = NormalProjectionNetwork,
        name: str = "ActorDistributionNetwork",
    ):
        super().__init__(input_tensor_spec, name=name)
        self._encoding = EncodingNetwork(
            input_tensor_spec,
            output_tensor_spec=None,
            input_preprocessors=input_preprocessors,
            input_preprocessors_ctor=input_preprocessors_ctor,
            preprocessing_combiner=preprocessing_combiner,
            conv_layer_params=conv_layer_params,
            fc_layer_params=fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            use_fc_bn=use_fc_bn,
            use_fc_ln=use_fc_ln,
            last_layer_size=None,
            last_activation=None,
            last_kernel_initializer=None,
            last_use_fc_bn=False,
            last_use_fc_ln=False,
            name=f"{name}.encoding",
        )
        self._projection = ActionProjection(
            self._encoding.output_spec.numel,
            action_spec,
            discrete_projection_net_ctor,
            continuous_projection_net_ctor,
        )
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[Any, Any]:
        """A nest of distributions `[B, ...]` for a nest of `[B, ...]`."""
        return self._projection.project(self._encoding.encode(inputs)), state


class ActionProjection(nn.Module):
    """Projection networks for a nest of actions.

    Args:
        input_size: number of features.
        action_spec: nest of specs.
        discrete_ctor: makes the network for an integer action.
        continuous_ctor: makes the network for a floating point action.

    Raises:
        ConfigError: if there is no action, or a constructor makes something else.
    """

    def __init__(
        self,
        input_size: int,
        action_spec: Any,
        discrete_ctor: Callable[..., Network],
        continuous_ctor: Callable[..., Network],
    ):
        super().__init__()
        specs: list[TensorSpec] = flatten(action_spec)
        if not specs:
            raise ConfigError("the action spec is empty: a policy needs at least one action")
        ctors = [discrete_ctor if spec.is_discrete else continuous_ctor for spec in specs]
        nets = [
            ctor(input_size=input_size, action_spec=spec)
            for ctor, spec in zip(ctors, specs, strict=True)
        ]
        for net in nets:
            if not isinstance(net, Network):
                raise ConfigError(f"a projection_net_ctor made a {type(net).__name__}, no Network")
        self._nets = nn.ModuleList(nets)
        self._in_order: list[Network] = nets  # a plain list is faster to index
        self._action_spec = action_spec
        self._single = len(specs) == 1 and specs[0] is action_spec

    def project(self, features: torch.Tensor) -> Any:
        """A nest of distributions for features `[B, input_size]`."""
        if self._single:
            return _project(self._in_order[0], features)
        return pack_sequence_as(
            self._action_spec, [_project(net, features) for net in self._in_order]
        )


def _project(net: Network, features: torch.Tensor) -> Any:
    return net.project(features) if isinstance(net, ProjectionNetwork) else net(features)[0]


if not TYPE_CHECKING:
    # Its module needs this one, and confs import it from here.
    _ELSEWHERE = {"ActorDistributionRNNNetwork": "alf.networks.recurrent_networks"}
    __getattr__ = moved.attributes(__name__, _ELSEWHERE)
