"""Processes of this machine, each in a group of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alf.search.executor import Ended, Task

_KILL_AFTER_SECONDS = 20.0
_LOG_TAIL_BYTES = 64_000
# The line of a traceback, or of a command's message, that says what went wrong.
_ERROR_LINE = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b.*$", re.M)


@dataclass
class _Running:
    task: Task
    process: "subprocess.Popen[bytes]"
    slot: int
    log_start: int


class LocalWorkers:
    """Runs tasks as processes of this machine.

    Each process leads a group of its own, so that Ctrl-C reaches it once, and only from here.

    Args:
        environment: of every process.
        slots: one for each process that runs at once: what it has in its environment besides.
    """

    def __init__(self, environment: Mapping[str, str], slots: Sequence[Mapping[str, str]]):
        assert slots
        self._environment = environment
        self._slots = slots
        self._running: list[_Running] = []

    @property
    def count(self) -> int:
        """How many run at once."""
        return len(self._slots)

    def start(self, task: Task) -> None:
        """Start a process in the first slot that is free.

        Raises:
            OSError: it cannot be started.
        """
        used = {running.slot for running in self._running}
        slot = next(slot for slot in range(len(self._slots)) if slot not in used)
        with task.log.open("ab") as log:
            log_start = log.tell()
            process = subprocess.Popen(
                task.command_for(sys.executable, os.getpid(), str(task.folder)),
                cwd=task.folder,
                env={**self._environment, **self._slots[slot]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self._running.append(_Running(task, process, slot, log_start))

    def ended(self) -> list[Ended]:
        """Those that have ended since this was asked last."""
        found: list[Ended] = []
        for running in list(self._running):
            code = running.process.poll()
            if code is not None:
                self._running.remove(running)
                exit_code = code if code >= 0 else 128 - code
                error = why(exit_code, running.task.log, running.log_start)
                found.append(Ended(running.task.name, exit_code, error))
        return found

    def send(self, number: int) -> None:
        """Send a signal to every process that runs."""
        for running in self._running:
            running.process.send_signal(number)

    def close(self) -> None:
        """After an error of our own: let nothing run on that nobody watches."""
        for running in self._running:
            running.process.terminate()
        for running in self._running:
            try:
                running.process.wait(_KILL_AFTER_SECONDS)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        self._running.clear()


def why(exit_code: int, log: Path, log_start: int) -> str:
    """One line that says why a process did not end well; empty where it did.

    Args:
        exit_code: of the process, as a shell gives it.
        log: what it wrote.
        log_start: where its own part of the log begins, in bytes.
    """
    if exit_code == 0:
        return ""
    if exit_code > 128:
        return f"ended by {_signal_name(exit_code - 128)}"
    return last_error(log, log_start)


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
