"""Gymnasium spaces and tensor specs, and the values that go between them.

- `space_to_spec`, `spec_to_space`: what a value looks like.
- `ObservationMap`: values of an environment -> arrays of our specs.
- `ActionMap`: arrays of our specs -> actions of an environment.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

from alf.errors import EnvError
from alf.nest import flatten, map_structure, pack_sequence_as
from alf.tensor_specs import BoundedTensorSpec, TensorSpec, numpy_dtype

Array = npt.NDArray[Any]
Path = tuple[Any, ...]

# What a space's dtype becomes. Float64 observations carry nothing that a float32 network could
# use, and torch has next to no operations on the unsigned types.
_DTYPES = {
    "float16": torch.float32,
    "float32": torch.float32,
    "float64": torch.float32,
    "bool": torch.uint8,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint16": torch.int32,
    "uint32": torch.int64,
    "uint64": torch.int64,
}


def space_to_spec(space: spaces.Space[Any], image_channel_first: bool = False) -> Any:
    """The nest of specs of a space.

    Args:
        space: `Box`, `Discrete`, `MultiDiscrete`, `MultiBinary`, or a `Dict` or `Tuple` of those.
        image_channel_first: turn `[H, W, C]` images into `[C, H, W]`; see `is_image`.

    Raises:
        EnvError: for any other space, naming it and its place.
    """
    return _space_to_spec(space, image_channel_first, "")


def spec_to_space(spec: Any) -> spaces.Space[Any]:
    """A space whose specs are `spec`: the inverse of `space_to_spec`.

    Args:
        spec: nest (dicts, tuples, lists) of specs.
    """
    if isinstance(spec, dict):
        return spaces.Dict({name: spec_to_space(part) for name, part in spec.items()})
    if isinstance(spec, (tuple, list)):
        return spaces.Tuple([spec_to_space(part) for part in spec])
    dtype: Any = numpy_dtype(spec.dtype)
    shape = tuple(spec.shape)
    if isinstance(spec, BoundedTensorSpec):
        if spec.dtype == torch.int64 and not shape:
            low, high = int(spec.minimum), int(spec.maximum)
            if high - low < np.iinfo(np.int64).max:  # Discrete counts in an int64
                return spaces.Discrete(high - low + 1, start=low)
        return spaces.Box(spec.minimum, spec.maximum, shape, dtype)
    if spec.is_continuous:
        return spaces.Box(-np.inf, np.inf, shape, dtype)
    limits = np.iinfo(dtype)
    return spaces.Box(limits.min, limits.max, shape, dtype)


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether values of a space are `[H, W, C]` images.

    True for a `Box` of three dimensions whose last is smaller than the other two. Stacked frames
    `[4, 84, 84]` are not: their channels stand first already.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 3:
        return False
    height, width, channels = space.shape
    return channels < min(height, width)


def _space_to_spec(space: spaces.Space[Any], channel_first: bool, where: str) -> Any:
    if isinstance(space, spaces.Dict):
        return {
            name: _space_to_spec(part, channel_first, f"{where}.{name}")
            for name, part in space.items()
        }
    if isinstance(space, spaces.Tuple):
        return tuple(
            _space_to_spec(part, channel_first, f"{where}.{i}") for i, part in enumerate(space)
        )
    if isinstance(space, spaces.Box):
        return _box_to_spec(space, channel_first and is_image(space))
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return BoundedTensorSpec((), torch.int64, start, start + int(space.n) - 1)
    if isinstance(space, spaces.MultiDiscrete):
        return BoundedTensorSpec(
            space.nvec.shape, torch.int64, space.start, space.start + space.nvec - 1
        )
    if isinstance(space, spaces.MultiBinary):
        return BoundedTensorSpec(space.shape, torch.int8, 0, 1)
    at = f" at {where[1:]!r}" if where else ""
    raise EnvError(
        f"the space {space}{at} has no tensor form: alf knows Box, Discrete, MultiDiscrete, "
        "MultiBinary, Dict and Tuple; transform it with a gymnasium wrapper (gym_env_wrappers)"
    )


def _box_to_spec(space: spaces.Box, transposed: bool) -> TensorSpec:
    dtype = _DTYPES.get(space.dtype.name if space.dtype is not None else "")
    if dtype is None:
        raise EnvError(f"the space {space} has the dtype {space.dtype}, which has no tensor form")
    low, high = (_bound_as(bound, dtype) for bound in (space.low, space.high))
    if transposed:
        low, high = low.transpose(2, 0, 1), high.transpose(2, 0, 1)
    if dtype.is_floating_point and np.isneginf(low).all() and np.isposinf(high).all():
        return TensorSpec(low.shape, dtype)
    return BoundedTensorSpec(low.shape, dtype, low, high)


def _bound_as(bound: Array, dtype: torch.dtype) -> Array:
    target = numpy_dtype(dtype)
    if target.kind == "f":
        with np.errstate(over="ignore"):  # beyond float32 is as good as unbounded
            return bound.astype(target)
    limits = np.iinfo(target)
    return np.clip(bound, limits.min, limits.max).astype(target)  # only uint64 can exceed


def leaf_spaces(space: spaces.Space[Any]) -> list[tuple[Path, spaces.Space[Any]]]:
    """The paths and spaces of the leaves, in the order of `alf.nest.flatten` of their specs."""
    if isinstance(space, spaces.Dict):
        return [
            ((name, *path), leaf)
            for name in sorted(space.keys())
            for path, leaf in leaf_spaces(space[name])
        ]
    if isinstance(space, spaces.Tuple):
        return [
            ((i, *path), leaf) for i, part in enumerate(space) for path, leaf in leaf_spaces(part)
        ]
    return [((), space)]


class ObservationMap:
    """Writes the observations of an environment into arrays that look like our specs.

    Args:
        space: the observation space of one environment.
        image_channel_first: turn `[H, W, C]` images into `[C, H, W]`.

    Attributes:
        spec: nest of specs of one environment.
    """

    def __init__(self, space: spaces.Space[Any], image_channel_first: bool = True):
        self.spec: Any = space_to_spec(space, image_channel_first)
        leaves = leaf_spaces(space)
        self._paths = [path for path, _ in leaves]
        self._transposed = [image_channel_first and is_image(leaf) for _, leaf in leaves]
        self._dtypes = [numpy_dtype(spec.dtype) for spec in flatten(self.spec)]
        self._is_plain = self._paths == [()] and not self._transposed[0]

    def write(self, observation: Any, arrays: Sequence[Array], row: int) -> None:
        """Copy one observation into row `row` of the leaf arrays `[N, ...]`."""
        for array, path, transposed in zip(arrays, self._paths, self._transposed, strict=True):
            leaf = observation
            for key in path:
                leaf = leaf[key]
            array[row] = leaf.transpose(2, 0, 1) if transposed else leaf

    def batch(self, observation: Any) -> Any:
        """A nest of fresh, contiguous tensors `[B, ...]` of a batched observation."""
        if self._is_plain:
            return torch.from_numpy(np.array(observation, dtype=self._dtypes[0], order="C"))
        leaves = []
        for path, transposed, dtype in zip(
            self._paths, self._transposed, self._dtypes, strict=True
        ):
            leaf = observation
            for key in path:
                leaf = leaf[key]
            if transposed:
                leaf = leaf.transpose(0, 3, 1, 2)
            leaves.append(torch.from_numpy(np.array(leaf, dtype=dtype, order="C")))
        is_leaf = isinstance(self.spec, TensorSpec)
        return leaves[0] if is_leaf else pack_sequence_as(self.spec, leaves)


class ActionMap:
    """Turns actions that fit our specs into actions of an environment, batched or not.

    Discrete actions count from 0 whatever the environment counts from.

    Args:
        space: the action space of one environment.
        clip_action: clip continuous actions to the environment's bounds.
        normalize_action: let bounded continuous actions lie in `[-1, 1]`, and scale them to the
            environment's bounds.

    Attributes:
        spec: nest of specs of one environment's action, as an algorithm sees it.
    """

    def __init__(
        self, space: spaces.Space[Any], clip_action: bool = True, normalize_action: bool = False
    ):
        own = space_to_spec(space)
        self.spec: Any = map_structure(lambda spec: _agent_spec(spec, normalize_action), own)
        self._space = space
        self._converters = [
            _converter(leaf, spec, clip_action, normalize_action)
            for (_, leaf), spec in zip(leaf_spaces(space), flatten(own), strict=True)
        ]
        self._is_leaf = not isinstance(space, (spaces.Dict, spaces.Tuple))

    def to_env(self, leaves: Sequence[Any]) -> Any:
        """The environment's action of leaf arrays `[...]`, or its batch of leaves `[B, ...]`."""
        if self._is_leaf:
            return self._converters[0](leaves[0])
        converted = iter([f(leaf) for f, leaf in zip(self._converters, leaves, strict=True)])
        return _pack_like_space(self._space, converted)


