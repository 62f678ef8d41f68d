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
from alf.search.results_page import write_page
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
    best = best_run(rank(results))
    commands = {} if best is None else commands_for(root_dir / best.run.name, submission.flags)
    return [
        write_results(root_dir, submission.names, results),
        write_page(root_dir, submission, results, commands),
    ]


def report_results(
    root_dir: Path, submission: Submission, results: Sequence[RunResult], console: Console
) -> None:
    """Print the combinations by their return, the commands of the best run, and the failures.

    Args:
        root_dir: the folder of the search.
        submission: the search.
        results: every job of it.
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
        for what, command in commands_for(root_dir / best.run.name, submission.flags).items():
            _say(console, f"{what} it".ljust(10) + command)


def best_run(ranked: Sequence[Combination]) -> RunResult | None:
    """The best run of the best combination; `None` where no run has a return."""
    return ranked[0].best if ranked else None


def commands_for(run_dir: Path, flags: Sequence[str]) -> dict[str, str]:
    """What to do with a job of a search -> the command, as it can be pasted into a shell.

    Args:
        run_dir: the job's folder.
        flags: what each job of the search was given.
    """
    again = run_dir.parent.with_name(f"{run_dir.parent.name}_best")
    conf = str(run_dir / CONFIG_FILE)
    python = ["python", "-m"]
    return {
        "play": shlex.join([*python, "alf.bin.play", "--root_dir", str(run_dir)]),
        "train": shlex.join(
            [*python, "alf.bin.train", "--root_dir", str(again), "--conf", conf, *flags]
        ),
    }


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
