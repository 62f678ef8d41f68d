"""A folder of PNG frames."""

from pathlib import Path

import cv2
import numpy as np

from alf.errors import RenderError
from alf.player.episodes import Moment
from alf.player.places import PATTERN, check_folder


class PictureFolder:
    """Writes `frame_000000.png`, `frame_000001.png`, ... into a folder.

    Args:
        path: the folder; made if it is not there.

    Raises:
        UsageError: see `check_folder`.
        RenderError: the folder cannot be made.
    """

    def __init__(self, path: Path):
        check_folder(path)
        self.path = path
        self.frames = 0
        self._closed = False
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RenderError(f"The folder {path} cannot be made: {error.strerror}.") from error

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Writes the next frame; uint8 `[H, W, 3]`, RGB.

        Raises:
            RenderError: the disk refuses; there is no file of this frame then.
        """
        target = self.path / PATTERN.replace("*", f"{self.frames:06d}")
        # Level 1 is three times as fast as the default and a tenth larger.
        settings = [cv2.IMWRITE_PNG_COMPRESSION, 1]
        done, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), settings)
        if not done:
            raise RenderError(f"Frame {self.frames} of size {frame.shape} cannot be a PNG.")
        try:
            target.write_bytes(data.tobytes())
        except OSError as error:
            target.unlink(missing_ok=True)  # half a picture is none
            raise RenderError(
                f"{target} cannot be written: {error.strerror}. Frames before it are "
                "whole. Check that the disk has space left, or give --record_file another place."
            ) from error
        self.frames += 1

    def close(self) -> str:
        """Says what was written."""
        if self._closed:
            return ""
        self._closed = True
        return f"{self.path}: {self.frames} PNG frames"
