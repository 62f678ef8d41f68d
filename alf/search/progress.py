"""How a search goes: a live table on a terminal, a line for each event elsewhere."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alf.search.executor import Outcome
from alf.search.record import Journal
from alf.search.results import read_result

_TAIL_BYTES = 16_384
_REFRESH_SECONDS = 0.5
_RETURN_KEY = "rollout/average_return"


@dataclass
class Pace:
    """How far a running job is, read from its `metrics.jsonl`.

    Attributes:
        iteration: of the last summary; 0 before the first.
        env_steps: environment steps then.
        average_return: of the last training episodes; `None` before the first has ended.
        steps_per_s: between the last two summaries that were seen; `None` before.
    """

    iteration: int = 0
    env_steps: int = 0
    average_return: float | None = None
    steps_per_s: float | None = None
    seen_at: float | None = None

    def update(self, run_dir: Path, now: float) -> None:
        """Look at the file again.

        Args:
            run_dir: the job's folder.
            now: seconds on a clock that never goes back.
        """
        last = last_summary(run_dir)
        iteration, env_steps = last.get("iteration", 0), last.get("env_steps", 0)
        if iteration == self.iteration:
            return
        if self.seen_at is not None and now > self.seen_at:
            self.steps_per_s = (env_steps - self.env_steps) / (now - self.seen_at)
        self.iteration, self.env_steps, self.seen_at = iteration, env_steps, now
        self.average_return = last.get(_RETURN_KEY, self.average_return)


def last_summary(run_dir: Path) -> Mapping[str, Any]:
    """The last whole line of a job's `metrics.jsonl`; empty where there is none."""
    try:
        with (run_dir / "train" / "metrics.jsonl").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return {}
    for line in reversed(lines[:-1]):  # what follows the last line end is still being written
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict):
            return data
    return {}


class SearchProgress:
    """Tells the user what happens, and the journal what has happened. A context manager.

    Args:
        root_dir: the folder of the search.
        journal: gets every job that ends.
        names: of all jobs.
        report: gets a line for each event.
        console: draws the live table if it is a terminal; `None` for no table.
    """

    def __init__(
        self,
        root_dir: Path,
        journal: Journal,
        names: Sequence[str],
        report: Callable[[str], None],
        console: Console | None = None,
    ):
        self._root_dir = root_dir
        self._journal = journal
        self._total = len(names)
        self._done = sum(journal.is_finished(name) for name in names)
        self._failed = 0
        self._report = report
        self._paces: dict[str, Pace] = {}
        self._drawn_at = 0.0
        self._live: Live | None = None
        if console is not None and console.is_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "SearchProgress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, name: str) -> None:
        """A job was started."""
        self._paces[name] = Pace()
        if self._live is None:
            self._report(f"started   {name}")

    def ended(self, name: str, outcome: Outcome) -> None:
        """A job is over."""
        self._paces.pop(name, None)
        self._journal.add(name, outcome)
        self._done += outcome.state == "finished"
        self._failed += outcome.state == "failed"
        count = f"{self._done + self._failed}/{self._total}"
        if outcome.state == "failed":
            self._report(f"FAILED    {name}: {outcome.error} ({count})")
            self._report(f"          log: {self._root_dir / name / 'train.log'}")
        elif outcome.state == "stopped":
            self._report(f"stopped   {name}")
        else:
            result = read_result(self._root_dir / name)
            told = shown_return(result.get("average_return"))
            self._report(f"finished  {name}: return {told} in {outcome.seconds:.1f} s ({count})")

    def tick(self, running: Sequence[str]) -> None:
        """Draw the table again, if it is time."""
        now = time.monotonic()
        if self._live is None or now - self._drawn_at < _REFRESH_SECONDS:
            return
        self._drawn_at = now
        for name in running:
            self._paces[name].update(self._root_dir / name, now)
        self._live.update(self._table(running), refresh=True)

    def _table(self, running: Sequence[str]) -> Table:
        failed = f", {self._failed} failed" if self._failed else ""
        table = Table(
            title=f"{self._done} of {self._total} finished{failed}, {len(running)} running",
            title_justify="left",
            box=None,
            padding=(0, 2, 0, 0),
        )
        table.add_column("running", overflow="fold")
        for head in ("iteration", "steps", "steps/s", "return"):
            table.add_column(head, justify="right", no_wrap=True)
        for name in running:
            pace = self._paces[name]
            speed = "" if pace.steps_per_s is None else f"{pace.steps_per_s:,.0f}"
            told = shown_return(pace.average_return)
            cells = (name, f"{pace.iteration:,}", f"{pace.env_steps:,}", speed, told)
            table.add_row(*(Text(cell) for cell in cells))
        return table


def shown_return(value: float | None) -> str:
    """A return as people read it."""
    return "-" if value is None else f"{value:.2f}"
