"""The last values of a quantity that episodes give one of each."""

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class MetricBuffer:
    """Keeps the last `max_len` values, numbers or arrays of one shape.

    Args:
        max_len: at least 1.
        dtype: a NumPy dtype.

    Raises:
        ValueError: if `max_len` is smaller than 1.
    """

    def __init__(self, max_len: int, dtype: npt.DTypeLike = np.float64):
        if max_len < 1:
            raise ValueError(f"a metric needs room for at least 1 value; max_len={max_len}")
        self._dtype = np.dtype(dtype)
        self._values: deque[Array] = deque(maxlen=max_len)

    def __len__(self) -> int:
        return len(self._values)

    def append(self, value: Any) -> None:
        """Add a value; the oldest one leaves a full buffer."""
        self._values.append(np.array(value, self._dtype))

    def extend(self, values: Iterable[Any]) -> None:
        """Add values `[n, ...]`, the last one last."""
        for value in values:
            self.append(value)

    def mean(self) -> Any:
        """The mean; NaN if there is no value."""
        return np.mean(self._values, axis=0)[()] if self._values else np.nan

    def std(self) -> Any:
        """The standard deviation of the values as they are; NaN if there is none."""
        return np.std(self._values, axis=0)[()] if self._values else np.nan

    def latest(self) -> Any:
        """The last value; NaN if there is none."""
        return self._values[-1][()] if self._values else np.nan

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()

    def tolist(self) -> list[Any]:
        """The values, oldest first, as Python numbers."""
        return [value.tolist() for value in self._values]
