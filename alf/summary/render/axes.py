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
        clipped = np.clip(np.asarray(values, np.float64), self.low, self.high)
        return (clipped - self.low) / (self.high - self.low)


def linear_axis(low: float, high: float, tick_count: int = 5, title: str = "") -> Axis:
    """An axis from `low` to `high` with about `tick_count` ticks at round numbers."""
    ticks, labels = _ticks(low, high, tick_count)
    return Axis(low, high, ticks, labels, title)


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
    if high - low <= size * _FLAT:
        half = 0.5 * size or 0.5
        low, high = low - half, high + half
    return low, high


def rounded_range(low: float, high: float, tick_count: int = 5) -> tuple[float, float]:
    """The range widened to whole ticks, so that it stays when data move a little."""
    step = _step(low, high, tick_count)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


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
