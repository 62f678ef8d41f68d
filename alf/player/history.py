"""The values of an episode in bounded memory."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


class History:
    """Values and their steps; when there are too many, peaks and dips stay and the rest goes.

    Of each four values in a row the lowest and the highest stay, so that a curve of them looks the
    same. The newest value is always kept until the next one comes.

    Args:
        limit: how many values are kept at most, a multiple of 4.
    """

    def __init__(self, limit: int = 512):
        self._steps = np.empty(limit)
        self._values = np.empty(limit)
        self._count = 0

    @property
    def steps(self) -> Array:
        """The steps of `values`, rising, `[N]`."""
        return self._steps[: self._count]

    @property
    def values(self) -> Array:
        """What is kept, `[N]`."""
        return self._values[: self._count]

    def append(self, step: float, value: float) -> None:
        """Take in the next value; it may be missing (NaN)."""
        if self._count == len(self._steps):
            self._thin()
        self._steps[self._count] = step
        self._values[self._count] = value
        self._count += 1

    def _thin(self) -> None:
        fours = self._values.reshape(-1, 4)
        # What is missing counts as 0 here: a gap of a value or two may close.
        known = np.nan_to_num(fours)
        kept = np.sort(np.stack([known.argmin(1), known.argmax(1)], axis=1), axis=1)
        # Where all four are the same, the first and the last of them stay.
        kept[kept[:, 0] == kept[:, 1]] = (0, 3)
        index = (kept + 4 * np.arange(len(fours))[:, None]).reshape(-1)
        self._count = len(index)
        self._steps[: self._count] = self._steps[index]
        self._values[: self._count] = self._values[index]
