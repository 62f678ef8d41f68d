"""Transforms of the observation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from alf._config import configurable
from alf._config.settled import Settled, settled
from alf.data_structures import TimeStep
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.nest import get_field
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.transforms.base import (
    DataTransformer,
    StatelessTransformer,
    checked_fields,
    map_fields,
)
from alf.transforms.normalizer import Normalizer


@configurable
class ImageScaleTransformer(StatelessTransformer):
    """Byte images `0..255` to float32 `min..max`.

    Args:
        observation_spec: nest of specs.
        min: the value of byte 0.
        max: the value of byte 255.
        fields: dotted paths of the images; `None` if the observation is one image.

    Raises:
        ConfigError: if a field is not there or does not hold bytes.
    """

    def __init__(
        self,
        observation_spec: Any,
        min: float = -1.0,
        max: float = 1.0,
        fields: Sequence[str] | None = None,
    ):
        paths = checked_fields(observation_spec, fields, "ImageScaleTransformer")
        if not min < max:
            raise ConfigError(f"ImageScaleTransformer: min {min} is not below max {max}")

        def scaled_spec(spec: TensorSpec) -> BoundedTensorSpec:
            if spec.dtype != torch.uint8:
                raise ConfigError(f"ImageScaleTransformer scales bytes, but was given {spec}")
            return BoundedTensorSpec(spec.shape, torch.float32, min, max)

        super().__init__(
            observation_spec,
            map_fields(observation_spec, paths, scaled_spec),
            changed_fields=paths,
        )
        self._fields = paths
        self._min = min
        self._max = max
        self._scale = (max - min) / 255

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The time step with float images."""
        observation = map_fields(timestep.observation, self._fields, self._scaled)
        return timestep._replace(observation=observation)

    def _scaled(self, image: torch.Tensor) -> torch.Tensor:
        # Rounding must not lead out of the bounds.
        return image.float().mul_(self._scale).add_(self._min).clamp_(self._min, self._max)


@configurable
class FrameStacker(DataTransformer):
    """The last frames of an episode side by side, oldest first.

    At the first step of an episode its frame stands in for those before it.

    Args:
        observation_spec: nest of specs.
        stack_size: number of frames.
        stack_axis: dimension along which the frames are put together, without the batch
            dimension: 0 is the channel of an image `[C, H, W]`.
        fields: dotted paths of what is stacked; `None` if the observation is one tensor.

    Raises:
        ConfigError: if a field is not there, or has no such dimension.
    """

    def __init__(
        self,
        observation_spec: Any,
        stack_size: int = 4,
        stack_axis: int = 0,
        fields: Sequence[str] | None = None,
    ):
        if stack_size < 1:
            raise ConfigError(f"FrameStacker.stack_size is {stack_size}: give 1 or more")
        paths = checked_fields(observation_spec, fields, "FrameStacker")
        specs = [get_field(observation_spec, path) for path in paths]
        for path, spec in zip(paths, specs, strict=True):
            if not -spec.ndim <= stack_axis < spec.ndim:
                raise ConfigError(
                    f"FrameStacker: {path or 'the observation'} {spec} has no "
                    f"dimension {stack_axis}"
                )
        axes = [stack_axis % spec.ndim for spec in specs]
        super().__init__(
            observation_spec,
            map_fields(
                observation_spec, paths, lambda spec, axis: _repeated(spec, axis, stack_size), axes
            ),
            tuple(
                TensorSpec(_repeated(spec, axis, stack_size - 1).shape, spec.dtype)
                for spec, axis in zip(specs, axes, strict=True)
            )
            if stack_size > 1
            else (),
            paths if stack_size > 1 else (),
        )
        self._stack_size = stack_size
        self._fields = paths
        self._axes = [axis + 1 for axis in axes]  # after the batch dimension

    @property
    def stack_size(self) -> int:
        """Number of frames."""
        return self._stack_size

    def transform_timestep(self, timestep: TimeStep, state: Any = ()) -> tuple[TimeStep, Any]:
        """The time step with stacked frames, and the frames to remember."""
        if self._stack_size == 1:
            return timestep, state
        is_first = timestep.is_first()
        if not state:
            state = self.initial_state(is_first.shape[0], is_first.device)
        remembered: list[torch.Tensor] = []

        def stack(frame: torch.Tensor, past: torch.Tensor, axis: int) -> torch.Tensor:
            first = is_first.reshape(-1, *(1,) * (frame.dim() - 1))
            past = torch.where(first, torch.cat([frame] * (self._stack_size - 1), axis), past)
            stacked = torch.cat([past, frame], axis)
            size = frame.shape[axis]
            remembered.append(stacked.narrow(axis, size, stacked.shape[axis] - size))
            return stacked

        observation = map_fields(timestep.observation, self._fields, stack, state, self._axes)
        return timestep._replace(observation=observation), tuple(remembered)


