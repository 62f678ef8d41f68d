"""Writing a play into one HTML file while it goes on."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from alf.errors import RenderError
from alf.player.episodes import Moment
from alf.player.html import page
from alf.player.html.episode_file import EpisodeFile, Row
from alf.player.html.events import told_success
from alf.player.numbers import row_of
from alf.player.thoughts import read_thoughts
from alf.player.video import available_encoder


class HtmlWriter:
    """A sink that writes the player: frames, numbers, episodes and events in one file.

    An episode is encoded into a film beside the target while it is played and moved into the page
    at its end, so that memory does not grow. The page is written under another name and renamed
    when it is closed: the target is always a whole page, of everything up to where it was stopped.

    Args:
        path: the target; an existing file is replaced on `close`.
        fps: frames per second at speed 1, above 0.
        header: what the page says of the run, by name; more can be told with `describe` until the
            first step is written.

    Raises:
        RenderError: the file cannot be written there, or films for browsers cannot be made.
    """

    def __init__(self, path: Path, fps: float = 30.0, header: Mapping[str, str] | None = None):
        if not fps > 0:
            raise RenderError(f"A recording needs more than 0 frames per second, not {fps}.")
        if available_encoder() == "mpeg4":
            raise RenderError(
                "This build of PyAV cannot encode H.264, and browsers play no other film that it "
                "can make. Install PyAV's own wheel (`pip install --force-reinstall av`)."
            )
        self.path = path
        self.fps = float(fps)
        self.header = dict(header or {})
        self.partial_path = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
        self._episodes = 0
        self._frames = 0
        self._episode: EpisodeFile | None = None
        self._closed = False
        try:
            self._file: IO[bytes] = self.partial_path.open("wb")
            page.begin(self._file, path.stem)
        except OSError as error:
            raise RenderError(self._cannot("be started", error)) from error

    def describe(self, header: Mapping[str, str]) -> None:
        """Adds to what the page says of the run; before the first step."""
        self.header |= header

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Takes the next step; frames that show none are passed over.

        Raises:
            RenderError: the file is closed, frames of an episode differ in size, or the disk
                refuses.
        """
        if moment is None:
            return
        thoughts = read_thoughts(moment.alg_step)
        success = told_success(moment.time_step.env_info) if moment.result else None
        self.add(frame, row_of(moment, thoughts), thoughts.first_action, success)

    def add(
        self, frame: np.ndarray, row: Row, first_action: int = 0, success: bool | None = None
    ) -> None:
        """Takes the next step as it was recorded elsewhere.

        Args:
            frame: uint8 `[H, W, 3]`, RGB, of one size through an episode.
            row: the columns of `alf.player.numbers.row_of`, each a vector; `step` 0 begins an
                episode.
            first_action: the number of the action that index 0 of probabilities stands for.
            success: at an episode's end, what the environment says of it; `None` if nothing.

        Raises:
            RenderError: see `write`.
        """
        if self._closed:
            raise RenderError(f"{self.path} is closed already; open a new recording.")
        try:
            if self._episode is None or row["step"][0] == 0:
                self._begin(first_action)
            assert self._episode is not None
            self._episode.add(frame, row, success)
            self._frames += 1
            if row["ended"][0]:
                self._finish()
        except OSError as error:
            raise RenderError(self._cannot("be written", error)) from error

    def close(self) -> str:
        """Finishes the page and puts it in its place; without a step there is no file.

        Raises:
            RenderError: the disk refuses; the partial file stays for rescue.
        """
        if self._closed:
            return ""
        self._closed = True
        try:
            self._finish()
            page.end(self._file)
            self._file.close()
            if not self._frames:
                self.partial_path.unlink(missing_ok=True)
                return f"No step was played, so {self.path} was not written."
            size = self.partial_path.stat().st_size / 1e6
            self.partial_path.replace(self.path)
        except OSError as error:
            raise RenderError(self._cannot("be finished", error)) from error
        count = "1 episode" if self._episodes == 1 else f"{self._episodes} episodes"
        return f"{self.path}: {count}, {self._frames} frames, {size:.1f} MB; open it in a browser"

    def _begin(self, first_action: int) -> None:
        self._finish()
        if not self._episodes:
            page.put_json(self._file, "run", {"format": page.FORMAT, "header": self.header})
        place = self.path.with_name(f".{self.path.stem}.episode-{os.getpid()}")
        self._episode = EpisodeFile(place, self.fps, self._episodes, first_action)

    def _finish(self) -> None:
        """Moves the episode that was played, to its end or not, into the page.

        Ctrl-C may come at any point: then the page is as it was before, and `close` moves the
        episode once more.
        """
        if self._episode is None:
            return
        start, moved = self._file.tell(), False
        try:
            moved = not self._episode.rows or self._move(self._episode)
        finally:
            if not moved:
                self._file.seek(start)
                self._file.truncate()
        episode, self._episode = self._episode, None
        self._episodes += episode.rows > 0
        episode.remove()

    def _move(self, episode: EpisodeFile) -> bool:
        summary = episode.finish()
        with episode.film.path.open("rb") as film:
            page.put_bytes(self._file, "video", film)
        episode.numbers.seek(0)
        page.put_bytes(self._file, "numbers", episode.numbers)
        page.put_json(self._file, "episode", summary)
        return True

    def _cannot(self, what: str, error: OSError) -> str:
        return (
            f"The recording {self.path} cannot {what}: {error.strerror or error}. Check that the "
            "folder is there, can be written and has space left, or give --record_file another "
            "place."
        )
