"""Runs the jobs of a search: starts them, notices how they end, tries those again that were lost.

Where they run is a matter of `Workers`: processes of this machine (`alf.search.local_workers`), or
of a cluster (`alf.search.ray_workers`).
"""

import contextlib
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

MOST_TRIES = 3

# What stands in a task's command for something that only its worker knows.
PYTHON = "{python}"
PARENT = "{parent}"
FOLDER = "{folder}"

_POLL_SECONDS = 0.1
_KILLED = 128 + 9


@dataclass(frozen=True)
class Task:
    """A process to run.

    Attributes:
        name: what it is called; unique.
        command: program and arguments. An argument that is `PYTHON`, `PARENT` or `FOLDER` stands
            for the interpreter, the id of the process that starts it, and its folder, wherever
            that lies.
        folder: its current folder.
        log: gets what it writes; an earlier log goes on. In `folder` or below.
    """

    name: str
    command: Sequence[str]
    folder: Path
    log: Path

    def command_for(self, python: str, parent: int, folder: str) -> list[str]:
        """The command with everything filled in."""
        known = {PYTHON: python, PARENT: str(parent), FOLDER: folder}
        return [known.get(argument, argument) for argument in self.command]


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        state: `finished`; `failed`; `lost` where it was killed or its machine went away, and it is
            tried again; or `stopped` where the whole search was told to stop.
        exit_code: as a shell gives it: 128 + n where signal n ended it.
        error: for one that failed or was lost, one line that says why; else empty.
        seconds: how long it ran.
    """

    state: str
    exit_code: int
    error: str
    seconds: float


@dataclass(frozen=True)
class Ended:
    """What workers know of a process that has ended.

    Attributes:
        name: of its task.
        exit_code: as a shell gives it; `None` where whatever ran it is gone.
        error: one line that says why it did not end well; empty where it did.
    """

    name: str
    exit_code: int | None
    error: str


class Source(Protocol):
    """Knows what is to be run."""

    def next(self) -> Task | None:
        """The next task; `None` if there is none left."""


class Watcher(Protocol):
    """Is told what happens."""

    def started(self, name: str, attempt: int) -> None:
        """A process was started, for the `attempt`-th time, counted from 1."""

    def ended(self, name: str, outcome: Outcome) -> None:
        """It is over. One that was lost is started again."""

    def tick(self, running: Sequence[str]) -> None:
        """Called several times a second, with the names of those that run, in order of start."""


class Workers(Protocol):
    """Where processes run."""

    @property
    def count(self) -> int:
        """How many run at once."""
        ...

    def start(self, task: Task) -> None:
        """Start a process; called while fewer than `count` run.

        Raises:
            OSError: it cannot be started.
        """

    def ended(self) -> list[Ended]:
        """Those that have ended since this was asked last."""
        ...

    def send(self, number: int) -> None:
        """Send a signal to every process that runs."""

    def close(self) -> None:
        """End what still runs, and free everything."""


class Executor:
    """Runs every task of a source, until each has ended.

    A process that is killed (by SIGKILL, as the system does when memory runs out) or whose machine
    goes away is started again, `MOST_TRIES` times in all. SIGINT and SIGTERM are passed on to all
    running processes, and nothing is started any more.

    Args:
        source: what to run; asked again whenever there is room.
        workers: where; closed at the end.
        watcher: is told what happens.
    """

    def __init__(self, source: Source, workers: Workers, watcher: Watcher):
        self._source = source
        self._workers = workers
        self._watcher = watcher
        self._again: deque[Task] = deque()
        self._running: dict[str, tuple[Task, float]] = {}
        self._tries: dict[str, int] = {}
        self._stopped_by: int | None = None
        self._signals: deque[int] = deque()

    def run(self) -> int | None:
        """Run all tasks; returns the number of the signal that stopped this, or `None`."""
        with self._catching_signals():
            try:
                while True:
                    self._pass_on()
                    self._fill()
                    if not self._running:
                        break
                    self._collect()
                    self._watcher.tick(list(self._running))
                    time.sleep(_POLL_SECONDS)
            finally:
                self._workers.close()
        return self._stopped_by

    def _fill(self) -> None:
        while self._stopped_by is None and len(self._running) < self._workers.count:
            task = self._again.popleft() if self._again else self._source.next()
            if task is None:
                return
            self._start(task)

    def _start(self, task: Task) -> None:
        self._tries[task.name] = self._tries.get(task.name, 0) + 1
        try:
            self._workers.start(task)
        except OSError as error:
            what = f"cannot be started: {error.strerror or error}"
            self._watcher.ended(task.name, Outcome("failed", 1, what, 0.0))
            return
        self._running[task.name] = task, time.monotonic()
        self._watcher.started(task.name, self._tries[task.name])

    def _collect(self) -> None:
        for end in self._workers.ended():
            task, since = self._running.pop(end.name)
            outcome = self._outcome(end, round(time.monotonic() - since, 3))
            if outcome.state == "lost":
                self._again.append(task)
            self._watcher.ended(task.name, outcome)

    def _outcome(self, end: Ended, seconds: float) -> Outcome:
        code = _KILLED if end.exit_code is None else end.exit_code
        if code == 0:
            return Outcome("finished", 0, "", seconds)
        by_signal = code in (128 + signal.SIGINT, 128 + signal.SIGTERM) or end.exit_code is None
        if self._stopped_by is not None and by_signal:
            return Outcome("stopped", code, "", seconds)
        error, tries = end.error, self._tries[end.name]
        if code == _KILLED:
            if tries < MOST_TRIES and self._stopped_by is None:
                return Outcome("lost", code, error, seconds)
            error += f" (tried {tries} times)" if tries > 1 else ""
        return Outcome("failed", code, error, seconds)

    @contextlib.contextmanager
    def _catching_signals(self) -> Iterator[None]:
        # Only noted here: a signal may arrive while a process is just being started.
        def note(number: int, _: FrameType | None) -> None:
            self._signals.append(number)

        numbers = [signal.SIGINT, signal.SIGTERM]
        if threading.current_thread() is not threading.main_thread():
            numbers = []  # Python delivers signals to the main thread, whoever that belongs to
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self) -> None:
        while self._signals:
            number = self._signals.popleft()
            self._stopped_by = self._stopped_by or number
            self._workers.send(number)
