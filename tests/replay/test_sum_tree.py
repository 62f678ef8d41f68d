"""The sum tree, against plain cumulative sums; compiled and vectorised."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alf.replay import _sum_tree_numpy, sum_tree
from alf.replay.sum_tree import SumTree

COMPILED = sum_tree.loops is not _sum_tree_numpy
PYTHON_H = Path(sysconfig.get_path("include")) / "Python.h"
# One fixture for all examples of a property: it chooses the loops, and nothing changes it.
SAME_LOOPS = [HealthCheck.function_scoped_fixture]


@pytest.fixture(params=["compiled", "vectorised"])
def loops(request, monkeypatch):
    """Both ways that a tree computes."""
    if request.param == "vectorised":
        monkeypatch.setattr(sum_tree, "loops", _sum_tree_numpy)
    elif not COMPILED:
        pytest.skip("the loops were not compiled when alf was installed")
    return sum_tree.loops


@settings(max_examples=60, deadline=None, suppress_health_check=SAME_LOOPS)
@given(
    capacity=st.sampled_from([1, 5, 32, 33, 1000, 70_000]),
    seed=st.integers(0, 2**32 - 1),
    num_changes=st.integers(1, 4),
)
def test_finds_what_cumulative_sums_find(loops, capacity, seed, num_changes):
    """Each point of the line belongs to the index whose part it lies in."""
    rng = np.random.default_rng(seed)
    tree, masses = SumTree(capacity), np.zeros(capacity)
    for _ in range(num_changes):
        # Whole numbers add up without rounding, so both must agree to the bit.
        size = int(rng.integers(1, min(capacity, 300) + 1))
        values = rng.integers(0, 100, size).astype(np.float32)
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

    assert tree.total == total
    assert (masses == tree.masses).all()
    if total:
        points = rng.integers(0, 2, 64) / 2
        targets = (np.arange(64) + points) * (total / 64)
        found, found_masses = tree.draw(points, 1.0)
        assert (found == masses.cumsum().searchsorted(targets, side="right")).all()
        assert (found_masses == masses[found]).all()


def test_last_assignment_counts(loops):
    """Where an index repeats, its last mass is kept, in every level."""
    tree = SumTree(100)
    tree.assign(np.array([7, 7, 50]), np.array([1, 2, 3], np.float32))

    assert 5.0 == tree.total
    assert 2.0 == tree.masses[7]


@pytest.mark.parametrize("capacity", [5000, 70_000])
def test_rounding_never_leads_to_nothing(loops, capacity):
    """Targets at and beyond the total belong to an index that has a mass."""
    tree = SumTree(capacity)
    rng = np.random.default_rng(0)
    tree.assign_range(100, rng.random(40, np.float32) * np.float32(1e-3))
    tree.assign_range(3000, rng.random(7, np.float32) * np.float32(1e9))
    points = [0.0, 1.0, np.nextafter(1.0, 2.0), 2.0]
    drawn = [tree.draw(np.array([point]), 1.0) for point in points]
    found = np.concatenate([each[0] for each in drawn])
    masses = np.concatenate([each[1] for each in drawn])

    assert (masses > 0).all()
    assert (masses == tree.masses[found]).all()
    assert 100 == found[0]
    assert ((found[1:] >= 3000) & (found[1:] < 3007)).all()


@settings(max_examples=30, deadline=None, suppress_health_check=SAME_LOOPS)
@given(capacity=st.sampled_from([40, 1100, 70_000]), seed=st.integers(0, 2**32 - 1))
def test_rounding_moves_points_a_little(loops, capacity, seed):
    """Masses of any size: a point is found within a millionth, and never where there is no mass."""
    rng = np.random.default_rng(seed)
    masses = np.exp(rng.normal(0, 6, capacity)).astype(np.float32)
    masses[rng.random(capacity) < 0.7] = 0.0
    masses[rng.integers(capacity)] = 1.0
    tree = SumTree(capacity)
    tree.assign_range(0, masses)
    ends = masses.cumsum(dtype=np.float64)
    points = rng.random(300)
    targets = (np.arange(300) + points) * (tree.total / 300)

    found, found_masses = tree.draw(points, 1.0)

    margin = 1e-6 * tree.total
    assert tree.total == pytest.approx(ends[-1], rel=1e-6)
    assert (found_masses > 0).all()
    assert (found_masses == masses[found]).all()
    assert (ends[found] + margin >= targets).all()
    assert (ends[found] - found_masses - margin <= targets).all()


@pytest.mark.parametrize("capacity", [64, 70_000])
def test_history_does_not_matter(loops, capacity):
    """A tree is the same, bit by bit, however its masses came into it."""
    rng = np.random.default_rng(1)
    masses = rng.random(capacity, np.float32)
    one, two = SumTree(capacity), SumTree(capacity)
    one.assign_range(0, masses)
    for indices in np.array_split(rng.permutation(capacity), 9):
        two.assign(indices, rng.random(len(indices), np.float32))
        two.assign(indices, masses[indices])
    points = rng.random(1000)

    assert one.total == two.total
    assert (one.draw(points.copy())[0] == two.draw(points.copy())[0]).all()


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.sampled_from([1, 40, 1100, 70_000]),
    seed=st.integers(0, 2**32 - 1),
    ascending=st.booleans(),
)
@pytest.mark.skipif(not COMPILED, reason="the loops were not compiled when alf was installed")
def test_compiled_loops_give_the_same_bits(capacity, seed, ascending):
    """Both ways leave equal arrays, and find equal indices, also beyond the end."""
    rng = np.random.default_rng(seed)
    trees = [SumTree(capacity), SumTree(capacity)]
    size = int(rng.integers(1, min(capacity, 2000) + 1))
    start = int(rng.integers(0, capacity - size + 1))
    values = np.exp(rng.normal(0, 6, size)).astype(np.float32)
    values[rng.random(size) < 0.3] = 0.0
    indices = rng.integers(0, capacity, size)
    # Points of parts lie in [0, 1); others, out of order and beyond the end, must do no harm.
    points = rng.random(100) if ascending else rng.uniform(0, 150, 100)
    answers = []
    unit = float(rng.integers(0, 2) * 3.7)
    for tree, loops in zip(trees, (sum_tree.loops, _sum_tree_numpy), strict=True):
        arrays = tree._arrays
        loops.assign_range(arrays, start, values)
        loops.assign(arrays, indices, values)
        total = loops.accumulate(arrays)
        found, masses = np.empty(100, np.int64), np.empty(100, np.float32)
        positive = loops.draw(arrays, points.copy(), unit, found, masses)
        answers.append((total, positive, found.tolist(), masses.tolist()))

    assert answers[0] == answers[1]
    for one, other in zip(trees[0]._arrays, trees[1]._arrays, strict=True):
        assert one.tobytes() == other.tobytes()


def test_masses_are_told_in_units(loops):
    """Those of the smallest that was found, or of what was asked for."""
    tree = SumTree(4)
    tree.assign_range(0, np.array([0, 2, 6, 4], np.float32))

    # Of the line of 12, the points 1.5, 4.5, 7.5 and 10.5 are drawn.
    for unit, expected in ((0.0, [1, 3, 3, 2]), (4.0, [0.5, 1.5, 1.5, 1])):
        found, masses = tree.draw(np.full(4, 0.5), unit)
        assert [1, 2, 2, 3] == found.tolist()
        assert expected == masses.tolist()


def test_wrong_places_are_refused(loops):
    """No index outside of the tree is read or written, and no array of another kind."""
    tree = SumTree(100)
    mass = np.ones(1, np.float32)
    for index in (-1, 128, 2**40):
        with pytest.raises(IndexError):
            tree.assign(np.array([index]), mass)
        with pytest.raises(IndexError):
            tree.assign_range(index, mass)

    assert 0.0 == tree.total


@pytest.mark.skipif(not COMPILED, reason="the loops were not compiled when alf was installed")
def test_the_compiled_loops_look_at_their_arrays():
    """Another dtype, length or number of arrays is an error, not memory read as something else."""
    loops, tree = sum_tree.loops, SumTree(100)
    arrays = tree._arrays
    found, masses = np.empty(2, np.int64), np.empty(2, np.float32)
    for wrong in (
        lambda: loops.assign(arrays, np.zeros(2, np.int32), masses),
        lambda: loops.assign(arrays, found, masses.astype(np.float64)),
        lambda: loops.assign(arrays, np.zeros(2, np.int64), masses[:1]),
        lambda: loops.assign_range(arrays[:3], 0, masses),
        lambda: loops.accumulate(list(arrays)),
        lambda: loops.draw(arrays, np.zeros(3), 1.0, found, masses),
        lambda: loops.draw(arrays, np.zeros(4)[::2], 1.0, found, masses),
    ):
        with pytest.raises((TypeError, ValueError)):
            wrong()


@pytest.mark.skipif(
    not (PYTHON_H.is_file() and which("cc")), reason="there is no C compiler, or no Python.h"
)
def test_loops_are_compiled_where_they_can_be():
    """An installation beside a compiler uses it."""
    assert COMPILED


def test_a_copy_without_the_compiled_loops_works():
    """What is captured without them, or on another kind of machine, falls back by itself."""
    program = (
        "import sys; sys.modules['alf.replay._sum_tree_compiled'] = None\n"
        "from alf.replay import sum_tree, _sum_tree_numpy\n"
        "print(sum_tree.loops is _sum_tree_numpy)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "True" == ran.stdout.strip()