def _repeated(spec: TensorSpec, axis: int, count: int) -> TensorSpec:
    """The spec of `count` such tensors side by side."""
    shape = list(spec.shape)
    shape[axis] *= count
    if isinstance(spec, BoundedTensorSpec) and count:
        low, high = (np.concatenate([b] * count, axis) for b in (spec.minimum, spec.maximum))
        return BoundedTensorSpec(shape, spec.dtype, low, high)
    return TensorSpec(shape, spec.dtype)


@configurable
@settled(
    update_mode=Settled(
        "replay",
        "give 'rollout' or 'replay'; the statistics follow the steps of the rollout either way",
        lambda value: value == "rollout",
    )
)
class ObservationNormalizer(StatelessTransformer):
    """Observations with mean 0 and variance 1, each element by its own running statistics.

    Args:
        observation_spec: nest of specs.
        fields: dotted paths of what is normalized; `None` if the observation is one tensor.
        clipping: the largest absolute value that comes out; 0 for no limit.
        window_size: for mode `"window"`: number of the last steps that count.
        update_rate: for mode `"ema"`: weight of a new step.
        speed: for mode `"adaptive"`: the `i`-th step has weight `speed / (speed + i)`, so that
            about the last `1 / speed` share of all steps counts.
        zero_mean: subtract the mean; without it only the scale is changed.
        mode: `"adaptive"`, `"ema"` or `"window"`.

    Raises:
        ConfigError: if a field is not there, or a value out of its range.
    """

    def __init__(
        self,
        observation_spec: Any,
        fields: Sequence[str] | None = None,
        clipping: float = 0.0,
        window_size: int = 10000,
        update_rate: float = 1e-4,
        speed: float = 8.0,
        zero_mean: bool = True,
        mode: str = "adaptive",
    ):
        paths = checked_fields(observation_spec, fields, "ObservationNormalizer")
        normalizers = [
            Normalizer(
                get_field(observation_spec, path).shape,
                mode=mode,
                window_size=window_size,
                update_rate=update_rate,
                speed=speed,
                zero_mean=zero_mean,
                clipping=clipping,
            )
            for path in paths
        ]

        def normalized_spec(spec: TensorSpec) -> TensorSpec:
            if clipping:
                return BoundedTensorSpec(spec.shape, torch.float32, -clipping, clipping)
            return TensorSpec(spec.shape, torch.float32)

        super().__init__(
            observation_spec,
            map_fields(observation_spec, paths, normalized_spec),
            changed_fields=paths,
        )
        self._fields = paths
        self._normalizers = nn.ModuleList(normalizers)
        self.to(get_default_device())

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The time step with normalized observations; in training mode it is counted first."""

        def normalize(x: torch.Tensor, normalizer: Normalizer) -> torch.Tensor:
            if self.training:
                normalizer.update(x)
            return normalizer.normalize(x)

        observation = map_fields(
            timestep.observation, self._fields, normalize, list(self._normalizers)
        )
        return timestep._replace(observation=observation)
