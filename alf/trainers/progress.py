"""How far training is: a live line on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable

from absl import logging
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_PLAIN_INTERVAL = 5.0
_LIVE_INTERVAL = 0.1


class TrainProgress:
    """Reports iterations as they are done.

    Args:
        conf: name of the conf, for the plain line.
        job: name of the root dir, likewise.
        done: iterations already done when this job starts.
        total: iterations in all.
        average_return: gives that of the last episodes, `None` before one ends; asked when it is
            shown.
    """

    def __init__(
        self,
        conf: str,
        job: str,
        done: int,
        total: int,
        average_return: Callable[[], float | None],
    ):
        self._title = f"{conf} -> {job}"
        self._average_return = average_return
        self._shown_at = time.perf_counter()
        self._shown_iteration = done
        self._shown_steps: int | None = None
        self._live: Progress | None = None
        self._log_handler = logging.get_absl_handler().python_handler
        console = Console(stderr=True)
        self._interval = _LIVE_INTERVAL if console.is_terminal else _PLAIN_INTERVAL
        if console.is_terminal:
            self._live = Progress(
                TextColumn("[bold]{task.completed}[/]/{task.total}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[facts]}"),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._live.add_task("train", total=total, completed=done, facts="")
            self._live.start()
            # The live line puts itself below what is written to the new sys.stderr; absl's handler
            # still holds the old one, and would write there as well.
            self._log_handler.setStream(sys.stderr)

    def update(self, iteration: int, env_steps: int) -> None:
        """Report an iteration; most calls only look at the clock."""
        now = time.perf_counter()
        elapsed = now - self._shown_at
        if self._shown_steps is None:
            self._shown_steps = env_steps
        if elapsed < self._interval or iteration == self._shown_iteration:
            return
        per_iteration = elapsed / (iteration - self._shown_iteration)
        throughput = (env_steps - self._shown_steps) / elapsed
        average_return = self._average_return()
        if self._live is None:
            logging.info(
                "%s: %d time=%.3f throughput=%.2f%s",
                self._title,
                iteration,
                per_iteration,
                throughput,
                "" if average_return is None else f" return={average_return:.2f}",
            )
        else:
            shown = "" if average_return is None else f"  return [bold]{average_return:.1f}[/]"
            facts = f"{env_steps:,} steps  {throughput:,.0f}/s{shown}"
            self._live.update(self._task, completed=iteration, facts=facts)
        self._shown_at, self._shown_iteration, self._shown_steps = now, iteration, env_steps

    def close(self) -> None:
        """Remove the live line."""
        if self._live is not None:
            self._live.stop()
            self._log_handler.setStream(sys.stderr)
