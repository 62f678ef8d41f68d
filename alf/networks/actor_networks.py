"""Deterministic policies: networks that tell one action."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from alf._config import configurable, moved
from alf.device import get_default_device
from alf.distributions import Interval
from alf.errors import ConfigError
from alf.nest import flatten, pack_sequence_as
from alf.networks.encoding_networks import EncodingNetwork
from alf.networks.layers import (
    Activation,
    Initializer,
    activation_module,
    identity,
    linear,
    orthogonal,
)
from alf.networks.network import Network
from alf.tensor_specs import BoundedTensorSpec, TensorSpec


@configurable
class ActorNetwork(Network):
    """One continuous action for each observation.

    The last layers start small, so that the first actions lie near the middle of their bounds.

    Args:
        input_tensor_spec: nest of specs.
        action_spec: nest of floating point specs with finite bounds.
        input_preprocessors: see `EncodingNetwork`.
        preprocessing_combiner: see `EncodingNetwork`.
        conv_layer_params: see `EncodingNetwork`.
        fc_layer_params: see `EncodingNetwork`.
        activation: after each layer but the last.
        squashing_func: maps any number into `[-1, 1]`, which is then stretched to the bounds.
        kernel_initializer: of the layers but the last; `None` for orthogonal.
        name: name of the network.

    Raises:
        ConfigError: an action is discrete or has no finite bounds.
    """

    def __init__(
        self,
        input_tensor_spec: Any,
        action_spec: Any,
        input_preprocessors: Any = None,
        preprocessing_combiner: Callable[[Any], torch.Tensor] | None = None,
        conv_layer_params: Sequence[tuple[Any, ...]] | None = None,
        fc_layer_params: Sequence[int] | None = None,
        activation: Any = torch.relu_,
        squashing_func: Activation = torch.tanh,
        kernel_initializer: Initializer | None = None,
        name: str = "ActorNetwork",
    ):
        super().__init__(input_tensor_spec, name=name)
        specs: list[TensorSpec] = flatten(action_spec)
        self._intervals = [_interval(name, spec) for spec in specs]
        self._shapes = [spec.shape for spec in specs]
        self._action_spec = action_spec
        self._squash = activation_module(squashing_func, "squashing_func") or identity
        self._encoding = EncodingNetwork(
            input_tensor_spec,
            output_tensor_spec=None,
            input_preprocessors=input_preprocessors,
            input_preprocessors_ctor=None,
            preprocessing_combiner=preprocessing_combiner,
            conv_layer_params=conv_layer_params,
            fc_layer_params=fc_layer_params,
            activation=activation,
            kernel_initializer=kernel_initializer,
            use_fc_bn=False,
            use_fc_ln=False,
            last_layer_size=None,
            last_activation=None,
            last_kernel_initializer=None,
            last_use_fc_bn=False,
            last_use_fc_ln=False,
            name=f"{name}.encoding",
        )
        size = self._encoding.output_spec.numel
        self._heads = nn.ModuleList(linear(size, spec.numel, orthogonal(0.1)) for spec in specs)
        self.to(get_default_device())

    def forward(self, inputs: Any, state: Any = ()) -> tuple[Any, Any]:
        """A nest of actions `[B, ...]` for a nest of `[B, ...]`."""
        features = self._encoding.encode(inputs)
        actions: list[torch.Tensor] = []
        for head, interval, shape in zip(self._heads, self._intervals, self._shapes, strict=True):
            raw = self._squash(head(features))
            raw = raw.unflatten(-1, shape) if shape else raw.squeeze(-1)
            center, half_width = interval.center_and_half_width(raw)
            actions.append(raw * half_width + center)
        return pack_sequence_as(self._action_spec, actions), state


def _interval(name: str, spec: TensorSpec) -> Interval:
    if spec.is_discrete:
        raise ConfigError(f"{name} gives continuous actions, but was given {spec}")
    if not isinstance(spec, BoundedTensorSpec) or not (
        np.isfinite(spec.minimum).all() and np.isfinite(spec.maximum).all()
    ):
        raise ConfigError(f"{name} needs finite action bounds to stretch to, but was given {spec}")
    return Interval(spec.minimum, spec.maximum)


if not TYPE_CHECKING:
    __getattr__ = moved.attributes(__name__)
