import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alf._config import literal
from alf.errors import UsageError
from alf.search.proposals import Trial, propose
from alf.search.space import Range

pytest.importorskip("optuna")

CURVED = {"A.lr": Range(1e-5, 1e-1, log=True), "A.x": Range(0.0, 1.0)}


def height(parameters):
    """At most 1, where lr is 1e-3 and x is 0.7."""
    away = (math.log10(parameters["A.lr"].value) + 3) ** 2
    return math.exp(-away - ((parameters["A.x"].value - 0.7) / 0.3) ** 2)


def search(space, kind, budget, seed, told=height):
    trials = []
    for _ in range(budget):
        parameters = propose(space, kind, trials, budget, seed)
        if parameters is None:
            break
        trials.append(Trial(parameters, told(parameters), True))
    return trials


@pytest.mark.parametrize("seed", range(4))
def test_tpe_comes_close_to_the_best(seed):
    """In 30 runs TPE finds 95 % of the optimum of two parameters."""
    assert 0.95 <= max(trial.value for trial in search(CURVED, "tpe", 30, seed))


def test_the_same_question_has_the_same_answer():
    """What is proposed depends on nothing but the seed and the trials, as after a restart."""
    trials = search(CURVED, "tpe", 14, 3)

    assert trials[13].parameters == propose(CURVED, "tpe", trials[:13], 14, 3)
    assert trials[13].parameters != propose(CURVED, "tpe", trials[:12], 14, 3)
    assert trials[0].parameters != propose(CURVED, "tpe", [], 14, 4)


def test_what_runs_and_what_failed_is_no_obstacle():
    """Combinations that still run, or have no return, are known and not proposed again."""
    trials = [
        Trial(t.parameters, None if k % 3 else t.value, k % 3 != 2)
        for k, t in enumerate(search(CURVED, "random", 15, 1))
    ]

    found = propose(CURVED, "tpe", trials, 20, 1)

    assert found is not None
    assert found not in [trial.parameters for trial in trials]


SMALL = {
    "A.n": Range(1, 3),
    "A.on": (literal(True), literal(False)),
    "A.p": Range(0.0, 1.0, step=0.5),
}


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_a_small_space_is_used_up(kind):
    """Nothing is proposed twice, and where all was proposed, there is nothing left."""
    trials = search(SMALL, kind, 30, 0, told=lambda parameters: parameters["A.n"].value)

    seen = {tuple(v.source for v in trial.parameters.values()) for trial in trials}
    assert 3 * 2 * 3 == len(trials) == len(seen)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), low=st.floats(1e-6, 1.0), factor=st.floats(1.001, 1e4))
def test_proposals_lie_in_their_range(seed, low, factor):
    """A number is never outside its range, however it is rounded, and reads back the same."""
    space = {"x": Range(low, low * factor, log=True), "n": Range(2, 9, step=3)}

    found = propose(space, "random", [], 5, seed)

    assert found is not None
    assert low <= found["x"].value <= low * factor
    assert found["n"].value in (2, 5, 8)
    assert found["x"].value == float(found["x"].source)


def test_without_optuna(monkeypatch):
    """Where Optuna is not installed, the message says how to install it."""
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(UsageError, match=r"pip install 'alf\[search\]'"):
        propose(CURVED, "tpe", [], 5, 0)
