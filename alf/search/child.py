"""The first thing that runs in each job of a search: then it is a training job like any other.

    python -P -m alf.search.child PARENT_PID --root_dir R ...      arguments of alf.bin.train

A job must not outlive a search that was killed: nobody would know that it still runs, and the
restarted search would find its folder locked. So it gets SIGTERM then, saves, and stops.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence

from alf import snapshot
from alf.errors import AlfError, RootDirError
from alf.snapshot import launch

_PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


def main() -> None:
    """Tie this process to its parent, prove whose code it runs, and train."""
    parent = int(sys.argv[1])
    end_with(parent)
    try:
        snapshot.prove()
    except AlfError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)
    wait_for_folder(sys.argv[2:])
    # From here on the job takes a snapshot of its own, as each job does.
    for name in (launch.ROOT_VARIABLE, launch.ID_VARIABLE, launch.NAMES_VARIABLE):
        os.environ.pop(name, None)
    sys.argv = ["alf.bin.train", *sys.argv[2:]]
    runpy.run_module("alf.bin.train", run_name="__main__", alter_sys=True)


def wait_for_folder(arguments: Sequence[str], patience_seconds: float = _PATIENCE_SECONDS) -> None:
    """Wait while a job of a search that was killed still saves in the same folder.

    Args:
        arguments: of alf.bin.train, with `--root_dir R` among them.
        patience_seconds: after that long, training itself tells who holds the folder.
    """
    root_dir = arguments[arguments.index("--root_dir") + 1]
    deadline = time.monotonic() + patience_seconds
    told = False
    while time.monotonic() < deadline:
        try:
            with snapshot.hold_root_dir(root_dir):
                return
        except RootDirError as error:
            if not told:
                sys.stderr.write(f"waiting: {error}\n")
            told = True
            time.sleep(_POLL_SECONDS / 4)


def end_with(parent: int) -> None:
    """Let this process get SIGTERM when its parent dies. On Windows it lives on."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) == 0:
            if os.getppid() != parent:  # it died before we could ask
                os.kill(os.getpid(), signal.SIGTERM)
            return
    if os.name == "posix":
        threading.Thread(target=watch_parent, args=(parent,), daemon=True).start()


def watch_parent(parent: int, poll_seconds: float = _POLL_SECONDS) -> None:
    """Wait until this process has another parent, then send it SIGTERM."""
    while os.getppid() == parent:
        time.sleep(poll_seconds)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
