import csv
import io
import json
import shlex

from rich.console import Console

from alf._config import literal
from alf.search.executor import Outcome
from alf.search.expansion import expand
from alf.search.journal import Journal
from alf.search.pace import last_summary
from alf.search.record import Submission, plain_runs
from alf.search.report import commands_for, report_results
from alf.search.results import collect, rank, read_result, shown_spread, write_results
from alf.search.spec import SearchSpec

RETURNS = {"0r0+x=1": 10.0, "0r1+x=1": 20.0, "1r0+x=2": 40.0, "1r1+x=2": 0.0, "2r0+x=3": None}


def search(tmp_path):
    """Five finished runs, one that failed, and two that wait, of four combinations."""
    spec = SearchSpec({"A.x": tuple(map(literal, (1, 2, 3, 4)))}, repeats=2)
    submission = Submission("c", "", {}, plain_runs(expand(spec)), True, seed=7)
    journal = Journal(tmp_path)
    for name, value in RETURNS.items():
        folder = tmp_path / name / "train"
        folder.mkdir(parents=True)
        data = {"average_return": value, "env_steps": 80, "steps_per_s": 5.5, "iterations": 2}
        (folder / "result.json").write_text(json.dumps(data))
        journal.add(name, Outcome("finished", 0, "", 1.0))
    for _ in range(2):
        journal.add("1r0+x=2", Outcome("lost", 137, "ended by SIGKILL", 1.0))
    journal.add("1r0+x=2", Outcome("finished", 0, "", 1.0))
    journal.add("2r1+x=3", Outcome("failed", 1, "ValueError: a, b", 1.0))
    return submission, collect(tmp_path, submission, journal)


def test_rank_by_hand(tmp_path):
    """Combinations are ranked by their mean return, those without one last."""
    ranked = rank(search(tmp_path)[1])

    # (40 + 0) / 2 = 20, deviations 20 and -20: sqrt(800 / 1) = 28.28; (10 + 20) / 2 = 15, 7.07
    assert [1, 0, 2, 3] == [combination.runs[0].run.index for combination in ranked]
    assert ["20.00 ± 28.28", "15.00 ± 7.07", "-", "-"] == [
        shown_spread(combination.mean, combination.std) for combination in ranked
    ]
    assert [2, 2, 1, 0] == [combination.finished for combination in ranked]
    assert ranked[0].best is not None
    assert "1r0+x=2" == ranked[0].best.run.name


def test_files_that_nest_without_end(tmp_path):
    """A job whose files are damaged has no result and no curve, and does not end the search."""
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "result.json").write_text("[" * 100_000)
    (tmp_path / "train" / "metrics.jsonl").write_text('{"iteration": 1}\n' + "[" * 9_000 + "\n")

    assert read_result(tmp_path) == {}
    assert last_summary(tmp_path) == {"iteration": 1}


def test_one_return_has_no_spread():
    """A single return is shown without a deviation."""
    assert "15.00" == shown_spread(15.0, None)


def test_csv(tmp_path):
    """One row a run, with its parameters, seed, result, and error."""
    path = write_results(tmp_path, ["A.x"], search(tmp_path)[1])

    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert 8 == len(rows)
    assert ("0r1+x=1", "0", "1", "8", "1", "finished", "20.0", "80", "0") == tuple(
        rows[1][key]
        for key in (
            "run",
            "index",
            "repeat",
            "seed",
            "A.x",
            "state",
            "average_return",
            "env_steps",
            "exit_code",
        )
    )
    assert ("failed", "1", "ValueError: a, b", "") == (
        rows[5]["state"],
        rows[5]["exit_code"],
        rows[5]["error"],
        rows[5]["average_return"],
    )
    assert ["1", "1", "3", "1"] == [row["tries"] for row in rows[:4]]
    assert ("waiting", "") == (rows[7]["state"], rows[7]["exit_code"])


def test_report(tmp_path):
    """The report holds the ranking, each failure with its log, and how to play the best."""
    text = io.StringIO()
    report_results(tmp_path, *search(tmp_path), Console(file=text, width=100))
    lines = text.getvalue().splitlines()

    assert lines[0].split() == ["return", "finished", "index", "x"]
    assert lines[1].split() == ["20.00", "±", "28.28", "2/2", "1", "2"]
    assert "FAILED    2r1+x=3: ValueError: a, b" in lines
    assert f"          log: {tmp_path / '2r1+x=3' / 'train.log'}" in text.getvalue().replace(
        "\n", ""
    )
    assert "left      2 of 8 runs are not finished" in lines
    assert "best      1r0+x=2: return 40.00" in lines
    assert "retried   1r0+x=2: 3 tries, now finished" in lines
    for command in commands_for(tmp_path / "1r0+x=2", []).values():
        assert command in text.getvalue()


def test_commands_can_be_pasted(tmp_path):
    """A folder with a space stays one argument; training gets a new folder and the same flags."""
    found = commands_for(tmp_path / "a b" / "0r0", ["--noforce_torch_deterministic"])

    assert str(tmp_path / "a b" / "0r0") == shlex.split(found["play"])[-1]
    assert [
        "--root_dir",
        str(tmp_path / "a b_best"),
        "--conf",
        str(tmp_path / "a b" / "0r0" / "alf_config.py"),
        "--noforce_torch_deterministic",
    ] == shlex.split(found["train"])[3:]
