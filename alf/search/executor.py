"""Runs jobs as processes of this machine, a few at a time, and passes signals on to them."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

_POLL_SECONDS = 0.1
_KILL_AFTER_SECONDS = 20.0
_LOG_TAIL_BYTES = 64_000
# The line of a traceback, or of a command's message, that says what went wrong.
_ERROR_LINE = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b.*$", re.M)


@dataclass(frozen=True)
class Task:
    """A process to run.

    Attributes:
        name: what it is called; unique.
        command: program and arguments.
        folder: its current folder.
        log: gets what it writes; an earlier log goes on.
    """

    name: str
    command: Sequence[str]
    folder: Path
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        state: `finished`, `failed`, or `stopped` where the whole search was told to stop.
        exit_code: as a shell gives it: 128 + n where signal n ended it.
        error: for one that failed, one line that says why; else empty.
        seconds: how long it ran.
    """

    state: str
    exit_code: int
    error: str
    seconds: float


class Watcher(Protocol):
    """Is told what happens."""

    def started(self, name: str) -> None:
        """A process was started."""

    def ended(self, name: str, outcome: Outcome) -> None:
        """It is over."""

    def tick(self, running: Sequence[str]) -> None:
        """Called several times a second, with the names of those that run, in order of start."""


@dataclass
class _Running:
    task: Task
    process: "subprocess.Popen[bytes]"
    slot: int
    since: float
    log_start: int


class Executor:
    """Runs each task once.

    SIGINT and SIGTERM are passed on to all running processes, and nothing is started any more.
    Each process leads a group of its own, so that Ctrl-C reaches it once, and only from here.

    Args:
        tasks: what to run, in this order.
        environment: of every process.
        slots: one a worker: what a process in that slot has in its environment besides.
        watcher: is told what happens.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        environment: Mapping[str, str],
        slots: Sequence[Mapping[str, str]],
        watcher: Watcher,
    ):
        assert slots
        self._queue = deque(tasks)
        self._environment = environment
        self._slots = slots
        self._watcher = watcher
        self._running: list[_Running] = []
        self._stopped_by: int | None = None
        self._signals: deque[int] = deque()

    def run(self) -> int | None:
        """Run all tasks; returns the number of the signal that stopped this, or `None`."""
        with self._catching_signals():
            try:
                while self._running or (self._queue and self._stopped_by is None):
                    self._pass_on()
                    self._fill_slots()
                    self._collect()
                    self._watcher.tick([running.task.name for running in self._running])
                    time.sleep(_POLL_SECONDS)
            finally:
                self._end_all()
        return self._stopped_by

    def _fill_slots(self) -> None:
        used = {running.slot for running in self._running}
        for slot in range(len(self._slots)):
            if slot not in used and self._queue and self._stopped_by is None:
                self._start(self._queue.popleft(), slot)

    def _start(self, task: Task, slot: int) -> None:
        try:
            with task.log.open("ab") as log:
                log_start = log.tell()
                process = subprocess.Popen(
                    task.command,
                    cwd=task.folder,
                    env={**self._environment, **self._slots[slot]},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
        except OSError as error:
            what = f"cannot be started: {error.strerror or error}"
            self._watcher.ended(task.name, Outcome("failed", 1, what, 0.0))
            return
        self._running.append(_Running(task, process, slot, time.monotonic(), log_start))
        self._watcher.started(task.name)

    def _collect(self) -> None:
        for running in list(self._running):
            code = running.process.poll()
            if code is not None:
                self._running.remove(running)
                self._watcher.ended(running.task.name, self._outcome(running, code))

    def _outcome(self, running: _Running, code: int) -> Outcome:
        seconds = round(time.monotonic() - running.since, 3)
        exit_code = code if code >= 0 else 128 - code
        if code == 0:
            return Outcome("finished", 0, "", seconds)
        by_signal = exit_code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
        if self._stopped_by is not None and by_signal:
            return Outcome("stopped", exit_code, "", seconds)
        if exit_code > 128:
            error = f"ended by {_signal_name(exit_code - 128)}"
        else:
            error = last_error(running.task.log, running.log_start)
        return Outcome("failed", exit_code, error, seconds)

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
            for running in self._running:
                running.process.send_signal(number)

    def _end_all(self) -> None:
        """After an error of our own: let nothing run on that nobody watches."""
        for running in self._running:
            running.process.terminate()
        for running in self._running:
            try:
                running.process.wait(_KILL_AFTER_SECONDS)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()


def last_error(log: Path, start: int = 0) -> str:
    """The line of a log that says why its process failed.

    Args:
        log: the file.
        start: where the process's own part begins, in bytes.

    Returns:
        The last line that names an error, else the last line that is not empty, else a sentence.
    """
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"its log cannot be read: {error.strerror}"
    named = list(_ERROR_LINE.finditer(text))
    if named:
        return named[-1].group().strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
