import io
import json
import time
from dataclasses import dataclass

import pytest
from rich.console import Console

from alf._config import literal
from alf.search.executor import Outcome
from alf.search.expansion import Run
from alf.search.journal import Journal
from alf.search.pace import Pace, last_summary, pace_of
from alf.search.progress import SearchProgress, shown_time
from alf.search.record import Submission, plain_runs

RETURN = "Metrics/AverageReturn"


def write_metrics(run_dir, *rows, end="\n"):
    (run_dir / "train").mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows) + end
    (run_dir / "train" / "metrics.jsonl").write_text(text)


def test_last_summary(tmp_path):
    """The last whole line counts; one that is being written does not."""
    assert {} == last_summary(tmp_path)
    write_metrics(tmp_path, {"iteration": 1}, {"iteration": 2}, end='\n{"iter')

    assert {"iteration": 2} == last_summary(tmp_path)


def test_pace_by_hand(tmp_path):
    """Speed and time left are those between the first summary that was seen and the last."""
    pace = Pace(iterations=10)
    write_metrics(tmp_path, {"iteration": 1, "env_steps": 100})
    pace.update(tmp_path, now=10.0)
    first = pace.steps_per_s
    write_metrics(tmp_path, {"iteration": 3, "env_steps": 400, RETURN: 7.0})
    pace.update(tmp_path, now=12.0)
    pace.update(tmp_path, now=99.0)

    assert first is None
    assert (3, 400, 7.0, 150.0) == (  # (400 - 100) / (12 - 10)
        pace.iteration,
        pace.env_steps,
        pace.average_return,
        pace.steps_per_s,
    )
    assert pytest.approx(7.0) == pace.left_s  # 7 iterations at 2 in 2 s


def test_what_a_job_has_to_do():
    """A searched number of iterations is the job's own; steps come before iterations."""
    search = Submission("c", "", {}, [], True, iterations=100, env_steps=None)

    own = pace_of(search, run("a", "TrainerConfig.num_iterations", 7))
    steps = pace_of(search, run("a", "num_env_steps", 500))
    steps.env_steps, steps.iteration = 250, 1

    assert (7, 100) == (own.iterations, pace_of(search, run("a", "A.x", 3)).iterations)
    assert 0.5 == steps.fraction


def run(name, parameter="A.x", value=1):
    return Run(0, 0, name, {parameter: literal(value)})


@dataclass
class Jobs:
    """The jobs of a search."""

    submission: Submission


def plan(*names):
    runs = plain_runs([run(name) for name in names])
    return Jobs(Submission("c", "", {}, runs, True, iterations=10))


def test_a_line_an_event(tmp_path):
    """Away from a terminal each start and end is one line, and ends are counted and journaled."""
    lines = []
    journal = Journal(tmp_path)
    with SearchProgress(
        tmp_path, journal, plan("a", "b"), lines.append, Console(file=io.StringIO())
    ) as p:
        p.started("a", 1)
        p.tick(["a"])
        p.ended("a", Outcome("lost", 137, "ended by SIGKILL", 2.0))
        p.started("a", 2)
        p.ended("a", Outcome("finished", 0, "", 2.0))
        p.started("b", 1)
        p.ended("b", Outcome("failed", 1, "ValueError: x", 1.0))

    assert [
        "started   a",
        "lost      a: ended by SIGKILL; it is tried again",
        "started   a, try 2",
        "finished  a: return - in 2.0 s (1/2)",
        "started   b",
        "FAILED    b: ValueError: x (2/2)",
        f"          log: {tmp_path / 'b' / 'train.log'}",
    ] == lines
    assert ["finished", "failed"] == [outcome.state for outcome in journal.ended.values()]


def test_live_table(tmp_path):
    """On a terminal a table shows the state, return, speed and time left of each job."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=24)
    write_metrics(tmp_path / "b", {"iteration": 1, "env_steps": 100})
    progress = SearchProgress(
        tmp_path, Journal(tmp_path), plan("a", "b", "c"), lambda line: None, console
    )
    with progress as p:
        p.started("a", 1)
        p.ended("a", Outcome("failed", 1, "x", 1.0))
        p.started("b", 2)
        p.tick(["b"])
        began = time.monotonic() - 100.0
        p._paces["b"].first = (began, 0.1, 100)
        write_metrics(tmp_path / "b", {"iteration": 5, "env_steps": 1300, RETURN: 3.5})
        p._drawn_at = 0.0
        p.tick(["b"])

    shown = screen.getvalue()
    for words in ("1 failed", "1 running", "1 waiting", "steps/s", "left", "50%, try 2", "3.50"):
        assert words in shown
    assert " 12\x1b" in shown  # 1200 steps in 100 s
    assert "2:05" in shown  # half of it, at 0.4 in 100 s


def test_shown_time():
    """Times are shown as a clock shows them."""
    assert ["0:07", "12:30", "3:05:00"] == [shown_time(s) for s in (7.2, 750, 11100)]
