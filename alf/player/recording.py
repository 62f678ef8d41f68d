"""What every file that is written while playing has in common: place, size and a safe end."""

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from alf.errors import RenderError
from alf.player.background import Background
from alf.player.episodes import Moment


class Recording:
    """A film in one file, encoded beside the play, in a thread; no more than a few frames are kept.

    It is written beside its target under another name and renamed when it is closed, so that the
    target is always a whole film: the earlier one, or this one up to where it was stopped.

    Args:
        path: the target; an existing file is replaced on `close`.
        fps: frames per second, above 0.

    Raises:
        RenderError: the file cannot be written there.
    """

    container_format: str

    def __init__(self, path: Path, fps: float):
        if not fps > 0:
            raise RenderError(f"A recording needs more than 0 frames per second, not {fps}.")
        self.path = path
        self.fps = float(fps)
        self.frames = 0
        # The suffix stays last, so that a file left by a killed process still says what it is.
        self.partial_path = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
        self._size: tuple[int, int] | None = None
        self._stream: VideoStream | None = None
        self._closed = False
        self._encoded = 0
        self._background: Background[np.ndarray] = Background(self._take)
        self._spare: np.ndarray | None = None
        try:
            # libav opens the file with the first frame; a place that cannot be written is to be
            # known before anything is played.
            self.partial_path.touch()
            self._container: OutputContainer = av.open(
                str(self.partial_path),
                "w",
                format=self.container_format,
                options=self._container_options(),
            )
        except OSError as error:
            raise RenderError(self._cannot("be started", error)) from error

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Takes the next frame; uint8 `[H, W, 3]`, RGB, of one size through the whole film.

        Raises:
            RenderError: another size or type than the first frame's, or the disk refused one of
                the frames so far.
        """
        self._check(frame)
        try:
            copy = np.empty_like(frame, order="C") if self._spare is None else self._spare
            np.copyto(copy, frame)
            self._spare = self._background.put(copy)
        except OSError as error:  # PyAV's errors from libav that carry an errno are OSErrors
            raise RenderError(self._cannot("be written", error)) from error
        self.frames += 1

    def _take(self, frame: np.ndarray) -> None:
        """Encodes the next frame; runs in the thread."""
        if self._stream is None:
            self._stream = self._start(frame)
        self._encode(self._stream, frame)
        self._encoded += 1

    def close(self) -> str:
        """Finishes the film and puts it in its place; without a frame there is no file.

        Raises:
            RenderError: the disk refuses; the partial file stays for rescue.
        """
        if self._closed:
            return ""
        self._closed = True
        try:
            self._background.finish()
            if self._stream is not None:
                self._finish(self._stream)
            self._container.close()
            if not self.frames:
                self.partial_path.unlink(missing_ok=True)
                return f"No frame was played, so {self.path} was not written."
            self.partial_path.replace(self.path)
        except OSError as error:
            raise RenderError(self._cannot("be finished", error)) from error
        height, width = self._size or (0, 0)
        return (
            f"{self.path}: {self.frames} frames, {width}x{height}, {self.frames / self.fps:.1f} s"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _container_options(self) -> dict[str, str]:
        """What the container's writer is told."""
        raise NotImplementedError

    def _start(self, frame: np.ndarray) -> VideoStream:
        """Adds the stream; called with the first frame."""
        raise NotImplementedError

    def _encode(self, stream: VideoStream, frame: np.ndarray) -> None:
        """Encodes frame number `self._encoded`; it may not be kept."""
        raise NotImplementedError

    def _finish(self, stream: VideoStream) -> None:
        """Writes what encoders still hold."""
        self._container.mux(stream.encode(None))

    def _check(self, frame: np.ndarray) -> None:
        if self._closed:
            raise RenderError(f"{self.path} is closed already; open a new recording.")
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise RenderError(
                f"A frame for {self.path} must be uint8 [height, width, 3] (RGB), not "
                f"{frame.dtype} {list(frame.shape)}."
            )
        size = (frame.shape[0], frame.shape[1])
        if self._size is None:
            self._size = size
        if size != self._size:
            raise RenderError(
                f"Frame {self.frames} of {self.path} is {size[1]}x{size[0]} pixels, but the first "
                f"was {self._size[1]}x{self._size[0]}; a film has one size. Does the environment "
                "render frames of changing size? Then wrap it so that they are resized."
            )

    def _cannot(self, what: str, error: OSError) -> str:
        reason = error.strerror or str(error)
        return (
            f"The recording {self.path} cannot {what}: {reason}. Check that the folder is there, "
            "can be written and has space left, or give --record_file another place."
        )


def frame_rate(fps: float) -> Fraction:
    """The rate as a fraction that film containers can hold; 29.97 becomes 30000/1001 or close."""
    return Fraction(fps).limit_denominator(1001)
