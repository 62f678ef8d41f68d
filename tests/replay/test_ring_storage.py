"""Copying records from all over a buffer; compiled and vectorised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.replay import ring_storage
from alf.replay.ring_storage import gather_vectorised

COMPILED = ring_storage._gather is not gather_vectorised


@settings(max_examples=60, deadline=None)
@given(
    num_records=st.integers(1, 50),
    num_words=st.integers(1, 40),
    length=st.integers(0, 4),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.skipif(not COMPILED, reason="the loop was not compiled when alf was installed")
def test_compiled_loop_copies_the_same(num_records, num_words, length, seed):
    """Records of any size, from slots that go round once."""
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 2**40, (num_records, num_words))
    slots = rng.integers(0, 2 * num_records, (length, 7))
    expected, actual = (np.full((length, 7, num_words), -1) for _ in range(2))
    gather_vectorised(records, slots, expected)
    ring_storage._gather(records, slots, actual)

    assert (expected == actual).all()
    assert (records[slots % num_records] == actual).all()


@pytest.mark.skipif(not COMPILED, reason="the loop was not compiled when alf was installed")
def test_compiled_loop_looks_at_its_arguments():
    """No memory but the buffer is read, and none but the target is written."""
    records, out = np.zeros((5, 3), np.int64), np.zeros((2, 3), np.int64)
    for slots, target, error in (
        (np.array([0, 10]), out, IndexError),
        (np.array([-1, 0]), out, IndexError),
        (np.array([0, 1, 2]), out, ValueError),
        (np.array([0, 1], np.int32), out, TypeError),
        (np.array([0, 1]), out[:, :2], ValueError),
    ):
        with pytest.raises(error):
            ring_storage._gather(records, slots, target)
    with pytest.raises(TypeError):
        ring_storage._gather(records[0], np.array([0, 1]), out)
