import io
import json

from rich.console import Console

from alf.search.executor import Outcome
from alf.search.progress import Pace, SearchProgress, last_summary
from alf.search.record import Journal


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
    """Steps a second are those between two summaries over the time between them."""
    pace = Pace()
    write_metrics(tmp_path, {"iteration": 1, "env_steps": 100})
    pace.update(tmp_path, now=10.0)
    first = pace.steps_per_s
    write_metrics(tmp_path, {"iteration": 3, "env_steps": 400, "rollout/average_return": 7.0})
    pace.update(tmp_path, now=12.0)
    pace.update(tmp_path, now=99.0)

    assert first is None
    assert (3, 400, 7.0, 150.0) == (  # (400 - 100) / (12 - 10)
        pace.iteration,
        pace.env_steps,
        pace.average_return,
        pace.steps_per_s,
    )


def test_a_line_an_event(tmp_path):
    """Away from a terminal each start and end is one line, and ends are counted and journaled."""
    lines = []
    journal = Journal(tmp_path)
    with SearchProgress(
        tmp_path, journal, ["a", "b"], lines.append, Console(file=io.StringIO())
    ) as p:
        p.started("a")
        p.tick(["a"])
        p.ended("a", Outcome("finished", 0, "", 2.0))
        p.started("b")
        p.ended("b", Outcome("failed", 1, "ValueError: x", 1.0))

    assert [
        "started   a",
        "finished  a: return - in 2.0 s (1/2)",
        "started   b",
        "FAILED    b: ValueError: x (2/2)",
        f"          log: {tmp_path / 'b' / 'train.log'}",
    ] == lines
    assert ["finished", "failed"] == [outcome.state for outcome in journal.ended.values()]


def test_live_table(tmp_path):
    """On a terminal a table shows each running job and its pace."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    write_metrics(
        tmp_path / "a", {"iteration": 5, "env_steps": 1200, "rollout/average_return": 3.5}
    )
    with SearchProgress(tmp_path, Journal(tmp_path), ["a", "b"], lambda line: None, console) as p:
        p.started("a")
        p.tick(["a"])

    for word in ("0 of 2 finished, 1 running", "steps/s", "1,200", "3.50"):
        assert word in screen.getvalue()
