"""Work beside the play: a thread that takes items in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")

_WAITING = 3
"""Items that may wait, so that a slow one does not hold up the play at once."""


class Background(Generic[Item]):
    """Calls a function with items, one after the other, in a thread of its own.

    Drawing and encoding work outside of Python's lock for the most part, so on a second core they
    cost the play little. No more than a few items wait: then `put` does too, and memory stays
    bounded.

    Args:
        work: called with each item in the thread. After it failed once it is not called any more.
    """

    def __init__(self, work: Callable[[Item], None]):
        self._work = work
        self._failed = False
        self._thread: ThreadPoolExecutor | None = None
        self._pending: deque[tuple[Future[None], Item]] = deque()

    def put(self, item: Item) -> Item | None:
        """Take the next item; waits while too many others do.

        Returns:
            An earlier one, which is worked on: its memory may be used again. `None` while there is
            none.

        Raises:
            Exception: what the work on an earlier item raised.
        """
        if self._failed:
            return None
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")
        done = self._take() if len(self._pending) >= _WAITING else None
        self._pending.append((self._thread.submit(self._work, item), item))
        return done

    def finish(self) -> None:
        """Wait until all items are worked on, and end the thread; also more than once.

        Raises:
            Exception: what the work on an item raised.
        """
        while self._pending and not self._failed:
            self._take()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None

    def _take(self) -> Item:
        """The oldest item, when it is worked on."""
        # First waits and changes nothing: Ctrl-C here is no failure of the work.
        future, item = self._pending[0]
        self._failed = future.exception() is not None
        self._pending.popleft()
        future.result()
        return item
