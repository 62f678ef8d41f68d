"""Starts the ranks of a job, and watches them: when one dies, the job ends, with that one's error.

It computes nothing, and so does without torch, unless GPUs are to be counted.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from alf.errors import LostRankError, TrainingError, UsageError

MEETING_VARIABLE = "ALF_RANKS_MEET_AT"

_POLL_SECONDS = 0.05
# For a rank that has lost another one, to notice it and to close its environments.
_GRACE_SECONDS = 10.0
_STOPPING = ("SIGINT", "SIGTERM")
_SAVING = ("SIGUSR2",)  # not on Windows
_SHOWN_LINES = 30
# Exit codes of ranks that were asked to stop.
_STOPPED = tuple(128 + getattr(signal, name) for name in _STOPPING)
# The line of a message, or the end of a traceback, that says what went wrong.
_ERROR_LINE = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b.*$", re.M)


@dataclass(frozen=True)
class _Rank:
    number: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def code(self) -> int | None:
        """Its exit code, `-n` where signal `n` ended it; `None` while it runs."""
        return self.process.poll()


def is_rank() -> bool:
    """Whether this process was started as one of several, by `launch` or by torchrun."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def number_of_processes(asked: int | None) -> int:
    """How many ranks a job has: as many as were asked for, else one for each GPU.

    Args:
        asked: at least 2, or `None`.

    Raises:
        UsageError: that leaves fewer than two.
    """
    if asked is not None:
        if asked < 2:
            raise UsageError(
                f"--num_processes is {asked}: give 2 or more, or leave --distributed out, to "
                f"train in one process"
            )
        return asked
    import torch  # here alone, since it takes a second

    count = torch.cuda.device_count()
    if count < 2:
        found = "no GPU" if count == 0 else "one GPU"
        raise UsageError(
            f"--distributed multi-gpu trains in one process a GPU, and torch finds {found} here: "
            f"leave it out to train in one process; without GPUs, --num_processes 2 trains in two "
            f"processes on the CPU"
        )
    return count


def launch(module: str, argv: Sequence[str], count: int) -> int:
    """Run a command in several processes, and wait for them.

    The first one has the terminal. What the others say is kept, and shown where one fails. SIGINT,
    SIGTERM and SIGUSR2 are passed on to the first, which tells the others. Should this process
    be killed, they end as well.

    Args:
        module: the command.
        argv: its arguments.
        count: how many processes.

    Returns:
        The exit code of the first one; 128 + n where signal n stopped the job.

    Raises:
        TrainingError: a rank has failed; names it, and shows what it said.
        UsageError: likewise, where the command was used wrongly.
    """
    with tempfile.TemporaryDirectory(prefix="alf_ranks_") as folder:
        ranks: list[_Rank] = []
        try:
            with _passed_on(_STOPPING, ranks) as sent:
                for number in range(count):
                    ranks.append(_start(module, argv, number, count, Path(folder)))
                # Not before, so that they start with what the command does about it first: ignore.
                with _passed_on(_SAVING, ranks):
                    failed = _wait(ranks)
            return _outcome(ranks, failed, sent)
        finally:
            _end(ranks)


def _start(module: str, argv: Sequence[str], number: int, count: int, folder: Path) -> _Rank:
    log = folder / f"rank-{number}.log"
    command = [sys.executable, "-P", "-m", module, *argv]
    with log.open("wb") as file:
        try:
            process = subprocess.Popen(
                command,
                env=_environment(number, count, folder),
                stdin=subprocess.PIPE,  # it ends when this process does, see `connect`
                stdout=None if number == 0 else file,
                stderr=None if number == 0 else file,
                # Ctrl-C reaches each of them once, and only from here.
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise TrainingError(
                f"rank {number} cannot be started: {error.strerror} ({command[0]})"
            ) from error
    return _Rank(number, process, log)


def _environment(number: int, count: int, folder: Path) -> dict[str, str]:
    found = dict(os.environ)
    # What this process can import, its ranks can import; `-P` would take the first entry away.
    found["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    if sys.platform in ("linux", "darwin"):  # they are all here, and nobody else need hear them
        found.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    return {
        **found,
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        MEETING_VARIABLE: str(folder / "meeting"),
    }


@contextlib.contextmanager
def _passed_on(names: Sequence[str], ranks: list[_Rank]) -> Iterator[list[int]]:
    """Inside, the first rank gets these signals from this process; gives the numbers that came."""
    sent: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        if not ranks:
            raise KeyboardInterrupt
        sent.append(number)
        ranks[0].process.send_signal(number)

    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield sent
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(ranks: Sequence[_Rank]) -> _Rank | None:
    """Until all have ended, or one has failed and the others had their time to notice.

    Returns:
        The one whose failure is the cause; `None` without any.
    """
    deadline: float | None = None
    while any(rank.code() is None for rank in ranks):
        time.sleep(_POLL_SECONDS)
        if any(rank.code() not in (None, 0) for rank in ranks):
            deadline = deadline or time.monotonic() + _GRACE_SECONDS
            if time.monotonic() > deadline:
                break
    # The more it is a failure of its own, the more it is the cause.
    unlucky = [rank for rank in ranks if rank.code() not in (None, 0)]
    return min(unlucky, key=_innocence, default=None)


def _innocence(rank: _Rank) -> int:
    code = rank.code()
    if code == LostRankError.exit_code:
        return 2
    return 1 if code in _STOPPED else 0


def _outcome(ranks: Sequence[_Rank], failed: _Rank | None, sent: Sequence[int]) -> int:
    """The exit code of the job, given the rank that is the cause of its end, if there is one."""
    if failed is None:
        return 0
    code = failed.code()
    assert code is not None
    if -code in sent:  # before the rank could do anything about it
        return 128 - code
    if code > 0 and failed.number == 0:  # it has said why
        return 1 if code == LostRankError.exit_code else code
    kind = UsageError if code == UsageError.exit_code else TrainingError
    raise kind(_describe(failed, len(ranks), code))


def _describe(rank: _Rank, count: int, code: int) -> str:
    text = f"rank {rank.number} of {count} (process {rank.process.pid}) "
    if code < 0:
        text += f"was killed by {_signal_name(-code)}; it may have run out of memory."
    else:
        text += f"ended with exit code {code}."
    if rank.number:
        said = _last_words(rank.log)
        text += f" It said:\n{said}" if said else " It said nothing."
    if code != UsageError.exit_code:
        text += "\nThe same command without --conf goes on from the newest checkpoint"
    return text


def _last_words(log: Path) -> str:
    """What a rank said about its end: from the line that names an error, or its last lines."""
    lines = log.read_bytes().decode("utf-8", "replace").rstrip().splitlines()
    named = [i for i, line in enumerate(lines) if _ERROR_LINE.match(line)]
    has_traceback = any(line.startswith("Traceback") for line in lines)
    start = max(0, len(lines) - _SHOWN_LINES)
    if named and not has_traceback:
        start = max(start, named[-1])
    return "\n".join(f"  {line}" for line in lines[start:])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(ranks: Sequence[_Rank]) -> None:
    """Let nothing run on that nobody watches."""
    for rank in ranks:
        if rank.code() is None:
            rank.process.kill()
        rank.process.wait()
        assert rank.process.stdin is not None
        rank.process.stdin.close()
