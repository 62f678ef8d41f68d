"""The last step of a policy network: from features to a distribution of actions."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

from alf._config import configurable, moved
from alf._config.settled import Settled, settled
from alf.device import get_default_device
from alf.distributions import Beta, Categorical, DiagNormal, Distribution, Interval, SquashedNormal
from alf.errors import ConfigError
from alf.networks.layers import activation_module, identity, linear, orthogonal
from alf.networks.network import Network
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

_RULED_OUT = -1e8  # finite, so that 0 * log(probability) stays a number
_NO_LAYER_OPTIONS = "the layer is a plain linear one; subclass the network for another"


class ProjectionNetwork(Network):
    """Features `[..., input_size]` to a distribution of actions.

    Args:
        input_size: number of features.
        action_spec: spec of one action.
        name: name of the network.
    """

    def __init__(self, input_size: int, action_spec: TensorSpec, name: str):
        super().__init__(TensorSpec((input_size,)), name=name)
        self._action_spec = action_spec

    def forward(self, inputs: torch.Tensor, state: Any = ()) -> tuple[Distribution, Any]:
        """The distribution `[B, ...]` for features `[B, input_size]`."""
        return self.project(inputs), state

    def project(self, inputs: torch.Tensor) -> Distribution:
        """The distribution alone: what enclosing networks call, without hooks and state."""
        raise NotImplementedError

    def _shaped(self, flat: torch.Tensor) -> torch.Tensor:
        """`[..., numel]` to `[..., *action_shape]`."""
        shape = self._action_spec.shape
        if len(shape) == 1:
            return flat
        return flat.unflatten(-1, shape) if shape else flat.squeeze(-1)


@configurable
@settled(
    fc_ctor=Settled(None, _NO_LAYER_OPTIONS),
    weight_opt_args=Settled(None, _NO_LAYER_OPTIONS),
    bias_opt_args=Settled(None, _NO_LAYER_OPTIONS),
)
class CategoricalProjectionNetwork(ProjectionNetwork):
    """A `Categorical` over bounded integers `minimum, ..., maximum`.

    An action of shape `()` is one choice; one of shape `[k]` is `k` independent choices, which may
    have different maxima.

    Args:
        input_size: number of features.
        action_spec: bounded integers; all elements have one minimum.
        logits_init_output_factor: gain of the weights at the start; small keeps the first policy
            close to uniform.
        name: name of the network.

    Raises:
        ConfigError: if the spec is of another kind.
    """

    def __init__(
        self,
        input_size: int,
        action_spec: BoundedTensorSpec,
        logits_init_output_factor: float = 0.1,
        name: str = "CategoricalProjectionNetwork",
    ):
        if not isinstance(action_spec, BoundedTensorSpec) or action_spec.is_continuous:
            raise ConfigError(f"{name} needs bounded integer actions, but was given {action_spec}")
        super().__init__(input_size, action_spec, name)
        counts = (action_spec.maximum.astype(np.int64) - action_spec.minimum + 1).reshape(-1)
        self._offset = int(action_spec.minimum.min())
        if self._offset != int(action_spec.minimum.max()):
            raise ConfigError(f"{name} needs one minimum for all elements of {action_spec}")
        self._choices = int(counts.max())
        self._linear = linear(
            input_size, len(counts) * self._choices, orthogonal(logits_init_output_factor)
        )
        self.register_buffer("_mask", self._make_mask(counts), persistent=False)
        self.to(get_default_device())

    def project(self, inputs: torch.Tensor) -> Categorical:
        """Choices for features `[B, input_size]`."""
        logits = self._linear(inputs)
        shape = self._action_spec.shape
        if shape:
            logits = logits.unflatten(-1, (*shape, self._choices))
            if self._mask is not None:
                logits = logits + self._mask
        return Categorical(logits, self._offset, len(shape))

    def _make_mask(self, counts: np.ndarray[Any, Any]) -> torch.Tensor | None:
        if np.all(counts == self._choices):
            return None
        there = np.arange(self._choices) < counts[:, None]
        mask = torch.where(torch.as_tensor(there), 0.0, _RULED_OUT)
        return mask.reshape(*self._action_spec.shape, self._choices)


def _check_continuous(name: str, action_spec: TensorSpec) -> None:
    if not action_spec.is_continuous:
        raise ConfigError(f"{name} needs floating point actions, but was given {action_spec}")


def _finite_interval(action_spec: TensorSpec) -> Interval | None:
    """The box of an action, `None` where it has no finite bounds."""
    if not isinstance(action_spec, BoundedTensorSpec):
        return None
    if not (np.isfinite(action_spec.minimum).all() and np.isfinite(action_spec.maximum).all()):
        return None
    return Interval(action_spec.minimum, action_spec.maximum)


def _needed_interval(name: str, action_spec: TensorSpec) -> Interval:
    interval = _finite_interval(action_spec)
    if interval is None:
        raise ConfigError(f"{name} needs finite action bounds, but was given {action_spec}")
    return interval


class StableTanh:
    """Names the squashing of `SquashedNormal`, which is always tanh, computed in a stable way."""


_PARALLELISM = Settled(None, "networks are not parallel; build several")
_SQUASHING = Settled(
    None,
    "bounded actions are squashed with tanh; there is nothing to choose",
    lambda value: isinstance(value, StableTanh),
)


@configurable
@settled(
    parallelism=_PARALLELISM,
    mean_transform=Settled(None, "use squash_mean"),
    dist_squashing_transform=_SQUASHING,
)
class NormalProjectionNetwork(ProjectionNetwork):
    """A normal distribution with independent components.

    Args:
        input_size: number of features.
        action_spec: floating point actions.
        activation: of the layer that makes the means.
        projection_output_init_gain: gain of the weights at the start.
        std_bias_initializer_value: bias of the standard deviations at the start, before
            `std_transform`.
        squash_mean: squash the means into the action's bounds with tanh; without effect where
            there are no finite bounds, or where `scale_distribution` is set.
        state_dependent_std: compute the standard deviations from the features, rather than learn
            one for each component.
        std_transform: makes standard deviations positive.
        scale_distribution: squash the whole distribution into the bounds (`SquashedNormal`), so
            that every action lies within them. Without it actions may lie outside, and the
            environment clips them.
        name: name of the network.

    Raises:
        ConfigError: if the spec is of another kind, or has no finite bounds to scale to.
    """

    def __init__(
        self,
        input_size: int,
        action_spec: TensorSpec,
        activation: Any = identity,
        projection_output_init_gain: float = 0.3,
        std_bias_initializer_value: float = 0.0,
        squash_mean: bool = True,
        state_dependent_std: bool = False,
        std_transform: Callable[[torch.Tensor], torch.Tensor] = softplus,
        scale_distribution: bool = False,
        name: str = "NormalProjectionNetwork",
    ):
        _check_continuous(name, action_spec)
        super().__init__(input_size, action_spec, name)
        self._mean_layer = linear(
            input_size, action_spec.numel, orthogonal(projection_output_init_gain)
        )
        self._activation = activation_module(activation)
        self._std_transform = std_transform
        self._scale_to = _needed_interval(name, action_spec) if scale_distribution else None
        squashes = squash_mean and not scale_distribution
        self._squash_to = _finite_interval(action_spec) if squashes else None
        self._std_layer: nn.Linear | None = None
        self._std_bias: nn.Parameter | None = None
        if state_dependent_std:
            self._std_layer = linear(
                input_size,
                action_spec.numel,
                orthogonal(projection_output_init_gain),
                bias=std_bias_initializer_value,
            )
        else:
            bias = torch.full((action_spec.numel,), float(std_bias_initializer_value))
            self._std_bias = nn.Parameter(bias)
        self.to(get_default_device())

    def project(self, inputs: torch.Tensor) -> Distribution:
        """Actions for features `[B, input_size]`."""
        means = self._mean_layer(inputs)
        if self._activation is not None:
            means = self._activation(means)
        return self._distribution(means, self._stds(inputs, means))

    def _stds(self, inputs: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        if self._std_layer is not None:
            return self._std_transform(self._std_layer(inputs))
        assert self._std_bias is not None
        return self._std_transform(self._std_bias).expand_as(means)

    def _distribution(self, means: torch.Tensor, stds: torch.Tensor) -> Distribution:
        means, stds = self._shaped(means), self._shaped(stds)
        if self._squash_to is not None:
            center, half_width = self._squash_to.center_and_half_width(means)
            means = means.tanh() * half_width + center
        event_dims = len(self._action_spec.shape)
        if self._scale_to is not None:
            return SquashedNormal(means, stds, self._scale_to, event_dims=event_dims)
        return DiagNormal(means, stds, event_dims)


@configurable
@settled(parallelism=_PARALLELISM, dist_squashing_transform=_SQUASHING)
class StableNormalProjectionNetwork(NormalProjectionNetwork):
    """A normal distribution whose loss stays smooth as its standard deviation becomes small.

    `std = c0 + 1 / (c1 + f(b))` and `mean = a * std`, where `a` and `b` are what the layers give,
    `f` is `inverse_std_transform`, and `c0` and `c1` keep `min_std <= std <= max_std`. The second
    derivatives of the log density in `a` and `b` stay bounded.

    Args:
        input_size: number of features.
        action_spec: floating point actions.
        activation: of the layer that makes `a`.
        projection_output_init_gain: gain of the weights at the start.
        squash_mean: see `NormalProjectionNetwork`.
        state_dependent_std: see `NormalProjectionNetwork`.
        inverse_std_transform: `"softplus"` or `"exp"`.
        scale_distribution: see `NormalProjectionNetwork`.
        init_std: standard deviation at the start, between `min_std` and `max_std`.
        min_std: lower bound of the standard deviation.
        max_std: upper bound; `None` for none.
        name: name of the network.

    Raises:
        ConfigError: if a value is out of its range, or the spec of another kind.
    """

    def __init__(
        self,
        input_size: int,
        action_spec: TensorSpec,
        activation: Any = identity,
        projection_output_init_gain: float = 1e-5,
        squash_mean: bool = True,
        state_dependent_std: bool = False,
        inverse_std_transform: str = "softplus",
        scale_distribution: bool = False,
        init_std: float = 1.0,
        min_std: float = 0.0,
        max_std: float | None = None,
        name: str = "StableNormalProjectionNetwork",
    ):
        if inverse_std_transform not in ("softplus", "exp"):
            raise ConfigError(
                f"{name}: inverse_std_transform is {inverse_std_transform!r}: "
                "give 'softplus' or 'exp'"
            )
        if not 0 <= min_std < init_std or (max_std is not None and not init_std < max_std):
            raise ConfigError(
                f"{name}: init_std {init_std} must lie between min_std {min_std} "
                f"and max_std {max_std}"
            )
        c1 = 0.0 if max_std is None else 1 / (max_std - min_std)
        start = 1 / (init_std - min_std) - c1  # what f(b) must be at the start
        exponential = inverse_std_transform == "exp"
        transform = torch.exp if exponential else softplus
        bias = math.log(start) if exponential else math.log(math.expm1(start))
        super().__init__(
            input_size,
            action_spec,
            activation=activation,
            projection_output_init_gain=projection_output_init_gain,
            std_bias_initializer_value=bias,
            squash_mean=squash_mean,
            state_dependent_std=state_dependent_std,
            std_transform=lambda b: min_std + 1 / (c1 + transform(b)),
            scale_distribution=scale_distribution,
            name=name,
        )

    def _distribution(self, means: torch.Tensor, stds: torch.Tensor) -> Distribution:
        return super()._distribution(means * stds, stds)


@configurable
@settled(parallelism=_PARALLELISM)
class BetaProjectionNetwork(ProjectionNetwork):
    """A `Beta` distribution on the action's box.

    With the default initial values it starts uniform.

    Args:
        input_size: number of features.
        action_spec: floating point actions with finite bounds.
        activation: makes concentrations positive.
        min_concentration: added to both concentrations; 1 or more makes a single peak.
        projection_output_init_gain: gain of the weights at the start.
        bias_init_value: bias at the start; `softplus` makes 1 of the default.
        grad_clip: the largest norm, for each element of the batch, of the gradient into the
            concentrations; `None` for no limit. Without a limit, rare actions near the bounds
            give gradients that break the training.
        name: name of the network.

    Raises:
        ConfigError: if the spec is of another kind, or has no finite bounds.
    """

    def __init__(
        self,
        input_size: int,
        action_spec: BoundedTensorSpec,
        activation: Callable[[torch.Tensor], torch.Tensor] = softplus,
        min_concentration: float = 0.0,
        projection_output_init_gain: float = 0.0,
        bias_init_value: float = 0.541324854612918,
        grad_clip: float | None = 0.01,
        name: str = "BetaProjectionNetwork",
    ):
        _check_continuous(name, action_spec)
        super().__init__(input_size, action_spec, name)
        self._interval = _needed_interval(name, action_spec)
        self._linear = linear(
            input_size,
            2 * action_spec.numel,
            orthogonal(projection_output_init_gain),
            bias=bias_init_value,
        )
        self._activation = activation
        self._min_concentration = min_concentration
        self._grad_clip = grad_clip
        self.to(get_default_device())

    def project(self, inputs: torch.Tensor) -> Beta:
        """Actions for features `[B, input_size]`."""
        concentration = self._activation(self._linear(inputs))
        if self._min_concentration:
            concentration = concentration + self._min_concentration
        if self._grad_clip is not None and concentration.requires_grad:
            limit = self._grad_clip
            concentration.register_hook(lambda grad: _clip_rows(grad, limit))
        one, zero = concentration.chunk(2, -1)
        event_dims = len(self._action_spec.shape)
        return Beta(self._shaped(one), self._shaped(zero), self._interval, event_dims=event_dims)


def _clip_rows(grad: torch.Tensor, limit: float) -> torch.Tensor:
    norm = grad.norm(dim=-1, keepdim=True)
    return grad * (limit / norm.clamp(min=limit))


if not TYPE_CHECKING:
    __getattr__ = moved.attributes(__name__)
