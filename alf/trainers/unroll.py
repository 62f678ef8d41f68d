"""Storage for the steps of one unroll, preallocated once and written over by the next."""

from typing import Any

import torch

from alf.distributions import flatten_params, unflatten_params

# One call copies a list of tensors; torch's optimizers are built on it.
_copy_all = torch._foreach_copy_  # pyright: ignore[reportPrivateImportUsage]


class UnrollBuffer:
    """`[T, B, ...]` storage for nests `[B, ...]` of one structure.

    Distributions in the nest are stored as their parameters. The tensors are allocated at the
    first write, when their shapes are known.

    Args:
        num_rows: `T`.
    """

    def __init__(self, num_rows: int):
        self._num_rows = num_rows
        self._treedef: Any = None
        self._tensors: list[torch.Tensor] = []
        self._rows: list[list[torch.Tensor]] = []

    def write(self, row: int, nest: Any) -> None:
        """Copy a nest into a row; tensors keep no gradient."""
        leaves, treedef = flatten_params(nest)
        if self._treedef is None:
            self._allocate(leaves, treedef)
        assert treedef == self._treedef, f"{treedef} written where {self._treedef} was"
        if leaves:
            _copy_all(self._rows[row], leaves)

    def repeat_row(self, source: int, target: int) -> None:
        """Copy one row over another."""
        if self._tensors:
            _copy_all(self._rows[target], self._rows[source])

    def read(self) -> Any:
        """The nest of `[T, B, ...]`; its tensors are the storage itself."""
        return unflatten_params(self._treedef, self._tensors)

    def _allocate(self, leaves: list[torch.Tensor], treedef: Any) -> None:
        self._treedef = treedef
        self._tensors = [
            torch.zeros((self._num_rows, *leaf.shape), dtype=leaf.dtype, device=leaf.device)
            for leaf in leaves
        ]
        self._rows = [[tensor[row] for tensor in self._tensors] for row in range(self._num_rows)]
