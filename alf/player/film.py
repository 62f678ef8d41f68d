"""A play as pictures: frame, panels and facts in one, for every recording and window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alf.player.background import Background
from alf.player.episodes import Moment
from alf.player.gif import GifWriter
from alf.player.layout import Layout
from alf.player.pictures import PictureFolder
from alf.player.sinks import Sink
from alf.player.stopping import uninterrupted
from alf.player.video import VideoWriter
from alf.player.window import Window
from alf.summary.render.image import Image

_PICTURES_ALONE = (VideoWriter, GifWriter, PictureFolder)


@dataclass(frozen=True)
class Scene:
    """What one picture is made of.

    Attributes:
        moment: the step.
        frame: uint8 `[H, W, 3]`, the environment's picture; `None` without one.
        panels: name -> image.
        facts: label -> text.
    """

    moment: Moment
    frame: np.ndarray | None
    panels: Mapping[str, Image]
    facts: Mapping[str, str]


class Film:
    """Composes moments and gives them to sinks.

    Where all sinks take pictures alone, that happens beside the play, in a thread of its own. A
    window waits for the person who watches, and whoever reads numbers reads them when they are
    there.

    Args:
        sinks: what takes the pictures.
        layout: where everything stands.
        last_step_repeats: how often the last picture of each episode is shown again.
        append_blank_frames: blank pictures after each episode.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        layout: Layout,
        last_step_repeats: int = 0,
        append_blank_frames: int = 0,
    ):
        self._recordings = [sink for sink in sinks if not isinstance(sink, Window)]
        self._windows = [sink for sink in sinks if isinstance(sink, Window)]
        self._layout = layout
        self._repeats = last_step_repeats
        self._blanks = append_blank_frames
        self._background: Background[Scene] | None = None
        if all(isinstance(sink, _PICTURES_ALONE) for sink in sinks):
            self._background = Background(self._take)
        self._done: Scene | None = None
        for window in self._windows:  # so that panels can be hidden there
            window.arrange(layout.plan)

    def show(self, moment: Moment, panels: Mapping[str, Image], facts: Mapping[str, str]) -> None:
        """Takes the next moment.

        Args:
            moment: the step.
            panels: name -> image; they are not drawn on any more.
            facts: label -> text.

        Raises:
            RenderError: a picture, this or an earlier one, cannot be written.
            StopPlaying: the person who watches asked to stop.
        """
        if self._background is None:
            self._take(Scene(moment, moment.frame, panels, facts))
            return
        scene = Scene(moment, self._kept(moment.frame), panels, facts)
        self._done = self._background.put(scene)

    def finish(self) -> None:
        """Waits until everything is written; also more than once.

        Raises:
            RenderError: a picture cannot be written.
        """
        if self._background is not None:
            # A second Ctrl-C, out of impatience, shall not lose what was played.
            with uninterrupted():
                self._background.finish()

    def _kept(self, frame: np.ndarray | None) -> np.ndarray | None:
        """A copy, as some environments draw every frame into the same memory."""
        if frame is None:
            return None
        used = None if self._done is None else self._done.frame
        kept = used if used is not None and used.shape == frame.shape else np.empty_like(frame)
        np.copyto(kept, frame)
        return kept

    def _take(self, scene: Scene) -> None:
        picture = self._layout.compose(scene.frame, scene.panels, scene.facts)
        self._write(picture, scene.moment)
        if scene.moment.result is None:
            return
        for _ in range(self._repeats):
            self._write(picture)
        if self._blanks:
            blank = self._layout.blank()
            for _ in range(self._blanks):
                self._write(blank)

    def _write(self, picture: np.ndarray, moment: Moment | None = None) -> None:
        """Gives a picture to all recordings, or to none of them, and then to the windows.

        A window waits for the person who watches, and Ctrl-C has to reach it then.
        """
        with uninterrupted():
            for sink in self._recordings:
                sink.write(picture, moment)
        for window in self._windows:
            window.write(picture, moment)
