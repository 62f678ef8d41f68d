import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alf._config import literal
from alf._config.overrides import equal
from alf.errors import RootDirError
from alf.search.executor import Outcome
from alf.search.expansion import expand
from alf.search.journal import JOURNAL_FILE, Journal
from alf.search.record import (
    RECORD_FILE,
    Submission,
    differences,
    extended,
    plain_runs,
    read_submission,
    with_resources,
    write_submission,
)
from alf.search.spec import SearchSpec

DONE = Outcome("finished", 0, "", 1.5)


def submission(parameters=None, repeats=2, **others):
    spec = SearchSpec(parameters or {"A.x": (literal(1), literal(2))}, repeats=repeats)
    given = {
        "repeats": repeats,
        "conf": "/c_conf.py",
        "conf_source": "import alf\n",
        "overrides": {"B.y": "3"},
        "runs": plain_runs(expand(spec)),
        "store_snapshot": True,
        **others,
    }
    return Submission(**given)


def test_round_trip(tmp_path):
    """What is written reads back equal."""
    written = submission(seed=5, gpus=[0], flags=["--x=1"], packages=["alf"])

    write_submission(tmp_path, written)

    back = read_submission(tmp_path)

    assert back is not None
    assert json.dumps(asdict(written)) == json.dumps(asdict(back))
    assert [RECORD_FILE] == [path.name for path in tmp_path.iterdir()]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.tuples(inner),
    max_leaves=4,
)


@settings(deadline=None)
@given(given_values=st.lists(values.map(literal), min_size=1, max_size=3))
def test_values_come_back(given_values):
    """Searched values survive JSON with their types, `nan`, tuples and lone surrogates included."""
    unique = {value.source: value for value in given_values}
    written = submission({"A.x": tuple(unique.values())}, repeats=1)

    back = Submission(**json.loads(json.dumps(asdict(written))))

    found = [run.parameters["A.x"].value for run in back.expanded()]
    assert len(unique) == len(found)
    assert all(equal(value.value, seen) for value, seen in zip(unique.values(), found, strict=True))


def test_overrides_and_seeds():
    """A searched value wins over all, and each repeat has the next seed."""
    search = submission(overrides={"TrainerConfig.random_seed": "99", "B.y": "3"}, seed=7)
    runs = search.expanded()

    plain = {name: value.value for name, value in search.overrides_of(runs[1]).items()}

    assert {"B.y": 3, "A.x": 1, "TrainerConfig.random_seed": 8} == plain
    assert [7, 8, 7, 8] == [search.seed_of(run) for run in runs]


def test_searched_seed_stays():
    """A searched seed is used as it is."""
    search = submission({"random_seed": (literal(4), literal(5))}, repeats=1, seed=None)

    assert [4, 5] == [search.seed_of(run) for run in search.expanded()]


def test_differences():
    """What makes it another search is named; how it is run is no difference."""
    old = submission()

    assert [] == differences(old, submission(workers=9, desc="other", flags=["--a=b"], gpus=[1]))
    assert "the conf" in differences(old, replace(old, conf_source="x"))[0]
    assert "B.y=3" in differences(old, replace(old, overrides={}))[0]
    assert "'0r1+x=1'" in differences(old, submission(repeats=1))[0]
    other = submission({"A.x": (literal(1), literal(3))})
    assert "'1r0+x=2'" in differences(old, other)[0]
    assert "--store_snapshot" in differences(old, replace(old, store_snapshot=False))[0]


def test_more_of_the_same():
    """A grid with more values or repeats is the same search; what was there keeps its place."""
    old = submission({"A.x": (literal(1), literal(2))}, repeats=1)
    more = submission({"A.x": (literal(0), literal(1), literal(2))}, repeats=2)

    assert [] == differences(old, more)

    assert ["0r0+x=1", "1r0+x=2", "2r0+x=0", "2r1+x=0", "0r1+x=1", "1r1+x=2"] == [
        run.name for run in extended(old, more).expanded()
    ]
    assert [run["name"] for run in old.runs] == [r["name"] for r in extended(old, old).runs]


def test_a_budget_may_be_raised():
    """Where jobs are proposed, the budget may grow; the space and the repeats stay."""
    space = {"A.x": {"low": 0.0, "high": 1.0}}
    old = submission(runs=[], search="tpe", space=space, budget=5)

    assert [] == differences(old, replace(old, budget=9))
    assert 9 == extended(old, replace(old, budget=9)).budget
    assert "budget of 5" in differences(old, replace(old, budget=4))[0]
    assert "budget of 5" in differences(old, replace(old, repeats=3))[0]
    assert '"high": 1.0' in differences(old, replace(old, space={"A.x": {"low": 0, "high": 1}}))[0]
    assert '"search" is "tpe"' in differences(old, replace(old, search="random"))[0]


def test_a_search_of_the_first_version(tmp_path):
    """A record without the fields of today is read; its repeats are counted."""
    data = asdict(submission(repeats=3))
    new = ("search", "space", "budget", "repeats", "sampling_seed", "iterations", "env_steps")
    text = json.dumps({"version": 1, **{k: v for k, v in data.items() if k not in new}})
    (tmp_path / RECORD_FILE).write_text(text)

    found = read_submission(tmp_path)

    assert found is not None
    assert (3, "grid", 6, ["A.x"]) == (found.repeats, found.search, found.total, found.names)


def test_resources_may_change():
    """Going on takes today's workers and flags, and the seed and code of then."""
    old = submission(seed=3, snapshot_id="abc")

    both = with_resources(old, submission(workers=9, flags=["--a=b"]))

    assert (3, "abc", 9, ["--a=b"]) == (both.seed, both.snapshot_id, both.workers, both.flags)


def test_no_search_and_damaged_search(tmp_path):
    """No record is no search; a damaged or newer one is never taken for none."""
    assert read_submission(tmp_path / "none") is None
    for text in ("{", "[]", "[" * 100_000, '{"version": 1}', '{"version": 1, "surprise": 2}'):
        (tmp_path / RECORD_FILE).write_text(text)
        with pytest.raises(RootDirError, match="no record of a search"):
            read_submission(tmp_path)
    (tmp_path / RECORD_FILE).write_text('{"version": 3}')
    with pytest.raises(RootDirError, match="version 3"):
        read_submission(tmp_path)


def finish(root, name):
    (root / name / "train").mkdir(parents=True)
    (root / name / "train" / "result.json").write_text("{}")


def test_journal(tmp_path):
    """The last line about a job counts, also after half a line that a crash left."""
    journal = Journal(tmp_path)
    journal.load()
    journal.add("a", Outcome("failed", 1, "ValueError: é", 0.5))
    with (tmp_path / JOURNAL_FILE).open("a") as file:
        file.write('{"run": "b", "sta')
    journal.add("a", DONE)
    finish(tmp_path, "a")
    again = Journal(tmp_path)

    again.load()

    assert {"a": DONE} == again.ended
    assert again.is_finished("a")
    assert {} == again.losses
    again.add("a", Outcome("lost", 137, "ended by SIGKILL", 1.0))
    again.load()
    assert {"a": 1} == again.losses
    assert 4 == len((tmp_path / JOURNAL_FILE).read_text().splitlines())


def test_a_removed_folder_is_not_finished(tmp_path):
    """A job whose folder was removed is trained again."""
    journal = Journal(tmp_path)
    journal.add("a", DONE)

    assert not journal.is_finished("a")
    assert not math.isnan(journal.ended["a"].seconds)
