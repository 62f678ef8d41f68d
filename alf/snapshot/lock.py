"""One writer at a time: a lock that the system drops when its holder dies, however it dies."""

import json
import os
import socket
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from alf.errors import AlfError, RootDirError, SnapshotError
from alf.snapshot.links import refuse_links_out

JOB_LOCK_NAME = ".alf.lock"
_POLL_SECONDS = 0.02

if os.name == "nt":
    import msvcrt

    # Windows locks are mandatory: lock a byte far behind the text, so that others can read it.
    _LOCKED_BYTE = 1 << 30

    def _try_lock(handle: int) -> bool:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return _try_posix_lock(handle)
        return True

    def _try_posix_lock(handle: int) -> bool:
        """For network file systems that know no `flock`. Raises OSError if they know no lock."""
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True


class FileLock:
    """An exclusive lock on a file that says who holds it. Use as a context manager.

    The file stays when the lock is released: removing it would let two processes lock two files of
    one name. A process that dies, even by SIGKILL, releases the lock; there is no stale lock to
    remove.

    Args:
        path: the lock file; its folder exists.
        purpose: what it protects, for the message, for example `the root dir '/tmp/job'`.
        error: the class to raise when somebody else holds it.
        wait_seconds: how long to wait for the holder.
    """

    def __init__(self, path: Path, purpose: str, error: type[AlfError], wait_seconds: float = 0.0):
        self._path = path
        self._purpose = purpose
        self._error = error
        self._wait_seconds = wait_seconds
        self._handle: int | None = None
        if hasattr(os, "register_at_fork"):
            # A forked environment process must not hold the lock on after its parent has died.
            reference = weakref.WeakMethod(self._forget)
            os.register_at_fork(after_in_child=lambda: _call(reference))

    def __enter__(self) -> "FileLock":
        try:
            # Not through a link: the text in the file is replaced.
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            self._handle = os.open(self._path, flags, 0o666)
            self._acquire(self._handle)
        except OSError as error:
            self._forget()
            raise self._error(
                f"'{self._path}' cannot be used to lock {self._purpose}: {error.strerror}. Make the"
                " folder writable, or choose a --root_dir on another disk."
            ) from error
        except AlfError:
            self._forget()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._forget()

    def _acquire(self, handle: int) -> None:
        deadline = time.monotonic() + self._wait_seconds
        while not _try_lock(handle):
            if time.monotonic() >= deadline:
                raise self._error(self._refusal())
            time.sleep(_POLL_SECONDS)
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(holder).encode("ascii"))

    def _forget(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _refusal(self) -> str:
        holder: dict[str, Any] = {}
        try:
            data = json.loads(self._path.read_bytes()[:4096])
            holder = cast(dict[str, Any], data) if isinstance(data, dict) else {}
        except (OSError, ValueError, RecursionError):
            pass  # the holder is just about to write it
        who = f"process {holder.get('pid', 'unknown')}"
        if holder.get("host", socket.gethostname()) != socket.gethostname():
            who += f" on {holder['host']}"
        return (
            f"Another job holds {self._purpose}: {who}, since {holder.get('since', 'just now')}."
            " Wait until it is done, stop it, or choose another --root_dir."
        )


def hold_root_dir(root_dir: Path | str) -> FileLock:
    """The lock that a job holds on its root dir as long as it writes there.

    Returns:
        A context manager; entering it raises RootDirError where another process holds the lock.

    Raises:
        RootDirError: what jobs write to leads out of the root dir.
    """
    root = Path(root_dir)
    refuse_links_out(root)
    return FileLock(root / JOB_LOCK_NAME, f"the root dir '{root}'", RootDirError)


def hold_store(store: Path, wait_seconds: float = 60.0) -> FileLock:
    """The lock that one snapshot holds on the store while it is written."""
    return FileLock(store / "alf.lock", f"the snapshots in '{store}'", SnapshotError, wait_seconds)


def _call(reference: "weakref.WeakMethod[Any]") -> None:
    method = reference()
    if method is not None:
        method()
