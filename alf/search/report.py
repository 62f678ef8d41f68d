"""The last words of a search: which combination is best, how to play it, and what failed."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alf.search.progress import shown_return
from alf.search.record import Submission
from alf.search.results import (
    Combination,
    RunResult,
    rank,
    shown_parameters,
    shown_spread,
    write_results,
)
from alf.search.submitting import CONFIG_FILE

_MOST_ROWS = 50


def write_reports(
    root_dir: Path, submission: Submission, results: Sequence[RunResult]
) -> list[Path]:
    """Write the files that tell the results; returns their paths.

    Args:
        root_dir: the folder of the search.
        submission: the search.
        results: every job of it.
    """
    return [write_results(root_dir, submission.names, results)]


def report_results(results: Sequence[RunResult], root_dir: Path, console: Console) -> None:
    """Print the combinations by their return, the commands of the best run, and the failures.

    Args:
        results: every job of the search.
        root_dir: the folder of the search.
        console: where to print.
    """
    ranked = rank(results)
    console.print(_table(ranked[:_MOST_ROWS]))
    if len(ranked) > _MOST_ROWS:
        _say(console, f"          and {len(ranked) - _MOST_ROWS} more in results.csv")
    for result in results:
        if result.state == "failed":
            _say(console, f"FAILED    {result.run.name}: {result.error}")
            _say(console, f"          log: {root_dir / result.run.name / 'train.log'}")
        elif result.tries > 1:
            _say(console, f"retried   {result.run.name}: {result.tries} tries, now {result.state}")
    left = sum(result.state in ("stopped", "waiting") for result in results)
    if left:
        _say(console, f"left      {left} of {len(results)} runs are not finished")
    best = best_run(ranked)
    if best is not None:
        told = f"return {shown_return(best.average_return)}"
        _say(console, f"best      {best.run.name}: {told}")
        _say(console, f"play it   {play_command(root_dir / best.run.name)}")
        _say(console, f"train it  {train_command(root_dir / best.run.name)}")


def best_run(ranked: Sequence[Combination]) -> RunResult | None:
    """The best run of the best combination; `None` where no run has a return."""
    return ranked[0].best if ranked else None


def play_command(run_dir: Path) -> str:
    """The command that plays a job of the search, as it can be pasted into a shell."""
    return shlex.join(["python", "-m", "alf.bin.play", "--root_dir", str(run_dir)])


def train_command(run_dir: Path) -> str:
    """The command that trains the same job once more, in a folder of its own beside the search."""
    again = run_dir.parent.with_name(f"{run_dir.parent.name}_best")
    where = ["--root_dir", str(again), "--conf", str(run_dir / CONFIG_FILE)]
    return shlex.join(["python", "-m", "alf.bin.train", *where])


def _table(ranked: Sequence[Combination]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("return", justify="right", no_wrap=True)
    table.add_column("finished", justify="right", no_wrap=True)
    table.add_column("index", justify="right", no_wrap=True)
    for name, _ in shown_parameters(ranked[0].runs[0].run) if ranked else ():
        table.add_column(name, overflow="fold")
    for combination in ranked:
        run = combination.runs[0].run
        cells = [
            shown_spread(combination.mean, combination.std),
            f"{combination.finished}/{len(combination.runs)}",
            str(run.index),
            *(value for _, value in shown_parameters(run)),
        ]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)
