"""A sum tree: draws indices in proportion to their masses, and changes masses, many at once.

T. Schaul et al., "Prioritized Experience Replay", https://arxiv.org/abs/1511.05952, appendix
B.2.1. The paper's tree is binary. Here a node has 32 children and keeps their running sums, so
that a descent of a whole batch is two or three vectorised steps instead of twenty. The steps have
no branches that depend on the targets: a wrongly predicted one for each target and each comparison
would cost more than comparing with all children.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Masses = NDArray[np.float32]
Indices = NDArray[np.int64]

FAN_OUT = 32
MAX_ROOT = 2048
"""The root may have more children: summing up so many numbers costs less than one more level."""


class _Level:
    """Nodes of one height above the leaves, or above lower nodes.

    Attributes:
        children: masses of the children `[num_nodes * FAN_OUT]`, padded with zeros.
        before: for each node and child the sum of the masses of the children before it
            `[num_nodes, FAN_OUT]`; the first one is 0.
    """

    def __init__(self, num_children: int):
        self.num_nodes = -(-num_children // FAN_OUT)
        self.children: Masses = np.zeros(self.num_nodes * FAN_OUT, np.float32)
        self.by_node = self.children.reshape(self.num_nodes, FAN_OUT)
        self.before: Masses = np.zeros((self.num_nodes, FAN_OUT), np.float32)

    def refresh(self, nodes: Any) -> Masses:
        """Sum up some nodes again, and give their masses.

        Args:
            nodes: a slice, or indices `[n]` which may repeat.
        """
        # The sums of a node do not depend on which others are refreshed with it, so a tree is a
        # function of its masses, bit by bit, whatever its history.
        sums = torch.from_numpy(self.by_node[nodes]).cumsum(1).numpy()
        before = np.zeros(sums.shape, np.float32)
        before[:, 1:] = sums[:, :-1]
        self.before[nodes] = before
        return sums[:, -1]

    def descend(self, nodes: Indices, rest: Masses) -> Indices:
        """For a point in each of some nodes, the child that it belongs to.

        Args:
            nodes: `[n]`; is written over.
            rest: `[n]`, where in the line of masses of its node each point lies, `>= 0`.
        """
        beyond = self.before.take(nodes, axis=0) > rest[:, None]
        # 32 answers are the bits of one word. The first child is never beyond, so that rounding
        # cannot lead out of a node.
        num_beyond = np.bitwise_count(np.packbits(beyond).view(np.uint32))
        nodes *= FAN_OUT
        nodes += FAN_OUT - 1
        nodes -= num_beyond
        return nodes


class SumTree:
    """Masses `>= 0` of indices `0, 1, ..., capacity - 1`, all zero at first. Lives on the CPU.

    Args:
        capacity: number of indices.

    Attributes:
        masses: float32 `[capacity]`; read it, change it by `assign` and `assign_range`.
    """

    def __init__(self, capacity: int):
        self._levels: list[_Level] = []
        count = capacity
        while not self._levels or count > MAX_ROOT:
            self._levels.append(_Level(count))
            count = self._levels[-1].num_nodes
        self.masses: Masses = self._levels[0].children[:capacity]
        self._root: Floats = np.zeros(count)
        self._root_before: Floats = np.zeros(count + 1)  # of each child, and the total
        self._root_is_stale = False

    @property
    def total(self) -> float:
        """The sum of all masses."""
        return self._root_sums().item(-1)

    def assign(self, indices: Indices, masses: NDArray[np.floating]) -> None:
        """Give indices `[n]` new masses `[n]`; the last one counts where an index repeats."""
        self.masses[indices] = masses
        nodes = indices // FAN_OUT
        for depth, level in enumerate(self._levels):
            self._store(depth, nodes, level.refresh(nodes))
            nodes = nodes // FAN_OUT

    def assign_range(self, start: int, masses: NDArray[np.floating]) -> None:
        """Give `n` indices from `start` on new masses `[n]`."""
        end = start + len(masses)
        self.masses[start:end] = masses
        for depth, level in enumerate(self._levels):
            start, end = start // FAN_OUT, -(-end // FAN_OUT)
            nodes = slice(start, end)
            self._store(depth, nodes, level.refresh(nodes))

    def find(self, targets: Floats) -> tuple[Indices, Masses]:
        """The index that each point of the line of masses, put end to end, belongs to.

        Within the nodes below the root it is found with the precision of float32.

        Args:
            targets: `[n]` in `[0, total)`; ascending ones are found faster.

        Returns:
            The indices `[n]` and their masses `[n]`, which are positive if any is.
        """
        before = self._root_sums()
        found = before[1:-1].searchsorted(targets, side="right")
        rest = (targets - before.take(found)).astype(np.float32)
        for level in reversed(self._levels[1:]):
            found = level.descend(found, rest)
            rest -= level.before.take(found)
        found = self._levels[0].descend(found, rest)
        masses = self._levels[0].children.take(found)
        if np.count_nonzero(masses) < len(masses):
            found = self._with_mass(found, masses)
            masses = self.masses.take(found)
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

    def _store(self, depth: int, nodes: Any, masses: NDArray[np.floating]) -> None:
        """Write masses of nodes to where the next higher level has them as children."""
        if depth + 1 < len(self._levels):
            self._levels[depth + 1].children[nodes] = masses
        else:
            self._root[nodes] = masses
            self._root_is_stale = True

    def _root_sums(self) -> Floats:
        if self._root_is_stale:
            np.add.accumulate(self._root, out=self._root_before[1:])
            self._root_is_stale = False
        return self._root_before
