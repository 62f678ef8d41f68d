"""The last words of a search: which combination is best, how to play it, and what failed."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alf.search.progress import shown_return
from alf.search.results import Combination, RunResult, rank, shown_parameters

_MOST_ROWS = 50


def report_results(results: Sequence[RunResult], root_dir: Path, console: Console) -> None:
    """Print the combinations by their return, the best run's `play` command, and the failures.

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
    left = sum(result.state in ("stopped", "waiting") for result in results)
    if left:
        _say(console, f"left      {left} of {len(results)} runs are not finished")
    best = ranked[0].best if ranked else None
    if best is not None:
        told = f"return {shown_return(best.average_return)}"
        _say(console, f"best      {best.run.name}: {told}")
        _say(console, f"play it   {play_command(root_dir / best.run.name)}")


def play_command(run_dir: Path) -> str:
    """The command that plays a job of the search, as it can be pasted into a shell."""
    return shlex.join(["python", "-m", "alf.bin.play", "--root_dir", str(run_dir)])


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


def shown_spread(mean: float | None, std: float | None) -> str:
    """For example `195.20 ± 3.10`."""
    return shown_return(mean) if std is None else f"{shown_return(mean)} ± {std:.2f}"


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)
