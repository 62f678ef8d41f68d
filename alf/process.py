"""How a process that runs a command loads its code, and how it ends.

Importing torch makes some hundred thousand objects, all of which stay until the process ends.
Python's garbage collector would go through them many times while they are imported, and once more
at the end: half of the time of a short command.

A signal that Python turns into an exception breaks imports: a package may take it for a missing
part of itself, go on without that part, and fail later.
"""

import contextlib
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Inside, much is imported for good: no garbage is looked for, and what stays is never again.

    SIGINT and SIGTERM are heeded where the imports end; a second one ends the process at once.

    Where torch has been imported before, nothing is changed: the garbage of a process that does
    other things too must not stay for ever.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        with _heeding_signals_later():
            yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _heeding_signals_later() -> Iterator[None]:
    """Inside, what would raise an exception waits; a signal that ends a process still ends it."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        came.append(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def run(function: Callable[[Sequence[str]], int]) -> None:
    """Runs a command's `main(argv)` with the process's arguments and exits with its code."""
    code = function(sys.argv[1:])
    # All is done: an impatient second Ctrl-C would only make a traceback of Python's own ending.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # the system takes all memory back at once; Python would look through it first
    sys.exit(code)
