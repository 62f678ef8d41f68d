"""The loops of a sum tree, vectorised: for machines on which they could not be compiled.

`_sum_tree_compiled.c` has the same functions and gives the same bits, several times faster. Both
work on the arrays of a tree: `(children, before)` of each level from the leaves up, then
`(children, before)` of the root.

- `children`, float32: masses of the children of all nodes of a level, `FAN_OUT` for each, padded
  with zeros; of the root, one for each node of the level below.
- `before`: for each child the sum of the masses before it in its node; float32. That of the root is
  float64, with the total as one more element at the end.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]
Indices = NDArray[np.int64]
Masses = NDArray[np.float32]
Floats = NDArray[np.float64]

FAN_OUT = 32


def assign(arrays: Arrays, indices: Indices, masses: Masses) -> None:
    """Give leaves `[n]` new masses `[n]`; the last one counts where a leaf repeats.

    Raises:
        IndexError: if there is no such leaf.
    """
    if indices.min(initial=0) < 0:
        raise IndexError("no such index in the tree")
    arrays[0][indices] = masses
    nodes = indices
    for depth in range(0, len(arrays) - 2, 2):
        nodes = nodes // FAN_OUT
        _refresh(arrays, depth, nodes)


def assign_range(arrays: Arrays, start: int, masses: Masses) -> None:
    """Give `n` leaves from `start` on new masses `[n]`.

    Raises:
        IndexError: if there are not as many leaves.
    """
    end = start + len(masses)
    if start < 0 or end > len(arrays[0]):
        raise IndexError("no such range in the tree")
    arrays[0][start:end] = masses
    for depth in range(0, len(arrays) - 2, 2):
        start, end = start // FAN_OUT, -(-end // FAN_OUT)
        _refresh(arrays, depth, slice(start, end))


def accumulate(arrays: Arrays) -> float:
    """Bring `before` of the root up to date, and give the total."""
    np.add.accumulate(arrays[-2], dtype=np.float64, out=arrays[-1][1:])
    return arrays[-1].item(-1)


def draw(arrays: Arrays, points: Floats, unit: float, found: Indices, masses: Masses) -> bool:
    """One leaf from each of `n` equal parts of the line of masses, put end to end.

    Args:
        arrays: of the tree; `accumulate` has been called since the last change.
        points: where in its part each point lies, `[n]` in `[0, 1)`; written over by where in the
            line that is.
        unit: what masses are given in; 0 for the smallest that is found.
        found: where the leaves are written, `[n]`.
        masses: where their masses are written, `[n]`.

    Returns:
        Whether all masses are positive. If not, they are not divided by the unit.
    """
    count = len(points)
    points += np.arange(float(count))
    points *= arrays[-1][-1] / max(count, 1)
    before = arrays[-1]
    nodes = before[1:-1].searchsorted(points, side="right")
    rest = (points - before.take(nodes)).astype(np.float32)
    for depth in range(len(arrays) - 4, -1, -2):
        before = arrays[depth + 1]
        nodes = _descend(before, nodes, rest)
        if depth:
            # Rounding can lead to a child of the last node that is padding, and no node below.
            np.minimum(nodes, len(arrays[depth - 1]) // FAN_OUT - 1, out=nodes)
            rest -= before.take(nodes)
    found[:] = nodes
    arrays[0].take(nodes, out=masses)
    smallest = masses.min(initial=np.inf)
    if not count or smallest <= 0:
        return False
    masses /= unit or smallest
    return True


def _refresh(arrays: Arrays, depth: int, nodes: Any) -> None:
    """Sum up the children of some nodes again, and write their masses to the level above.

    The sums of a node do not depend on which others are refreshed with it, so a tree is a function
    of its masses, bit by bit, whatever its history.
    """
    # Like the compiled loop, torch sums up from left to right and in double precision.
    sums = torch.from_numpy(arrays[depth].reshape(-1, FAN_OUT)[nodes]).cumsum(1).numpy()
    before = np.zeros(sums.shape, np.float32)
    before[:, 1:] = sums[:, :-1]
    arrays[depth + 1].reshape(-1, FAN_OUT)[nodes] = before
    arrays[depth + 2][nodes] = sums[:, -1]


def _descend(before: Masses, nodes: Indices, rest: Masses) -> Indices:
    """For a point in each of some nodes, the child that it belongs to.

    Args:
        before: of the level.
        nodes: `[n]`; is written over.
        rest: `[n]`, where in the line of masses of its node each point lies, `>= 0`.
    """
    beyond = before.reshape(-1, FAN_OUT).take(nodes, axis=0) > rest[:, None]
    # 32 answers are the bits of one word. The first child is never beyond, so that rounding cannot
    # lead out of a node. There are no branches that depend on the targets: a wrongly predicted one
    # would cost more than comparing with all children.
    num_beyond = np.bitwise_count(np.packbits(beyond).view(np.uint32))
    nodes *= FAN_OUT
    nodes += FAN_OUT - 1
    nodes -= num_beyond
    return nodes
