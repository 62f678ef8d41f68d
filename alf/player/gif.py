"""Animated GIFs, encoded while playing, with a palette of its own for every frame."""

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.filter
import numpy as np
from av.error import BlockingIOError, EOFError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from alf.errors import RenderError
from alf.player.recording import Recording

# Browsers show a GIF frame of less than 2/100 s for 10/100 s.
MAX_FPS = 50.0
_TICK = Fraction(1, 100)


class GifWriter(Recording):
    """An endless GIF. Times are in 1/100 s; above 50 frames per second it plays at 50."""

    container_format = "gif"

    def __init__(self, path: Path, fps: float = 30.0):
        super().__init__(path, min(fps, MAX_FPS))
        self._graph: av.filter.Graph | None = None

    def _container_options(self) -> dict[str, str]:
        # A frame's time is told by the one after it; the last has none.
        return {"loop": "0", "final_delay": str(round(100 / self.fps))}

    def _start(self, frame: np.ndarray) -> VideoStream:
        stream = cast(VideoStream, self._container.add_stream("gif", rate=100))
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = "pal8"
        stream.codec_context.time_base = _TICK
        self._graph = _palette_graph(stream.width, stream.height)
        return stream

    def _encode(self, stream: VideoStream, frame: np.ndarray) -> None:
        assert self._graph is not None
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        rgb.pts = round(self._encoded * 100 / self.fps)
        rgb.time_base = _TICK
        self._graph.push(rgb)
        self._drain(stream)

    def _finish(self, stream: VideoStream) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._drain(stream)
        super()._finish(stream)

    def _drain(self, stream: VideoStream) -> None:
        assert self._graph is not None
        while True:
            try:
                indexed = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            if not isinstance(indexed, VideoFrame):
                raise RenderError(f"{self.path}: the palette filter gave {type(indexed)}.")
            self._container.mux(stream.encode(indexed))


def _palette_graph(width: int, height: int) -> av.filter.Graph:
    """RGB in, 256 chosen colours out: each frame's own palette.

    No dither: plots and game screens have few colours, and a dither would crawl over the still
    parts of the picture and make files larger.
    """
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=_TICK
    )
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1:dither=none")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph
