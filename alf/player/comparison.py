"""Two plays of the same seeds, step by step: where they first part, and what came of it.

Reads the `.npz` files that `alf.player.numbers` writes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alf.errors import RenderError

Columns = Mapping[str, np.ndarray]
_ENDS = {0: "stopped", 1: "terminated", 2: "truncated"}


@dataclass(frozen=True)
class Outcome:
    """One side's episode.

    Attributes:
        ret: sum of rewards.
        length: actions taken.
        ended: `"terminated"`, `"truncated"`, or `"stopped"` where the play was cut short.
    """

    ret: float
    length: int
    ended: str


@dataclass(frozen=True)
class EpisodePair:
    """An episode of one seed, played by both sides.

    Attributes:
        seed: of the episode.
        a: what came of it on the first side.
        b: and on the second.
        parted: the first step whose action differs, or which only one side has; `None` if all are
            the same.
        actions: what each side did at that step, `(a, b)`; `None` if none differ.
        seen: the first step whose observation differs, as far as it was recorded; `None` likewise.
            Where it comes before `parted`, the environments differ, not the policies.
    """

    seed: int
    a: Outcome
    b: Outcome
    parted: int | None
    actions: tuple[list[float], list[float]] | None
    seen: int | None

    @property
    def is_same(self) -> bool:
        """Whether both sides did and saw the same from the first step to the last."""
        return self.parted is None and self.seen is None

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """The columns of a recorded play.

    Raises:
        RenderError: there is no such file, or it is no recording.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise RenderError(f"The recorded play {path} cannot be read: {error}.") from None
    if "episode" not in columns or "return" not in columns:
        raise RenderError(f"{path} is no recorded play: it has the columns {sorted(columns)}.")
    return columns


def episode_rows(columns: Columns) -> Iterator[slice]:
    """The rows of each episode, in the order in which they were played."""
    starts = np.flatnonzero(columns["step"] == 0)
    ends = [*starts[1:], len(columns["step"])]
    for start, end in zip(starts, ends, strict=True):
        yield slice(int(start), int(end))


def compare_plays(a: Columns, b: Columns) -> list[EpisodePair]:
    """Each episode that both sides played, by its number.

    Args:
        a: columns of one play.
        b: columns of another, of the same seeds.
    """
    pairs = zip(episode_rows(a), episode_rows(b), strict=False)
    return [_pair(_rows(a, first), _rows(b, second)) for first, second in pairs]


def _pair(a: Columns, b: Columns) -> EpisodePair:
    # At the last row an episode has ended: that action is not taken any more.
    parted = _first_difference(a, b, "action/", taken=True)
    actions = None
    if parted is not None:
        actions = (_action(a, parted), _action(b, parted))
    return EpisodePair(
        seed=int(a["seed"][0]),
        a=_outcome(a),
        b=_outcome(b),
        parted=parted,
        actions=actions,
        seen=_first_difference(a, b, "observation/", taken=False),
    )


def _first_difference(a: Columns, b: Columns, prefix: str, *, taken: bool) -> int | None:
    """The first row where columns of a kind differ, or which one side does not have."""
    lengths = [len(side["step"]) - taken for side in (a, b)]
    common = min(lengths)
    first = common if lengths[0] != lengths[1] else None
    for name in sorted(n for n in a if n.startswith(prefix)):
        if name not in b or a[name].shape[1:] != b[name].shape[1:]:
            return 0
        differs = a[name][:common] != b[name][:common]
        differs &= ~(np.isnan(a[name][:common]) & np.isnan(b[name][:common]))
        rows = np.flatnonzero(differs.any(axis=1))
        if len(rows):
            first = int(rows[0]) if first is None else min(first, int(rows[0]))
    return first


def _action(columns: Columns, step: int) -> list[float]:
    names = sorted(name for name in columns if name.startswith("action/"))
    if step >= len(columns["step"]) - 1:
        return []
    return [float(number) for name in names for number in columns[name][step]]


def _outcome(columns: Columns) -> Outcome:
    last = len(columns["step"]) - 1
    ended = _ENDS.get(int(columns["ended"][last]), "stopped")
    return Outcome(float(columns["return"][last]), int(columns["step"][last]), ended)


def _rows(columns: Columns, rows: slice) -> Columns:
    return {name: column[rows] for name, column in columns.items()}