def _agent_spec(spec: TensorSpec, normalize: bool) -> TensorSpec:
    if not isinstance(spec, BoundedTensorSpec):
        return spec
    if spec.is_discrete:
        return spec.replace(maximum=spec.maximum - spec.minimum, minimum=0)
    if normalize and _is_finite(spec):
        return spec.replace(minimum=-1, maximum=1)
    return spec


def _is_finite(spec: BoundedTensorSpec) -> bool:
    return bool(np.isfinite(spec.minimum).all() and np.isfinite(spec.maximum).all())


def _converter(
    space: spaces.Space[Any], spec: TensorSpec, clip: bool, normalize: bool
) -> Callable[[Any], Any]:
    dtype = space.dtype
    assert dtype is not None
    if not isinstance(spec, BoundedTensorSpec):
        return lambda action: np.array(action, dtype)
    low, high = spec.minimum, spec.maximum
    if spec.is_discrete:
        offset = low.astype(dtype)
        if not offset.any():
            return lambda action: action if action.dtype == dtype else action.astype(dtype)
        if isinstance(space, spaces.Discrete):
            return lambda action: action.astype(dtype) + offset
        return lambda action: np.asarray(action.astype(dtype) + offset)
    scaled = normalize and _is_finite(spec)
    middle, half = (low + high) / 2, (high - low) / 2

    def convert(action: Any) -> Any:
        if scaled:
            action = middle + half * action
        if clip:
            action = np.minimum(np.maximum(action, low), high)
        return np.asarray(action, dtype)  # NumPy makes scalars of arrays without dimensions

    return convert


def _pack_like_space(space: spaces.Space[Any], leaves: Any) -> Any:
    if isinstance(space, spaces.Dict):
        return {name: _pack_like_space(space[name], leaves) for name in sorted(space.keys())}
    if isinstance(space, spaces.Tuple):
        return tuple(_pack_like_space(part, leaves) for part in space)
    return next(leaves)
