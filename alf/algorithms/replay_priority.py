"""How much a sequence of replayed experience has still to teach.

Schaul et al., "Prioritized Experience Replay", https://arxiv.org/abs/1511.05952
"""

import torch

from alf.data_structures import StepType


def sequence_priority(td_error: torch.Tensor, step_type: torch.Tensor) -> torch.Tensor:
    """The mean temporal difference error over those rows of a sequence that have a target.

    Args:
        td_error: absolute errors of all rows but the last, `[T - 1, B]`.
        step_type: `[T, B]`, integers.

    Returns:
        `[B]`, without gradient; 0 where no row counts.
    """
    valid = step_type[:-1] != StepType.LAST
    total = torch.where(valid, td_error.detach(), 0.0).sum(0)
    return total / valid.sum(0).clamp(min=1)
