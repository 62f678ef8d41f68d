"""The values of an episode are kept in bounded memory, and their peaks stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf.player.history import History


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400))
def test_bounded_and_true(values):
    """However many values come: few are kept, all true, in order, with the extremes."""
    history = History(limit=16)
    for step, value in enumerate(values):
        history.append(step, value)

    assert len(history.values) <= 16
    assert (np.diff(history.steps) > 0).all()
    assert history.steps[-1] == len(values) - 1
    assert [values[int(step)] for step in history.steps] == history.values.tolist()
    assert history.values.max() == max(values)
    assert history.values.min() == min(values)


def test_a_missing_value_stays_missing():
    """NaN is kept as a gap while there is room."""
    history = History()
    history.append(0, float("nan"))
    history.append(1, 2.0)

    assert history.values == pytest.approx([np.nan, 2.0], nan_ok=True)
