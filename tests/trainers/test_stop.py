"""Signals during training: what they ask for, whenever they come."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends itself POSIX signals")

# Its log goes to a file to which each write is interrupted by a signal.
PROGRAM = """
import io, signal, sys
from absl import logging
from alf.bin import command
from alf.trainers.stop import StopSignals

class Interrupting(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        signal.raise_signal(signal.SIGTERM)
        return len(data)

command.start_logging()
sys.stderr = io.TextIOWrapper(io.BufferedWriter(Interrupting()), line_buffering=True)
logging.get_absl_handler().python_handler.setStream(sys.stderr)
with StopSignals() as signals:
    logging.info("a line")
print("stopped by", signals.stop.name)
"""


def test_a_signal_in_the_middle_of_a_line():
    """It asks for a stop like any other: training goes on until it has saved."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )

    assert "stopped by SIGTERM\n" == done.stdout, done.stderr
