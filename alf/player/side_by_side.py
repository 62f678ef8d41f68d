"""A film of two plays of the same seeds beside each other, in step.

    +-------------------------+-------------------------+
    | ckpt-40, its own code   | ckpt-40, today's code   |
    +-------------------------+-------------------------+
    |                         |                         |
    |  the picture of a       |  the picture of b       |
    |                         |                         |
    +-------------------------+-------------------------+

Whichever episode ends first shows its last picture until the other has ended too. From the step on
where the actions part, both headings say so.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from alf.errors import RenderError
from alf.player.comparison import Columns, EpisodePair, episode_rows
from alf.player.places import PATTERN
from alf.player.sinks import Sink
from alf.summary.render import theme
from alf.summary.render.canvas import Canvas

GUTTER = 8
HEADING = 40


class SideBySide:
    """Puts the pictures of two sides beside each other.

    Args:
        labels: what stands above each side.
        first: the first picture of each side, uint8 `[H, W, 3]`.
    """

    def __init__(self, labels: tuple[str, str], first: tuple[np.ndarray, np.ndarray]):
        self._labels = labels
        height = max(picture.shape[0] for picture in first)
        widths = [picture.shape[1] for picture in first]
        self._lefts = (GUTTER, 2 * GUTTER + widths[0])
        self._widths = widths
        shape = (height + HEADING + 2 * GUTTER, sum(widths) + 3 * GUTTER)
        self._size = (shape[0] + shape[0] % 2, shape[1] + shape[1] % 2)

    def compose(
        self, pictures: tuple[np.ndarray, np.ndarray], notes: tuple[str, str]
    ) -> np.ndarray:
        """One picture of both sides.

        Args:
            pictures: uint8 `[H, W, 3]` each, of the size of each side's first.
            notes: what is to be said of each side at this step.
        """
        canvas = Canvas.blank(self._size[1], self._size[0], theme.TRACK)
        for left, width, picture, label, note in zip(
            self._lefts, self._widths, pictures, self._labels, notes, strict=True
        ):
            canvas.rect(left, GUTTER, left + width, GUTTER + HEADING, theme.PAPER)
            canvas.text(left + 10, GUTTER + 16, label, 13, theme.INK, "lb")
            canvas.text(left + 10, GUTTER + 33, note, 12, theme.MUTED, "lb")
            canvas.picture(left, GUTTER + HEADING, picture)
        return canvas.pixels


def write_side_by_side(
    sinks: list[Sink],
    labels: tuple[str, str],
    folders: tuple[Path, Path],
    columns: tuple[Columns, Columns],
    pairs: list[EpisodePair],
) -> None:
    """Write the film into sinks.

    Args:
        sinks: from `alf.player.sinks.open_sinks`.
        labels: what stands above each side.
        folders: of the PNG frames of each side, one a row of its columns.
        columns: of each side.
        pairs: what `compare_plays` gave.

    Raises:
        RenderError: a frame is missing, or the film cannot be written.
    """
    stage: SideBySide | None = None
    rows = zip(*(episode_rows(side) for side in columns), strict=False)
    for pair, (first, second) in zip(pairs, rows, strict=True):
        steps = zip_longest(pictures(folders[0], first), pictures(folders[1], second))
        shown: list[np.ndarray | None] = [None, None]
        for step, both in enumerate(steps):
            shown = [new if new is not None else old for new, old in zip(both, shown, strict=True)]
            a, b = shown
            assert a is not None
            assert b is not None
            stage = stage or SideBySide(labels, (a, b))
            picture = stage.compose((a, b), _notes(pair, step))
            for sink in sinks:
                sink.write(picture)


def pictures(folder: Path, rows: slice) -> Iterator[np.ndarray]:
    """The PNG frames of a recorded play, uint8 `[H, W, 3]`.

    Args:
        folder: where `alf.player.pictures` put them.
        rows: which.

    Raises:
        RenderError: one is missing or damaged.
    """
    for row in range(rows.start, rows.stop):
        path = folder / PATTERN.replace("*", f"{row:06d}")
        picture = cv2.imread(str(path))
        if picture is None:
            raise RenderError(f"Frame {row} of the play is missing or damaged: {path}.")
        yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _notes(pair: EpisodePair, step: int) -> tuple[str, str]:
    parted = ""
    if pair.parted is not None and step >= pair.parted:
        parted = f"   other actions since step {pair.parted}"
    notes = []
    for side in (pair.a, pair.b):
        ended = f"ended at {side.length}" if step >= side.length else f"step {step}"
        notes.append(f"seed {pair.seed}   {ended}   return {side.ret:.2f} in the end{parted}")
    return notes[0], notes[1]
