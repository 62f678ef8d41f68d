"""Where played frames go: each sink takes one finished picture a step.

`open_sinks` makes one for every `--record_file`, told by its suffix, and the window.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from absl import logging

from alf.errors import RenderError
from alf.player.episodes import Moment
from alf.player.gif import GifWriter
from alf.player.html.writer import HtmlWriter
from alf.player.numbers import NumbersWriter
from alf.player.pictures import PictureFolder
from alf.player.places import check_record_files, kind_of
from alf.player.stopping import StopPlaying, uninterrupted
from alf.player.video import VideoWriter
from alf.player.window import Window

__all__ = [
    "Sink",
    "StopPlaying",
    "describe_run",
    "open_sinks",
    "shows_pictures",
    "shows_thoughts",
    "takes_pictures",
]


class Sink(Protocol):
    """Takes the frames of a play, in order."""

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Takes the next frame.

        Args:
            frame: uint8 `[H, W, 3]`, RGB. The sink may not keep it: the caller draws the next
                frame into the same memory.
            moment: the step that the frame shows; `None` for repeated and blank frames.

        Raises:
            RenderError: it cannot be written.
            StopPlaying: the person who watches asked to stop.
        """
        ...

    def close(self) -> str:
        """Finishes what was written; also after an error, and more than once.

        Returns:
            One line for the user: what was written, and where. Empty if there is nothing to say.
        """
        ...


@contextlib.contextmanager
def open_sinks(
    record_files: Sequence[str],
    *,
    window: bool = False,
    fps: float = 30.0,
    sleep_time_per_step: float | None = None,
    report: Callable[[str], None] = logging.info,
) -> Iterator[list[Sink]]:
    """Opens the recordings and the window, and closes all of them whatever happens.

    Args:
        record_files: names of recordings: `.mp4`, `.gif`, `.html`, `.npz`, or a folder for PNG
            frames.
        window: whether frames are shown in a window too.
        fps: frames per second of the recordings, and of the window.
        sleep_time_per_step: seconds that the window waits after each step, instead of `1 / fps`.
        report: gets a line for each recording when it is finished.

    Raises:
        UsageError: see `check_record_files`.
        RenderError: a recording cannot be started, or there is no display for the window.
    """
    check_record_files(record_files)
    with contextlib.ExitStack() as stack:
        sinks: list[Sink] = []
        for name in record_files:
            sinks.append(_make(Path(name).expanduser(), fps))
            stack.callback(_finish, sinks[-1], report)
        if window:
            sinks.append(Window(fps=fps, sleep_time_per_step=sleep_time_per_step))
            stack.callback(_finish, sinks[-1], report)
        yield sinks


def shows_thoughts(record_files: Sequence[str]) -> bool:
    """Whether a recording has places for what the policy thinks, in numbers, at each step."""
    return any(Path(name).suffix.lower() in (".html", ".npz") for name in record_files)


def shows_pictures(record_files: Sequence[str]) -> bool:
    """Whether a recording has frames; one of numbers has none."""
    return any(Path(name).suffix.lower() != ".npz" for name in record_files)


def takes_pictures(sinks: Sequence[Sink]) -> bool:
    """Whether anything wants to see the environment: to draw it costs more than to play it."""
    return any(not isinstance(sink, NumbersWriter) for sink in sinks)


def describe_run(sinks: Sequence[Sink], header: Mapping[str, str]) -> None:
    """Tells the recordings that have a header what run they show; before the first frame.

    Args:
        sinks: any.
        header: what to say by name, e.g. `{"checkpoint": "ckpt-300"}`.
    """
    for sink in sinks:
        if isinstance(sink, HtmlWriter):
            sink.describe(header)


def _finish(sink: Sink, report: Callable[[str], None]) -> None:
    # A second Ctrl-C, out of impatience, shall not leave half a file.
    with uninterrupted():
        line = sink.close()
        if line:
            report(line)


def _make(path: Path, fps: float) -> Sink:
    kind = kind_of(path, str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RenderError(
            f"The folder {path.parent} for the recording cannot be made: {error.strerror}. "
            "Give --record_file another place."
        ) from error
    if kind == "mp4":
        return VideoWriter(path, fps)
    if kind == "gif":
        return GifWriter(path, fps)
    if kind == "html":
        return HtmlWriter(path, fps)
    if kind == "npz":
        return NumbersWriter(path)
    return PictureFolder(path)
