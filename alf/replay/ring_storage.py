"""The memory of a replay buffer: a ring of rows, each one record for every environment."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alf.replay.record_layout import WORD, RecordLayout

# One call copies a list of tensors; torch's optimizers are built on it.
_copy_all: Any = torch._foreach_copy_  # pyright: ignore[reportPrivateImportUsage]


def gather_vectorised(records: NDArray[Any], slots: NDArray[Any], out: NDArray[Any]) -> None:
    """Copy the records `[n, ...]` of slots `[...]` in `[0, 2 n)`, going round, to `[..., *]`."""
    records.take(slots, axis=0, out=out, mode="wrap")


try:
    from alf.replay._gather_compiled import gather as _gather
except ImportError:  # no compiler, or this copy of the package was made on another kind of machine
    _gather = gather_vectorised


class RingStorage:
    """`max_length` rows of `num_environments` records.

    The row of time `t` is `t % max_length`; environment `b` of it is slot
    `row * num_environments + b`. Memory is touched only where rows are written.

    Args:
        layout: of a record.
        num_environments: `B`.
        max_length: `L`.
        device: where it lies.
    """

    def __init__(
        self, layout: RecordLayout, num_environments: int, max_length: int, device: torch.device
    ):
        self.layout = layout
        self.max_length = max_length
        self.num_slots = max_length * num_environments
        self.device = device
        shape = (max_length, num_environments, layout.num_words)
        self._rows = torch.zeros(shape, dtype=WORD, device=device)
        self._slots = self._rows.view(-1, layout.num_words)
        self._staging = torch.zeros(shape[1:], dtype=WORD, device=device)
        self._staged = layout.unpack(self._staging)
        # On the CPU the same memory seen through numpy, which is quicker on small arrays.
        self._on_cpu = device.type == "cpu"
        if self._on_cpu:
            self._rows_array = self._rows.numpy()
            self._slots_array = self._slots.numpy()
            self._staging_array = self._staging.numpy()

    def write_row(self, time: int, leaves: Sequence[torch.Tensor]) -> None:
        """Store the leaves `[B, ...]` of one row, which carry no gradient."""
        if leaves:
            _copy_all(self._staged, leaves)
        if self._on_cpu:
            self._rows_array[time % self.max_length] = self._staging_array
        else:
            self._rows[time % self.max_length].copy_(self._staging)

    def write_rows(self, time: int, leaves: Sequence[torch.Tensor]) -> None:
        """Store the leaves `[T, B, ...]` of rows from `time` on; `T <= max_length`."""
        num_rows = leaves[0].shape[0]
        packed = torch.zeros((num_rows, *self._staging.shape), dtype=WORD, device=self.device)
        _copy_all(self.layout.unpack(packed), leaves)
        done = 0
        for rows in segments(range(time, time + num_rows), self.max_length):
            count = rows.stop - rows.start
            self._rows[rows] = packed[done : done + count]
            done += count

    def gather(self, slots: NDArray[np.int64], out: Any) -> None:
        """Copy records to `out`.

        Args:
            slots: `[T, B]` in `[0, 2 * num_slots)`; those beyond the end go on at the beginning.
            out: what `target` gave for memory of `[T, B, num_words]`.
        """
        if self._on_cpu:
            _gather(self._slots_array, slots, out)
        else:
            indices = torch.from_numpy(slots.reshape(-1) % self.num_slots).to(self.device)
            torch.index_select(self._slots, 0, indices, out=out.view(-1, out.shape[-1]))

    def target(self, records: torch.Tensor) -> Any:
        """The memory of a batch as `gather` wants it: an array on the CPU, else a tensor."""
        return records.numpy() if self._on_cpu else records

    def empty_batch(self, length: int, batch_size: int) -> torch.Tensor:
        """Memory for `gather`."""
        shape = (length, batch_size, self.layout.num_words)
        return torch.empty(shape, dtype=WORD, device=self.device)

    def read(self, leaf: int, times: range) -> torch.Tensor:
        """One leaf `[len(times), B, ...]`; a view, unless the times go round the ring."""
        view = self.layout.unpack(self._rows)[leaf]
        parts = [view[rows] for rows in segments(times, self.max_length)]
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts or [view[:0]])


def segments(times: range, max_length: int) -> Iterator[slice]:
    """The one or two ranges of rows of a ring that consecutive times lie in, in order."""
    start, left = times.start % max_length, len(times)
    while left > 0:
        end = min(start + left, max_length)
        yield slice(start, end)
        left -= end - start
        start = 0
