"""How a process that runs a command loads its code, and how it ends.

Importing torch makes some hundred thousand objects, all of which stay until the process ends.
Python's garbage collector would go through them many times while they are imported, and once more
at the end: half of the time of a short command.
"""

import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Iterator, Sequence


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Inside, much is imported for good: no garbage is looked for, and what stays is never again.

    Where torch has been imported before, nothing is changed: the garbage of a process that does
    other things too must not stay for ever.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def run(function: Callable[[Sequence[str]], int]) -> None:
    """Runs a command's `main(argv)` with the process's arguments and exits with its code."""
    code = function(sys.argv[1:])
    # All is done: an impatient second Ctrl-C would only make a traceback of Python's own ending.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # the system takes all memory back at once; Python would look through it first
    sys.exit(code)
