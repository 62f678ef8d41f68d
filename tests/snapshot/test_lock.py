"""One writer a root dir, and no lock that outlives its holder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alf.errors import RootDirError, SnapshotError
from alf.snapshot.lock import hold_root_dir, hold_store

CHECKOUT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from alf.snapshot.lock import hold_root_dir
with hold_root_dir(sys.argv[1]):
    print("held", flush=True)
    time.sleep(30)
"""


def start_holder(root_dir):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    assert child.stdout is not None
    assert "held\n" == child.stdout.readline()
    return child


def test_second_job_is_refused_and_told_who(tmp_path):
    """The message names the process that holds the root dir, and since when."""
    child = start_holder(tmp_path)
    try:
        with pytest.raises(RootDirError, match=rf"process {child.pid}, since \d{{4}}-"):
            hold_root_dir(tmp_path).__enter__()
    finally:
        child.kill()
        child.communicate()

    with hold_root_dir(tmp_path):  # SIGKILL released it
        pass


def test_a_lock_is_free_after_its_block(tmp_path):
    """Released on exit, also by an exception, and can be taken again."""
    with pytest.raises(ZeroDivisionError), hold_root_dir(tmp_path):
        raise ZeroDivisionError
    with hold_root_dir(tmp_path):
        pass


def test_the_same_process_cannot_hold_it_twice(tmp_path):
    """Two jobs in one process are two writers too."""
    with hold_root_dir(tmp_path), pytest.raises(RootDirError, match=str(os.getpid())):
        hold_root_dir(tmp_path).__enter__()


def test_store_lock_waits(tmp_path):
    """A snapshot waits for another one, and gives up with advice."""
    with hold_store(tmp_path), pytest.raises(SnapshotError, match="Wait"):
        hold_store(tmp_path, wait_seconds=0.1).__enter__()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_do_not_keep_it(tmp_path):
    """An environment process that outlives its parent does not block the next job."""
    code = (
        "import os, sys, time\n"
        "from alf.snapshot.lock import hold_root_dir\n"
        "with hold_root_dir(sys.argv[1]):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os.close(1); time.sleep(20); os._exit(0)\n"
        "    print(child, flush=True)\n"
        "    os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        check=True,
    )
    orphan = int(done.stdout)
    try:
        with hold_root_dir(tmp_path):
            pass
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_folder_that_is_not_there(tmp_path):
    """A folder that cannot hold a lock is an error with advice."""
    with pytest.raises(RootDirError, match="--root_dir"):
        hold_root_dir(tmp_path / "missing").__enter__()
