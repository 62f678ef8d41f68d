"""What came out of played episodes: returns, lengths, and their mean with its uncertainty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TERMINATED = "terminated"
TRUNCATED = "truncated"

# Two-sided 95 % points of Student's t for 1, 2, ... degrees of freedom: a handful of episodes is
# the rule, and with five of them the normal 1.96 would claim a third too much certainty.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class EpisodeResult:
    """One whole episode.

    Attributes:
        seed: what the environment was reset with; `None` if it went on with its own numbers.
        ret: sum of rewards without discount (of all components of a vector reward).
        length: actions taken.
        ended: `"terminated"` by the task itself, `"truncated"` by a time limit.
    """

    seed: int | None
    ret: float
    length: int
    ended: str

    def as_dict(self) -> dict[str, Any]:
        """For a report: `seed, return, length, ended`."""
        return {
            "seed": self.seed,
            "return": self.ret,
            "length": self.length,
            "ended": self.ended,
        }

    def __str__(self) -> str:
        end = "" if self.ended == TERMINATED else " (stopped by the time limit)"
        return f"return {self.ret:.2f}, {self.length} steps{end}"


def mean_and_ci95(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and half the width of its 95 % confidence interval by Student's t.

    Args:
        values: at least one.

    Returns:
        `(mean, half_width)`; the half width is `None` for a single value, which says nothing
        about its own spread.
    """
    n = len(values)
    if not n:
        raise ValueError("The mean of no episodes was asked for.")
    mean = math.fsum(values) / n
    if n == 1:
        return mean, None
    variance = math.fsum((v - mean) ** 2 for v in values) / (n - 1)
    return mean, _t95(n - 1) * math.sqrt(variance / n)


def _t95(freedom: int) -> float:
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    # First terms of the expansion around the normal point; right to 3 digits above 30.
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom)
