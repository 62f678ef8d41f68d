"""A sum tree: draws indices in proportion to their masses, and changes masses, many at once.

T. Schaul et al., "Prioritized Experience Replay", https://arxiv.org/abs/1511.05952, appendix
B.2.1. The paper's tree is binary. Here a node has 32 children and keeps their running sums, so
that a descent of a whole batch is two or three vectorised steps instead of twenty.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FAN_OUT = 32
MAX_ROOT = 2048
"""The root may have more children: summing up so many numbers costs less than one more level."""


class _Level:
    """Nodes of one height above the leaves, or above lower nodes.

    Attributes:
        children: masses of the children `[num_nodes * FAN_OUT]`, padded with zeros.
        running: for each node the inclusive running sums of its children
            `[num_nodes, FAN_OUT]`; the last one is the mass of the node.
    """

    def __init__(self, num_children: int):
        num_nodes = -(-num_children // FAN_OUT)
        self.children: Floats = np.zeros(num_nodes * FAN_OUT)
        self.by_node = self.children.reshape(num_nodes, FAN_OUT)
        self.running: Floats = np.zeros((num_nodes, FAN_OUT))

    def refresh(self, nodes: Any) -> Floats:
        """Sum up some nodes again, and give their masses.

        Args:
            nodes: a slice, or indices `[n]` which may repeat.
        """
        # The sums of a node do not depend on which others are refreshed with it, so a tree is a
        # function of its masses, bit by bit, whatever its history.
        rows = torch.from_numpy(self.by_node[nodes]).cumsum(1).numpy()
        self.running[nodes] = rows
        return rows[:, -1]


class SumTree:
    """Masses `>= 0` of indices `0, 1, ..., capacity - 1`, all zero at first. Lives on the CPU.

    Args:
        capacity: number of indices.

    Attributes:
        masses: float64 `[capacity]`; read it, change it by `assign` and `assign_range`.
    """

    def __init__(self, capacity: int):
        self._levels: list[_Level] = []
        count = capacity
        while not self._levels or count > MAX_ROOT:
            self._levels.append(_Level(count))
            count = len(self._levels[-1].running)
        self.masses: Floats = self._levels[0].children[:capacity]
        self._root: Floats = np.zeros(count)
        self._root_running: Floats = np.zeros(count)
        self._root_is_stale = False

    @property
    def total(self) -> float:
        """The sum of all masses."""
        return float(self._root_sums()[-1])

    def assign(self, indices: Indices, masses: Floats) -> None:
        """Give indices `[n]` new masses `[n]`; the last one counts where an index repeats."""
        self.masses[indices] = masses
        nodes = indices // FAN_OUT
        for depth, level in enumerate(self._levels):
            self._store(depth, nodes, level.refresh(nodes))
            nodes = nodes // FAN_OUT

    def assign_range(self, start: int, masses: Floats) -> None:
        """Give `n` indices from `start` on new masses `[n]`."""
        end = start + len(masses)
        self.masses[start:end] = masses
        for depth, level in enumerate(self._levels):
            start, end = start // FAN_OUT, -(-end // FAN_OUT)
            nodes = slice(start, end)
            self._store(depth, nodes, level.refresh(nodes))

    def find(self, targets: Floats) -> tuple[Indices, Floats]:
        """The index that each point of the line of masses, put end to end, belongs to.

        Args:
            targets: `[n]` in `[0, total)`; ascending ones are found faster.

        Returns:
            The indices `[n]` and their masses `[n]`, which are positive if any is.
        """
        running = self._root_sums()
        found = running.searchsorted(targets, side="right")
        np.minimum(found, len(running) - 1, out=found)
        rest = targets - running.take(found)
        masses = self._root.take(found)
        for level in reversed(self._levels):
            rest += masses
            rows = level.running.take(found, axis=0)
            found *= FAN_OUT
            found += (rows > rest[:, None]).argmax(axis=1)
            rest -= level.running.take(found)
            masses = level.children.take(found)
        if len(masses) and masses.min() <= 0:
            found = self._with_mass(found, masses)
            masses = self.masses.take(found)
        return found, masses

    def _with_mass(self, found: Indices, masses: Floats) -> Indices:
        """The same with a neighbour in place of each index that has no mass.

        Rounding can lead to one when a target lies within some 1e-16 of the end of a node.
        """
        positive = np.flatnonzero(self.masses > 0)
        if not len(positive):
            return found.clip(max=len(self.masses) - 1)
        nearest = positive.searchsorted(found).clip(max=len(positive) - 1)
        return np.where(masses > 0, found, positive[nearest])

    def _store(self, depth: int, nodes: Any, masses: Floats) -> None:
        """Write masses of nodes to where the next higher level has them as children."""
        if depth + 1 < len(self._levels):
            self._levels[depth + 1].children[nodes] = masses
        else:
            self._root[nodes] = masses
            self._root_is_stale = True

    def _root_sums(self) -> Floats:
        if self._root_is_stale:
            np.add.accumulate(self._root, out=self._root_running)
            self._root_is_stale = False
        return self._root_running
