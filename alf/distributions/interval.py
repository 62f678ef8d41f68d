"""A box of bounds that distributions over bounded actions share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

Factor = float | torch.Tensor


class Interval:
    """The box between two bounds; equal boxes compare equal, whatever their device.

    One number serves where all elements agree, so that the usual box of `[-1, 1]` costs no tensor.

    Args:
        low: a number or an array of the event's shape.
        high: likewise.
    """

    __slots__ = ("_key", "_tensors", "high", "low")

    def __init__(self, low: Any, high: Any):
        low = np.asarray(low, dtype=np.float64)
        high = np.asarray(high, dtype=np.float64)
        self._key = (low.shape, low.tobytes(), high.shape, high.tobytes())
        self.low: float | np.ndarray[Any, Any] = _plain(low)
        self.high: float | np.ndarray[Any, Any] = _plain(high)
        self._tensors: dict[Any, tuple[Factor, Factor]] = {}

    def center_and_half_width(self, like: torch.Tensor) -> tuple[Factor, Factor]:
        """Center and half width, as numbers or as tensors on the device of `like`."""
        key = (like.device, like.dtype)
        found = self._tensors.get(key)
        if found is None:
            low, high = self.low, self.high
            found = (
                _factor((low + high) / 2, like),
                _factor((high - low) / 2, like),
            )
            self._tensors[key] = found
        return found

    def is_unit(self) -> bool:
        """Whether it is `[-1, 1]`."""
        return isinstance(self.low, float) and self.low == -1.0 and self.high == 1.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"[{self.low}, {self.high}]"


def as_interval(low: "Interval | float | Sequence[Any]", high: Any = None) -> Interval:
    """An interval from itself, or from two bounds."""
    return low if isinstance(low, Interval) else Interval(low, high)


def _plain(bound: np.ndarray[Any, Any]) -> float | np.ndarray[Any, Any]:
    if bound.size and np.all(bound == bound.flat[0]):
        return float(bound.flat[0])
    return bound


def _factor(value: Any, like: torch.Tensor) -> Factor:
    if isinstance(value, float):
        return value
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)
