"""Ranges, ticks and labels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf.errors import RenderError
from alf.summary.render.axes import category_axis, linear_axis, rounded_range, value_range

numbers = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-1, 1, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0, 100, ["0", "20", "40", "60", "80", "100"]),
        (0.3, 2.2, ["0.5", "1.0", "1.5", "2.0"]),
        (0, 2e-12, ["0", "5e-13", "1.0e-12", "1.5e-12", "2.0e-12"]),
        (-1e30, 1e30, ["-1.0e30", "-5e29", "0", "5e29", "1.0e30"]),
        (1000, 1000.5, ["1000.0", "1000.1", "1000.2", "1000.3", "1000.4", "1000.5"]),
    ],
)
def test_ticks_are_round(low, high, labels):
    """Ticks stand at round numbers, labelled with the digits that tell them apart."""
    assert labels == list(linear_axis(low, high).labels)


@given(st.lists(numbers, max_size=8))
def test_any_data_have_an_axis(values):
    """Whatever the data, the range is finite and not empty, and ticks lie in it, in order."""
    low, high = value_range(np.array(values))
    axis = linear_axis(low, high)

    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
    assert all(low <= tick <= high for tick in axis.ticks)
    assert list(axis.ticks) == sorted(axis.ticks)
    assert len(axis.ticks) == len(axis.labels) <= 7
    assert all(len(label) <= 20 for label in axis.labels)
    for value in values:
        if math.isfinite(value) and abs(value) < 1e300:
            assert low <= value <= high


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_rounding_widens(a, b):
    """A rounded range holds the range that it was made of, up to the rounding of floats."""
    low, high = value_range(np.array([a, b]))
    rounded_low, rounded_high = rounded_range(low, high)
    slack = 1e-6 * (high - low)

    assert rounded_low <= low + slack
    assert rounded_high >= high - slack
    assert rounded_high - rounded_low <= 3 * (high - low)


def test_fixed_range_stays():
    """A range that was asked for is taken as it is, whatever the data are."""
    assert value_range(np.array([5.0, math.nan]), (0, 1)) == (0.0, 1.0)


@pytest.mark.parametrize("fixed", [(1, 0), (0, math.nan), (-math.inf, 0)])
def test_wrong_range_is_refused(fixed):
    """A range that is none is refused."""
    with pytest.raises(RenderError, match="lower one first"):
        value_range(np.array([0.0]), fixed)


def test_fractions_are_cut_off():
    """Values are placed linearly and cut off at the ends; NaN stays NaN."""
    placed = linear_axis(-1, 3).fraction(np.array([-1, 0, 3, 9, -math.inf, math.nan]))

    np.testing.assert_array_equal(placed, [0, 0.25, 1, 1, 0, math.nan])


def test_categories_have_slots():
    """The middle of slot i of n lies at (i + 1/2) / n."""
    axis = category_axis(["a", "b", "c", "d"])

    np.testing.assert_allclose(axis.fraction(np.arange(4.0)), [1 / 8, 3 / 8, 5 / 8, 7 / 8])
