"""The sum tree, against plain cumulative sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.replay.sum_tree import SumTree


@settings(max_examples=80, deadline=None)
@given(
    capacity=st.sampled_from([1, 5, 32, 33, 1000, 70_000]),
    seed=st.integers(0, 2**32 - 1),
    num_changes=st.integers(1, 4),
)
def test_finds_what_cumulative_sums_find(capacity, seed, num_changes):
    """Each point of the line belongs to the index whose part it lies in."""
    rng = np.random.default_rng(seed)
    tree, masses = SumTree(capacity), np.zeros(capacity)
    for _ in range(num_changes):
        # Multiples of 1/64 add up without rounding, so both must agree to the bit.
        size = int(rng.integers(1, min(capacity, 300) + 1))
        values = rng.integers(0, 100, size) / 64
        if rng.random() < 0.5:
            start = int(rng.integers(0, capacity - size + 1))
            tree.assign_range(start, values)
            masses[start : start + size] = values
        else:
            indices = rng.integers(0, capacity, size)
            indices, first = np.unique(indices, return_index=True)
            tree.assign(indices, values[first])
            masses[indices] = values[first]
    total = masses.sum()

    assert total == tree.total
    assert (masses == tree.masses).all()
    if total:
        targets = np.sort(rng.integers(0, int(total * 64), 50) / 64)
        found, found_masses = tree.find(targets)
        assert (found == masses.cumsum().searchsorted(targets, side="right")).all()
        assert (found_masses == masses[found]).all()


def test_last_assignment_counts():
    """Where an index repeats, its last mass is kept, in every level."""
    tree = SumTree(100)
    tree.assign(np.array([7, 7, 50]), np.array([1.0, 2.0, 3.0]))

    assert 5.0 == tree.total
    assert 2.0 == tree.masses[7]


def test_rounding_never_leads_to_nothing():
    """Targets at and beyond the total belong to an index that has a mass."""
    tree = SumTree(5000)
    rng = np.random.default_rng(0)
    tree.assign_range(100, rng.random(40) * 1e-3)
    tree.assign_range(3000, rng.random(7) * 1e9)
    targets = np.array([0.0, tree.total, np.nextafter(tree.total, np.inf), tree.total * 2])

    found, masses = tree.find(targets)

    assert (masses > 0).all()
    assert 100 == found[0]
    assert ((found[1:] >= 3000) & (found[1:] < 3007)).all()


@settings(max_examples=40, deadline=None)
@given(capacity=st.sampled_from([40, 1100, 70_000]), seed=st.integers(0, 2**32 - 1))
def test_rounding_moves_points_a_little(capacity, seed):
    """Masses of any size: a point is found within a millionth, and never where there is no mass."""
    rng = np.random.default_rng(seed)
    masses = np.exp(rng.normal(0, 6, capacity)).astype(np.float32)
    masses[rng.random(capacity) < 0.7] = 0.0
    masses[rng.integers(capacity)] = 1.0
    tree = SumTree(capacity)
    tree.assign_range(0, masses)
    ends = masses.cumsum(dtype=np.float64)
    targets = np.sort(rng.random(300)) * tree.total

    found, found_masses = tree.find(targets)

    margin = 1e-6 * tree.total
    assert tree.total == pytest.approx(ends[-1], rel=1e-6)
    assert (found_masses > 0).all()
    assert (found_masses == masses[found]).all()
    assert (ends[found] + margin >= targets).all()
    assert (ends[found] - found_masses - margin <= targets).all()


@pytest.mark.parametrize("capacity", [64, 70_000])
def test_history_does_not_matter(capacity):
    """A tree is the same, bit by bit, however its masses came into it."""
    rng = np.random.default_rng(1)
    masses = rng.random(capacity)
    one, two = SumTree(capacity), SumTree(capacity)
    one.assign_range(0, masses)
    for indices in np.array_split(rng.permutation(capacity), 9):
        two.assign(indices, rng.random(len(indices)))
        two.assign(indices, masses[indices])
    targets = rng.random(1000) * one.total

    assert one.total == two.total
    assert (one.find(targets)[0] == two.find(targets)[0]).all()
