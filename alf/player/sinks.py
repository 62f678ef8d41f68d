"""Where played frames go: each sink takes one finished picture a step.

`open_sinks` makes one for every `--record_file`, told by its suffix, and the window.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from absl import logging

from alf.errors import RenderError, UsageError
from alf.player.episodes import Moment
from alf.player.gif import GifWriter
from alf.player.html.writer import HtmlWriter
from alf.player.numbers import NumbersWriter
from alf.player.pictures import PictureFolder
from alf.player.stopping import StopPlaying, uninterrupted
from alf.player.video import VideoWriter
from alf.player.window import Window

__all__ = [
    "Sink",
    "StopPlaying",
    "check_place",
    "check_record_files",
    "describe_run",
    "open_sinks",
    "shows_thoughts",
]

SUPPORTED = (
    "a name that ends in .mp4, .gif, .html (a player) or .npz (the numbers of each step), or a "
    "folder (a name without suffix) for PNG frames"
)


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


def check_record_files(record_files: Sequence[str]) -> None:
    """Finds out before anything is started that a recording could not be made.

    Raises:
        UsageError: a suffix that is not supported, a name given twice, or a place that cannot be
            a file (or folder) of that kind.
    """
    seen: set[Path] = set()
    for name in record_files:
        path = Path(name).expanduser()
        kind = _kind(path, name)
        if path.resolve() in seen:
            raise UsageError(f"--record_file {name} was given twice; each recording has its own.")
        seen.add(path.resolve())
        if kind != "folder" and path.is_dir():
            raise UsageError(f"--record_file {name} is a folder; give a file name inside it.")
        check_place(path, "--record_file")
        if kind == "folder":
            PictureFolder.check(path)


def check_place(path: Path, flag: str) -> None:
    """Finds out whether a file could be written, or a folder made, without doing it.

    Args:
        path: the file or folder; folders above it may be missing, as they can be made.
        flag: what it was given with, for the message.

    Raises:
        UsageError: the folder that is there already is a file, or cannot be written to.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise UsageError(
            f"{flag} {path}: '{folder}' is a file, not a folder. Give {flag} another place."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"{flag} {path}: the folder '{folder}' cannot be written to. Give {flag} another place."
        )


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


def _kind(path: Path, name: str) -> str:
    suffix = path.suffix.lower()
    if suffix in (".mp4", ".gif", ".html", ".npz"):
        return suffix[1:]
    if not suffix or path.is_dir():
        return "folder"
    raise UsageError(f"--record_file {name}: cannot record to {suffix!r}. Give {SUPPORTED}.")


def _make(path: Path, fps: float) -> Sink:
    kind = _kind(path, str(path))
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
