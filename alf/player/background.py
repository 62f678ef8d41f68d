"""Work on pictures beside the play: a thread that takes them in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

Work = Callable[[np.ndarray], None]

_WAITING = 3
"""Pictures that may wait, so that a slow one does not hold up the play at once."""


class Background:
    """Calls a function with copies of pictures, one after the other, in a thread of its own.

    Encoders work outside of Python's lock, so on a second core they cost the play nothing but a
    copy. No more than a few pictures wait: then `put` does too, and memory stays bounded.

    Args:
        work: called with each picture in the thread; it may not keep it. After it failed once it is
            not called any more.
    """

    def __init__(self, work: Work):
        self._work = work
        self._failed = False
        self._thread: ThreadPoolExecutor | None = None
        self._pending: deque[tuple[Future[None], np.ndarray]] = deque()

    def put(self, picture: np.ndarray) -> None:
        """Take the next picture, all of one shape; waits while too many others do.

        Raises:
            Exception: what the work on an earlier picture raised.
        """
        if self._failed:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")
        buffer = (
            np.empty_like(picture, order="C") if len(self._pending) < _WAITING else self._take()
        )
        np.copyto(buffer, picture)
        self._pending.append((self._thread.submit(self._work, buffer), buffer))

    def finish(self) -> None:
        """Wait until all pictures are worked on, and end the thread; also more than once.

        Raises:
            Exception: what the work on a picture raised.
        """
        while self._pending and not self._failed:
            self._take()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None

    def _take(self) -> np.ndarray:
        """The memory of the oldest picture, when it is worked on."""
        # First waits and changes nothing: Ctrl-C here is no failure of the work.
        future, buffer = self._pending[0]
        self._failed = future.exception() is not None
        self._pending.popleft()
        future.result()
        return buffer
