"""How the person who watches ends a play early, and how what is being written outlives that."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopPlaying(Exception):  # noqa: N818 - not an error: the watcher has seen enough
    """Raised by a sink when the watcher asked to stop; what was played so far counts."""


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM wait until the end, and arrive there.

    They may come between any two instructions. Where several recordings take a frame, or one is
    being closed, half of that would leave recordings of different lengths, or one without its end.
    """
    waiting: list[tuple[Callable[[int, FrameType | None], object], int]] = []

    def wait(handler: Callable[[int, FrameType | None], object]) -> Callable[..., None]:
        return lambda number, frame: waiting.append((handler, number))

    with contextlib.ExitStack() as stack:
        stack.callback(_arrive, waiting)
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            # Only what is handled in Python can wait; the rest ends the process, or is ignored.
            if callable(handler):
                try:
                    signal.signal(number, wait(handler))
                except ValueError:  # not the main thread: signals never arrive here
                    break
                stack.callback(signal.signal, number, handler)
        yield


def _arrive(waiting: list[tuple[Callable[[int, FrameType | None], object], int]]) -> None:
    """Handles the first signal that waited, now that the handlers are what they were."""
    if waiting:
        handler, number = waiting[0]
        handler(number, None)
