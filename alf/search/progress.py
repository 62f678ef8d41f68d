"""How a search goes: a live table on a terminal, a line for each event elsewhere."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alf.search.executor import Outcome
from alf.search.journal import Journal
from alf.search.pace import Pace, pace_of
from alf.search.record import Submission
from alf.search.results import read_result

_REFRESH_SECONDS = 0.5
_MOST_ENDED = 6
_STYLES = {"running": "bold", "finished": "green", "failed": "red", "lost": "yellow"}


class Searching(Protocol):
    """Knows the jobs that there are by now."""

    submission: Submission


class SearchProgress:
    """Tells the user what happens, and the journal what has happened. A context manager.

    Args:
        root_dir: the folder of the search.
        journal: gets every job that ends.
        plan: knows the jobs.
        report: gets a line for each event.
        console: draws the live table if it is a terminal; `None` for no table.

    Attributes:
        on_end: called after each job that has ended.
    """

    def __init__(
        self,
        root_dir: Path,
        journal: Journal,
        plan: Searching,
        report: Callable[[str], None],
        console: Console | None = None,
    ):
        self._root_dir = root_dir
        self._journal = journal
        self._plan = plan
        self._done = sum(journal.is_finished(run["name"]) for run in plan.submission.runs)
        self._failed = 0
        self._report = report
        self._paces: dict[str, Pace] = {}
        self._attempts: dict[str, int] = {}
        self._ended: deque[tuple[str, Outcome]] = deque(maxlen=_MOST_ENDED)
        self._began = time.monotonic(), float(self._done)
        self._drawn_at = 0.0
        self.on_end: Callable[[], None] = lambda: None
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

    def started(self, name: str, attempt: int) -> None:
        """A job was started, for the `attempt`-th time."""
        submission = self._plan.submission
        run = submission.run_named(name)
        self._paces[name] = Pace() if run is None else pace_of(submission, run)
        self._attempts[name] = attempt
        if self._live is None:
            self._report(f"started   {name}" + (f", try {attempt}" if attempt > 1 else ""))

    def ended(self, name: str, outcome: Outcome) -> None:
        """A job is over, or lost and tried again."""
        self._paces.pop(name, None)
        self._journal.add(name, outcome)
        self._ended.append((name, outcome))
        self._done += outcome.state == "finished"
        self._failed += outcome.state == "failed"
        count = f"{self._done + self._failed}/{self._plan.submission.total}"
        if outcome.state == "failed":
            self._report(f"FAILED    {name}: {outcome.error} ({count})")
            self._report(f"          log: {self._root_dir / name / 'train.log'}")
        elif outcome.state == "lost":
            self._report(f"lost      {name}: {outcome.error}; it is tried again")
        elif outcome.state == "stopped":
            self._report(f"stopped   {name}")
        else:
            told = shown_return(self._final_return(name))
            self._report(f"finished  {name}: return {told} in {outcome.seconds:.1f} s ({count})")
        self.on_end()

    def tick(self, running: Sequence[str]) -> None:
        """Draw the table again, if it is time."""
        now = time.monotonic()
        if self._live is None or now - self._drawn_at < _REFRESH_SECONDS:
            return
        self._drawn_at = now
        for name in running:
            self._paces[name].update(self._root_dir / name, now)
        table = self._table(running, self._live.console.height)
        self._live.update(Group(Text(self._title(running)), table), refresh=True)

    def _final_return(self, name: str) -> float | None:
        return read_result(self._root_dir / name).get("average_return")

    def _title(self, running: Sequence[str]) -> str:
        """How far the search is as a whole."""
        total = self._plan.submission.total
        parts = [f"{self._done} of {total} finished"]
        parts += [f"{self._failed} failed"] if self._failed else []
        waiting = total - self._done - self._failed - len(running)
        parts += [f"{len(running)} running", f"{max(waiting, 0)} waiting"]
        now, done = time.monotonic(), self._done + sum(p.fraction for p in self._paces.values())
        began, done_then = self._began
        if done > done_then:
            left = (total - self._failed - done) * (now - began) / (done - done_then)
            parts.append(f"about {shown_time(left)} left")
        return ", ".join(parts)

    def _table(self, running: Sequence[str], height: int) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("run", overflow="ellipsis", no_wrap=True)
        table.add_column("state", no_wrap=True)
        for head in ("return", "steps/s", "left"):
            table.add_column(head, justify="right", no_wrap=True)
        room = max(1, height - 4)
        for name in list(running)[:room]:
            table.add_row(*self._running_row(name))
        if len(running) > room:
            table.add_row(f"and {len(running) - room} more", "running")
        for name, outcome in list(self._ended)[::-1][: max(0, room - len(running))]:
            if name not in running:
                table.add_row(*self._ended_row(name, outcome))
        return table

    def _running_row(self, name: str) -> list[Text]:
        pace, attempt = self._paces[name], self._attempts.get(name, 1)
        state = "starting" if not pace.iteration else f"{pace.fraction:.0%}"
        state += f", try {attempt}" if attempt > 1 else ""
        speed = "" if pace.steps_per_s is None else f"{pace.steps_per_s:,.0f}"
        left = "" if pace.left_s is None else shown_time(pace.left_s)
        cells = (name, state, shown_return(pace.average_return), speed, left)
        return [Text(cell, _STYLES["running"]) for cell in cells]

    def _ended_row(self, name: str, outcome: Outcome) -> list[Text]:
        told = speed = ""
        if outcome.state == "finished":
            result = read_result(self._root_dir / name)
            told = shown_return(result.get("average_return"))
            speed = f"{result.get('steps_per_s') or 0:,.0f}"
        cells = (outcome.state, told, speed, "")
        return [Text(name), *(Text(cell, _STYLES.get(outcome.state, "")) for cell in cells)]


def shown_return(value: float | None) -> str:
    """A return as people read it."""
    return "-" if value is None else f"{value:.2f}"


def shown_time(seconds: float) -> str:
    """A time as people read it: `0:07`, `12:30`, `3:05:00`."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
