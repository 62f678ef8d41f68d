"""Where the episodes end whose steps lie in a ring of rows."""

import numpy as np
from numpy.typing import NDArray

from alf.data_structures import StepType
from alf.replay.ring_storage import segments

Times = NDArray[np.int64]

_OPEN = np.iinfo(np.int64).max


class EpisodeEnds:
    """For each step of the newest `max_length` rows, the time of the last step of its episode.

    An episode ends with a step of type `LAST`. Each end is written once over its episode, so the
    whole costs a constant time a step, and looking up is one gather.

    Args:
        num_environments: `B`.
        max_length: `L`, how many rows are kept; the row of time `t` is `t % L`.
        start: time of the first row that will be read.

    Attributes:
        end: time of the first row that was not read yet.
    """

    def __init__(self, num_environments: int, max_length: int, start: int):
        self.end = start
        self._max_length = max_length
        self._ends = np.full((max_length, num_environments), _OPEN)
        self._starts = np.full(num_environments, start)  # of the episodes that have not ended

    def read(self, step_types: NDArray[np.int32]) -> None:
        """Take in the rows from `end` on.

        Args:
            step_types: `[T, B]`, `T <= max_length`.
        """
        start, count = self.end, len(step_types)
        times = np.arange(start, start + count)[:, None]
        is_last = step_types == StepType.LAST
        marks = np.where(is_last, times, _OPEN)
        ends = np.minimum.accumulate(marks[::-1])[::-1]
        self._write(start, ends)
        self.end = start + count
        for env in np.flatnonzero(is_last.any(0)):
            # Rows of the same episode that came before these, as far as they are still held.
            first = max(self._starts[env], self.end - self._max_length)
            for rows in segments(range(first, start), self._max_length):
                self._ends[rows, env] = ends[0, env]
            self._starts[env] = times[is_last[:, env]].max() + 1

    def of(self, env_ids: Times, positions: Times) -> Times:
        """The last step of the episode of each step; the newest one if it has not ended.

        Args:
            env_ids: `[N]`.
            positions: `[N]`, times of rows that were read and are held.
        """
        ends = self._ends[positions % self._max_length, env_ids]
        return np.minimum(ends, self.end - 1)

    def _write(self, start: int, ends: Times) -> None:
        done = 0
        for rows in segments(range(start, start + len(ends)), self._max_length):
            count = rows.stop - rows.start
            self._ends[rows] = ends[done : done + count]
            done += count
