"""Tells how far a long capture is."""

import time
from collections.abc import Callable

_SECONDS = 1.0


class Progress:
    """Gives a line a second; short captures say nothing.

    Args:
        what: what is done with the files, for example `stored`.
        files: how many there are.
        size: their size together, in bytes; 0 where nobody knows.
        report: gets the lines, or None.
    """

    def __init__(
        self, what: str, files: int, size: int = 0, report: Callable[[str], None] | None = None
    ):
        self._what = what
        self._files = files
        self._size = size
        self._report = report
        self._done = 0
        self._done_size = 0
        self._due = time.monotonic() + _SECONDS

    def next(self, size: int = 0) -> None:
        """Call it before each file, with its size in bytes where that is known."""
        if self._report is not None and time.monotonic() >= self._due:
            line = f"snapshot  {self._what}: {self._done:,} of {self._files:,} files"
            if self._size:
                line += f", {self._done_size / 1e6:,.0f} of {self._size / 1e6:,.0f} MB"
            self._report(line)
            self._due = time.monotonic() + _SECONDS
        self._done += 1
        self._done_size += size
