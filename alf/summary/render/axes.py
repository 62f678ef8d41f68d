"""Axes: ranges that hold for any data, ticks at round numbers, and their labels."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError

_LARGEST = 1e300
"""Values beyond are drawn at this one, so that the span of a range stays finite."""

_SMALLEST = 1e-290
"""Values nearer to 0 than this are drawn as 0: there are not enough numbers for ticks between."""

_FLAT = 1e-12
"""A range narrower than this part of its own size is noise of rounding, and drawn as one value."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        low: the value at its start.
        high: the value at its end, above `low`.
        ticks: the values that are marked.
        labels: one text a tick.
        title: what the axis measures; `""` for none.
        is_category: whether the ticks are things, each with a slot of width 1, and not values.
    """

    low: float
    high: float
    ticks: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    title: str = ""
    is_category: bool = False

    def fraction(self, values: NDArray | float) -> NDArray[np.float64]:
        """Where `values` lie between `low` (0) and `high` (1), cut off there; NaN stays NaN."""
        # Twice as fast as np.clip for the few values of most panels.
        clipped = np.minimum(np.maximum(np.asarray(values, np.float64), self.low), self.high)
        return (clipped - self.low) / (self.high - self.low)


def linear_axis(low: float, high: float, tick_count: int = 5, title: str = "") -> Axis:
    """An axis from `low` to `high` with about `tick_count` ticks at round numbers."""
    ticks, labels = _ticks(low, high, tick_count)
    return Axis(low, high, ticks, labels, title)


def end_axis(low: float, high: float, title: str = "") -> Axis:
    """An axis with ticks at its ends, and at 0 where that is well between: for little room."""
    step = _step(low, high, 5)
    size = max(abs(low), abs(high))
    ticks = [low, high]
    if low < 0 < high and 0.2 < -low / (high - low) < 0.8:
        ticks.insert(1, 0.0)
    return Axis(low, high, tuple(ticks), tuple(_label(x, step, size) for x in ticks), title)


def category_axis(labels: Sequence[str], title: str = "") -> Axis:
    """An axis with one slot of width 1 for each label, the first around 0."""
    count = len(labels)
    ticks = tuple(float(i) for i in range(count))
    return Axis(-0.5, max(count, 1) - 0.5, ticks, tuple(labels), title, is_category=True)


def value_range(
    values: NDArray, fixed: Sequence[float] | None = None, include: Sequence[float] = ()
) -> tuple[float, float]:
    """A range `(low, high)`, `low < high`, both finite, that holds the finite ones of `values`.

    Args:
        values: any numbers in any shape; may be empty.
        fixed: the range that was asked for, or `None`. It is taken as it is, and widened only if it
            is one point.
        include: values that the range holds in any case, as 0 for bars.

    Raises:
        RenderError: if `fixed` is not two finite numbers in rising order.
    """
    if fixed is not None:
        low, high = (float(x) for x in fixed)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise RenderError(
                f"A range is two finite numbers, the lower one first, but ({low}, {high}) was "
                f"given. Leave it out to take the range of the data."
            )
    else:
        values = np.asarray(values, np.float64).reshape(-1)
        values = values[np.isfinite(values)]
        values = np.concatenate([values, np.asarray(include, np.float64)])
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    low, high = max(low, -_LARGEST), min(high, _LARGEST)
    size = max(abs(low), abs(high))
    if high - low <= max(size * _FLAT, _SMALLEST):
        half = 0.5 * size if size > _SMALLEST else 0.5
        low, high = low - half, high + half
    return low, high


def places_in(values: NDArray, low: float, high: float) -> NDArray[np.float64]:
    """Where values lie in a range, from 0 at its low end or below to 1. NaN stays."""
    return (np.clip(values, low, high) - low) / (high - low)  # clipped first, it cannot overflow


def rounded_range(low: float, high: float, tick_count: int = 5) -> tuple[float, float]:
    """The range widened to whole ticks, so that it stays when data move a little."""
    step = _step(low, high, tick_count)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


class GrowingRange:
    """The range of values that come one after the other: it grows by large, round steps.

    While nothing leaves it, it stays; when something does, its span becomes 1, 2 or 5 times a power
    of ten, or a little more where its ends are rounded. So an axis jumps a few times in an episode
    and stands still otherwise.

    Args:
        low: where it begins, or `None` for the first values.
        high: likewise; both or none.
        symmetric: whether zero stays in the middle.
    """

    def __init__(
        self, low: float | None = None, high: float | None = None, symmetric: bool = False
    ):
        self._ends = None if low is None or high is None else (low, high)
        self._symmetric = symmetric

    @property
    def ends(self) -> tuple[float, float]:
        """The range; (0, 1) before there is a finite value."""
        return self._ends or (0.0, 1.0)

    def include(self, values: NDArray | float) -> tuple[float, float]:
        """Take in values; those that are not finite do not count.

        Returns:
            `ends`.
        """
        values = np.asarray(values, np.float64).reshape(-1)
        values = np.clip(values[np.isfinite(values)], -_LARGEST, _LARGEST)
        if values.size:
            least, most = float(values.min()), float(values.max())
            if self._symmetric:
                most = max(abs(least), abs(most))
                least = -most
            if self._ends is None:
                # Zeros alone say nothing of how large the others will be.
                if least != 0 or most != 0:
                    self._ends = self._started(least, most)
            elif least < self._ends[0] or most > self._ends[1]:
                self._ends = self._grown(least, most)
        return self.ends

    def _started(self, least: float, most: float) -> tuple[float, float]:
        low, high = value_range(np.array([least, most]))
        room = 0.25 * (high - low)
        # No room is needed beyond 0, where nothing is yet.
        low = max(low - room, 0.0) if least >= 0 else low - room
        high = min(high + room, 0.0) if most <= 0 else high + room
        return rounded_range(low, high)

    def _grown(self, least: float, most: float) -> tuple[float, float]:
        old_low, old_high = low, high = self.ends
        if most > high:
            high = low + _step(low, most, 1)
        if least < low:
            low = high - _step(least, high, 1)
        if self._symmetric:
            high = max(-low, high)
            return -high, high
        low, high = rounded_range(low, high)
        # An end that is small beside the other one is lost in rounding: one step further holds it.
        step = _step(low, high, 5)
        low = low if low <= min(old_low, least) else low - step
        return low, high if high >= max(old_high, most) else high + step


def _step(low: float, high: float, count: int) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that makes at most `count` steps."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5):
        if factor * power >= rough * (1 - 1e-9):
            return factor * power
    return 10 * power


@functools.lru_cache(maxsize=512)
def _ticks(low: float, high: float, count: int) -> tuple[tuple[float, ...], tuple[str, ...]]:
    step = _step(low, high, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(min(max(i * step, low), high) for i in range(first, last + 1))
    return ticks, tuple(
        _label(i * step, step, max(abs(low), abs(high))) for i in range(first, last + 1)
    )


def _label(value: float, step: float, size: float) -> str:
    """`value` with the digits that tell it from the next one, `step` away, on an axis to `size`."""
    if 1e-3 <= size < 1e5:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        return f"{value or 0.0:.{min(decimals, 12)}f}"
    return short_scientific(value, step)


def short_scientific(value: float, step: float) -> str:
    """`value` as `1.5e30`, with as many digits as a difference of `step` needs."""
    if value == 0:
        return "0"
    digits = max(0, math.floor(math.log10(abs(value)) + 1e-9) - math.floor(math.log10(step) + 1e-9))
    mantissa, exponent = f"{value:.{min(digits, 12)}e}".split("e")
    return f"{mantissa}e{int(exponent)}"
