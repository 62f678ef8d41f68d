"""A command's process looks for no garbage in what it imports, and looks again while it works."""

import signal
import subprocess
import sys

import pytest

IMPORTING = """
import gc
from alf import process
with process.importing():
    inside = gc.isenabled()
    import torch
print(inside, gc.isenabled(), gc.get_freeze_count() > 100_000)
"""
FAILING = """
import gc
from alf import process
try:
    with process.importing():
        raise ImportError
except ImportError:
    print(gc.isenabled())
"""
# A package that takes whatever goes wrong in it for a missing part, as torch takes numpy.
INTERRUPTED = """
import signal, sys
from alf import process
try:
    with process.importing():
        try:
            for _ in range(int(sys.argv[1])):
                signal.raise_signal(signal.SIGINT)
            print("imported")
        except BaseException:
            print("half imported")
except KeyboardInterrupt:
    print("interrupted")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
RUNNING = """
import os, signal
from alf import process

def main(arguments):
    print(arguments)
    return 3

class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

late = Late()
process.run(main)
"""


def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )


def test_no_garbage_is_looked_for_while_importing():
    """Nor later in what was imported; but in all that is made from then on."""
    assert "False True True\n" == run(IMPORTING).stdout


def test_a_failing_import_leaves_the_collector_on():
    """What went wrong may go on for long, as a search does without one of its jobs."""
    assert "True\n" == run(FAILING).stdout


def test_a_signal_waits_until_all_is_imported():
    """Half a package would break what comes later, which then looks like somebody's mistake."""
    assert ["imported", "interrupted", "True"] == run(INTERRUPTED, "1").stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="no process ends by a signal there")
def test_a_second_signal_ends_the_process_at_once():
    """Importing may take long, and who is impatient is heeded."""
    done = run(INTERRUPTED, "2")

    assert (-signal.SIGINT, "", "") == (done.returncode, done.stdout, done.stderr)


def test_a_process_that_has_torch_keeps_its_collector():
    """Here it has been imported long ago, and this process does other things too."""
    program = f"import torch, gc\n{IMPORTING}\nprint(gc.get_freeze_count())"

    assert ["True True False", "0"] == run(program).stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="kill ends a process at once there")
def test_the_code_is_the_exit_code_and_nothing_interrupts_the_end():
    """A Ctrl-C that comes while Python ends makes no traceback."""
    done = run(RUNNING, "--a", "b")

    assert (3, "['--a', 'b']\n", "") == (done.returncode, done.stdout, done.stderr)
