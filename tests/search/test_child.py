import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alf import snapshot
from alf.search import child

ROOT = Path(__file__).resolve().parents[2]

CHILD = """
import os, sys, time, signal
from pathlib import Path
from alf.search import child
def on_term(number, frame):
    Path("ended").write_text("SIGTERM")
    sys.exit(143)
signal.signal(signal.SIGTERM, on_term)
{tie}
Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""

PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    "tie",
    [
        "child.end_with(os.getppid())",
        "from threading import Thread\n"
        "Thread(target=child.watch_parent, args=(os.getppid(), 0.05), daemon=True).start()",
        "child._PR_SET_PDEATHSIG = -1; child._POLL_SECONDS = 0.05; child.end_with(os.getppid())",
    ],
    ids=["as the system offers", "by looking", "where the system refuses"],
)
def test_a_job_does_not_outlive_a_killed_search(tmp_path, tie):
    """When its parent is killed, a job gets SIGTERM."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD.format(tie=tie)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        wait_for(tmp_path / "pid")
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()

    wait_for(tmp_path / "ended")


def test_a_job_waits_for_one_that_still_saves(tmp_path):
    """While another job holds the folder, a job waits; after its patience training goes ahead."""
    arguments = ["--root_dir", str(tmp_path), "--store_snapshot"]
    thread = threading.Thread(target=child.wait_for_folder, args=(arguments,))
    with snapshot.hold_root_dir(tmp_path):
        child.wait_for_folder(arguments, patience_seconds=0.1)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()

    thread.join(30)

    assert not thread.is_alive()


def wait_for(path):
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.02)
