"""How the leaves of one time step lie side by side in one record, so that one gather fetches all.

A record is a row of 8-byte words. Leaves keep their dtype, bit by bit; they are sorted by the
size of their elements, so that each begins at a multiple of that size.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import optree
import torch

from alf.errors import UsageError

WORD = torch.int64
_WORD_BYTES = 8


_Place = tuple[int, tuple[int, ...], tuple[int, ...], int]
"""Of a view: which dtype, and its shape, strides and offset in elements."""


class Leaf(NamedTuple):
    """A tensor of the nest.

    Attributes:
        name: its dotted path, with the parameters of distributions.
        dtype: its dtype.
        shape: its shape without batch dimensions.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes in one record."""
        return math.prod(self.shape) * self.dtype.itemsize


class RecordLayout:
    """Where each leaf lies in a record.

    Args:
        leaves: in the order of the flattened nest.

    Attributes:
        num_words: 8-byte words in a record, at least 1.

    Raises:
        UsageError: for a dtype whose elements are larger than 8 bytes.
    """

    def __init__(self, leaves: Sequence[Leaf]):
        self.leaves = tuple(leaves)
        self._offsets = [0] * len(self.leaves)  # in elements of the leaf
        end = 0
        largest_first = sorted(enumerate(self.leaves), key=lambda item: -item[1].dtype.itemsize)
        for index, leaf in largest_first:
            if leaf.dtype.itemsize > _WORD_BYTES:
                raise UsageError(
                    f"a replay buffer cannot hold '{leaf.name}' of {leaf.dtype}: its elements "
                    f"have {leaf.dtype.itemsize} bytes, at most {_WORD_BYTES} are possible. "
                    f"Store its parts as separate tensors"
                )
            self._offsets[index] = end // leaf.dtype.itemsize
            end += leaf.num_bytes
        self.num_words = max(1, -(-end // _WORD_BYTES))
        self._dtypes = list(dict.fromkeys(leaf.dtype for leaf in self.leaves))
        self._places: dict[tuple[int, ...], list[_Place]] = {}  # by the outer shape

    def unpack(self, records: torch.Tensor) -> list[torch.Tensor]:
        """The leaves as views of the records: writing to one writes to the record.

        Args:
            records: contiguous int64 `[..., num_words]`, the beginning of its storage.

        Returns:
            Tensors `[..., *shape]`, in the order of the nest; strided, not contiguous.
        """
        outer = tuple(records.shape[:-1])
        if outer not in self._places:
            self._places[outer] = [self._place(i, outer) for i in range(len(self.leaves))]
        typed = [records.view(dtype) for dtype in self._dtypes]
        return [
            typed[k].as_strided(shape, strides, offset)
            for k, shape, strides, offset in self._places[outer]
        ]

    def _place(self, index: int, outer: tuple[int, ...]) -> _Place:
        leaf = self.leaves[index]
        per_word = _WORD_BYTES // leaf.dtype.itemsize
        steps = _contiguous_strides((*outer, self.num_words * per_word))[:-1]
        shape = outer + leaf.shape
        strides = steps + _contiguous_strides(leaf.shape)
        return self._dtypes.index(leaf.dtype), shape, strides, self._offsets[index]


def _contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def described(
    leaves: list[Any], structure: optree.PyTreeSpec, num_environments: int
) -> tuple[Leaf, ...]:
    """What each leaf of a row is called and looks like."""
    found: list[Leaf] = []
    for accessor, leaf in zip(structure.accessors(), leaves, strict=True):
        name = ".".join(str(getattr(entry, "field", entry.entry)) for entry in accessor)
        if not isinstance(leaf, torch.Tensor) or leaf.shape[:1] != (num_environments,):
            got = list(leaf.shape) if isinstance(leaf, torch.Tensor) else type(leaf).__name__
            raise UsageError(
                f"a replay buffer of {num_environments} environments holds tensors of as many "
                f"rows; '{name}' is {got}"
            )
        found.append(Leaf(name, leaf.dtype, tuple(leaf.shape[1:])))
    return tuple(found)


def listed(leaves: Sequence[Leaf]) -> str:
    """Leaves in one line, for messages."""
    return ", ".join(
        f"{leaf.name} {str(leaf.dtype).removeprefix('torch.')}{list(leaf.shape)}" for leaf in leaves
    )
