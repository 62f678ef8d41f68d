import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf._config import literal
from alf._config.overrides import equal
from alf.errors import RootDirError
from alf.search.executor import Outcome
from alf.search.expansion import expand
from alf.search.record import (
    JOURNAL_FILE,
    RECORD_FILE,
    Journal,
    Submission,
    differences,
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
    assert "4 runs, not 6" in differences(old, submission(repeats=3))[0]
    other = submission({"A.x": (literal(1), literal(3))})
    assert "'1r0+x=2'" in differences(old, other)[0]
    assert "--store_snapshot" in differences(old, replace(old, store_snapshot=False))[0]


def test_resources_may_change():
    """Going on takes today's workers and flags, and the seed and code of then."""
    old = submission(seed=3, snapshot_id="abc")

    both = with_resources(old, submission(workers=9, flags=["--a=b"]))

    assert (3, "abc", 9, ["--a=b"]) == (both.seed, both.snapshot_id, both.workers, both.flags)


def test_no_search_and_damaged_search(tmp_path):
    """No record is no search; a damaged or newer one is never taken for none."""
    assert read_submission(tmp_path / "none") is None
    for text in ("{", "[]", '{"version": 1}', '{"version": 1, "surprise": 2}'):
        (tmp_path / RECORD_FILE).write_text(text)
        with pytest.raises(RootDirError, match="no record of a search"):
            read_submission(tmp_path)
    (tmp_path / RECORD_FILE).write_text('{"version": 2}')
    with pytest.raises(RootDirError, match="version 2"):
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
    assert 3 == len((tmp_path / JOURNAL_FILE).read_text().splitlines())


def test_a_removed_folder_is_not_finished(tmp_path):
    """A job whose folder was removed is trained again."""
    journal = Journal(tmp_path)
    journal.add("a", DONE)

    assert not journal.is_finished("a")
    assert not math.isnan(journal.ended["a"].seconds)
