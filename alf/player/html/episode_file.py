"""One episode on disk, while it is played: its film, its numbers, and what is worth a look."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from av.video.stream import VideoStream

from alf.player.html.events import EventFinder
from alf.player.results import TERMINATED, TRUNCATED
from alf.player.video import VideoWriter

INTERRUPTED = "interrupted"
"""How an episode ended that was not played to its end."""

MOST_NUMBERS = 32
"""Columns with more numbers a step, such as large observations, are left out."""

KEY_FRAME_EVERY = 48
"""Frames between two that stand for themselves: what a browser decodes at most to show one. They
are most of a film's size: with a quarter of it between them, films are half as large again."""

# A page is sent around: its films are half as large as others, for a little more work. Frames come
# in the order in which they are shown, so that each is found exactly.
_X264: dict[str, object] = {"preset": "veryfast", "crf": "24", "bf": "0"}

_ENDS = {0.0: INTERRUPTED, 1.0: TERMINATED, 2.0: TRUNCATED}
# What is the same through an episode, or follows from the place of the row.
_NOT_CHARTED = ("episode", "seed", "step", "ended")

Row = Mapping[str, np.ndarray]


class EpisodeFilm(VideoWriter):
    """A film in which every frame is found quickly: key frames stand close together."""

    def _start(self, frame: np.ndarray) -> VideoStream:
        stream = super()._start(frame)
        if stream.codec_context.name == "libx264":
            stream.options = _X264
        stream.codec_context.gop_size = KEY_FRAME_EVERY
        return stream


class EpisodeFile:
    """Takes the steps of an episode; memory does not grow with them.

    Args:
        place: where its files are made, a name without suffix.
        fps: frames per second.
        number: how many episodes stand in the page before it.
        first_action: the number of the action that index 0 of probabilities stands for.
    """

    def __init__(self, place: Path, fps: float, number: int, first_action: int = 0):
        self.film = EpisodeFilm(place.with_name(f"{place.name}.mp4"), fps)
        self.numbers_path = place.with_name(f"{place.name}.f4")
        self.numbers: IO[bytes] = self.numbers_path.open("w+b")
        self.rows = 0
        self._number = number
        self._first_action = first_action
        self._success: bool | None = None
        self._finder = EventFinder()
        self._columns: dict[str, int] = {}
        self._told: set[str] = set()
        self._size = (0, 0)
        self._last: Row = {}

    def add(self, frame: np.ndarray, row: Row, success: bool | None = None) -> None:
        """Takes the next step.

        Args:
            frame: uint8 `[H, W, 3]`, RGB.
            row: its numbers, from `alf.player.numbers.row_of`.
            success: at the last step, what the environment says of it.
        """
        if not self.rows:
            self._size = (frame.shape[1], frame.shape[0])
            self._columns = _charted(row)
        self.film.write(frame)
        self.numbers.write(self._packed(row))
        self._finder.add(row)
        self._success = success
        self._last = row
        self.rows += 1

    def finish(self) -> dict[str, Any]:
        """Closes the film; returns what the page says of the episode, as plain data."""
        self.film.close()
        ended = _ENDS[float(self._last["ended"][0])]
        ret, seed = float(self._last["return"][0]), int(self._last["seed"][0])
        events = self._finder.events(ended == TERMINATED, self._success)
        return {
            "number": self._number,
            "seed": None if seed < 0 else seed,
            "return": ret if math.isfinite(ret) else None,
            "length": self.rows - 1,
            "ended": ended,
            "success": self._success,
            "fps": self.film.fps,
            "width": self._size[0],
            "height": self._size[1],
            "columns": list(self._columns.items()),
            "told": [name for name in self._columns if name in self._told],
            "first_action": self._first_action,
            "events": [event.as_dict() for event in events],
        }

    def remove(self) -> None:
        """Removes the files."""
        self.film.close()
        self.numbers.close()
        self.film.path.unlink(missing_ok=True)
        self.numbers_path.unlink(missing_ok=True)

    def _packed(self, row: Row) -> bytes:
        """The row as it stands in the page; a column that is missing now is NaN."""
        packed = np.full(sum(self._columns.values()), np.nan, "<f4")
        place = 0
        for name, width in self._columns.items():
            numbers = row.get(name)
            if numbers is not None and len(numbers) == width:
                # What float32 cannot hold becomes infinite, and is a gap on a chart.
                with np.errstate(over="ignore"):
                    packed[place : place + width] = numbers
                if name not in self._told and not np.isnan(numbers).all():
                    self._told.add(name)
            place += width
        return packed.tobytes()


def _charted(row: Row) -> dict[str, int]:
    """Which columns are kept, with their widths."""
    return {
        name: len(numbers)
        for name, numbers in row.items()
        if name not in _NOT_CHARTED and 0 < len(numbers) <= MOST_NUMBERS
    }
