"""A sum tree: draws indices in proportion to their masses, and changes masses, many at once.

T. Schaul et al., "Prioritized Experience Replay", https://arxiv.org/abs/1511.05952, appendix
B.2.1. The paper's tree is binary. Here a node has 32 children and keeps their running sums, so
that two or three comparisons with a whole node lead to a leaf, instead of twenty with one number.

The loops are compiled where a C compiler was there when `alf` was installed. Else they are
vectorised: slower, and equal to the bit.
"""

import numpy as np

from alf.replay import _sum_tree_numpy as vectorised

try:
    from alf.replay import _sum_tree_compiled as loops
except ImportError:  # no compiler, or this copy of the package was made on another kind of machine
    loops = vectorised

FAN_OUT = vectorised.FAN_OUT
MAX_ROOT = 2048
"""The root may have more children: summing up so many numbers costs less than one more level."""

Floats = vectorised.Floats
Indices = vectorised.Indices
Masses = vectorised.Masses


class SumTree:
    """Masses `>= 0` of indices `0, 1, ..., capacity - 1`, all zero at first. Lives on the CPU.

    Args:
        capacity: number of indices.

    Attributes:
        masses: float32 `[capacity]`; read it, change it by `assign` and `assign_range`.
    """

    def __init__(self, capacity: int):
        sizes: list[int] = []
        count = capacity
        while not sizes or count > MAX_ROOT:
            count = -(-count // FAN_OUT)
            sizes += [count * FAN_OUT, count * FAN_OUT]  # children, and the sums before them
        # One piece of memory: from some size on numpy asks for large pages, which are faster.
        memory: Masses = np.zeros(sum(sizes) + count, np.float32)
        parts = np.split(memory, np.cumsum(sizes))
        self._arrays: vectorised.Arrays = (*parts, np.zeros(count + 1))
        self.masses: Masses = parts[0][:capacity]
        self._total: float | None = 0.0

    @property
    def total(self) -> float:
        """The sum of all masses."""
        if self._total is None:
            self._total = loops.accumulate(self._arrays)
        return self._total

    def assign(self, indices: Indices, masses: Masses) -> None:
        """Give indices `[n]` new masses `[n]`; the last one counts where an index repeats."""
        loops.assign(self._arrays, indices, masses)
        self._total = None

    def assign_range(self, start: int, masses: Masses) -> None:
        """Give `n` indices from `start` on new masses `[n]`."""
        loops.assign_range(self._arrays, start, masses)
        self._total = None

    def draw(self, points: Floats, unit: float = 0.0) -> tuple[Indices, Masses]:
        """One index from each of `n` equal parts of the line of masses, put end to end.

        Within the nodes below the root it is found with the precision of float32.

        Args:
            points: where in its part each point lies, `[n]` in `[0, 1)`; they are written over.
            unit: what masses are given in; 0 for the smallest that is found.

        Returns:
            The indices `[n]` and their masses `[n]` in units, which are positive if any is.
        """
        found = np.empty(len(points), np.int64)
        masses = np.empty(len(points), np.float32)
        if self._total is None:
            self._total = loops.accumulate(self._arrays)
        if not loops.draw(self._arrays, points, unit, found, masses):
            found = self._with_mass(found, masses)
            masses = self.masses.take(found)
            if self._total > 0:
                masses /= unit or masses.min(initial=np.inf)
        return found, masses

    def _with_mass(self, found: Indices, masses: Masses) -> Indices:
        """The same with a neighbour in place of each index that has no mass.

        Rounding can lead to one when a target lies within some 1e-7 of the end of a node.
        """
        positive = np.flatnonzero(self.masses > 0)
        if not len(positive):
            return found.clip(max=len(self.masses) - 1)
        nearest = positive.searchsorted(found).clip(max=len(positive) - 1)
        return np.where(masses > 0, found, positive[nearest])
