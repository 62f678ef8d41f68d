"""MP4 films, encoded while playing."""

from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.codec.codec import Codec, UnknownCodecError
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from alf.errors import RenderError
from alf.player.recording import Recording, frame_rate

# The number by which H.264 calls the primaries and the transfer curve that go with BT.601.
_SMPTE170M = 6

# In order of preference: the first one that this build of PyAV has is used. PyAV's wheels carry
# x264; builds without GPL parts carry Cisco's encoder; the last is old but always there.
ENCODERS: dict[str, dict[str, object]] = {
    # Visually lossless for lines and text, at half the time of the usual `superfast` with `crf`,
    # and no larger: most of what a simulator and panels show stays as it was, and a fixed
    # quantizer needs neither the look ahead nor the analysis that would spread bits between
    # pictures. More threads than the one that it runs in would take the second core from the play.
    "libx264": {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "qp": "21",
        "x264-params": "cabac=1:8x8dct=1",
        "threads": "1",
    },
    "libopenh264": {"b": "6000000"},
    "h264_videotoolbox": {"b": "6000000"},
    "mpeg4": {"qscale": "3", "b": "8000000"},
}


class VideoWriter(Recording):
    """An MP4 film: H.264, 4:2:0, which every browser, phone and slide program plays.

    4:2:0 needs even sizes: an odd frame gets its last row or column once more, and is never
    rescaled. The index stands at the file's start, so that it plays while it is downloaded.
    """

    container_format = "mp4"

    def __init__(self, path: Path, fps: float = 30.0):
        super().__init__(path, fps)
        self._rate = frame_rate(fps)

    def _container_options(self) -> dict[str, str]:
        return {"movflags": "+faststart"}

    def _start(self, frame: np.ndarray) -> VideoStream:
        name = available_encoder()
        stream = cast(VideoStream, self._container.add_stream(name, rate=self._rate))
        stream.width = frame.shape[1] + frame.shape[1] % 2
        stream.height = frame.shape[0] + frame.shape[0] % 2
        stream.pix_fmt = "yuv420p"
        stream.options = ENCODERS[name]
        # Says in the file which matrix turns the film back into RGB: players that must guess do
        # so by the picture's height, and shift the colours of half of all films.
        context = stream.codec_context
        context.colorspace = Colorspace.ITU601
        context.color_primaries = _SMPTE170M
        context.color_trc = _SMPTE170M
        context.color_range = ColorRange.MPEG
        return stream

    def _encode(self, stream: VideoStream, frame: np.ndarray) -> None:
        # OpenCV's conversion, to BT.601 in the range of films, takes a tenth of swscale's time.
        planes = np.asarray(cv2.cvtColor(even(frame), cv2.COLOR_RGB2YUV_I420), np.uint8)
        # Without a copy where libav takes the planes to lie as they do: rows of very small pictures
        # are shorter than it lays them out, and half a row may be left between two planes.
        lies_alike = planes.shape[1] >= 64 and planes.shape[0] % 6 == 0
        wrap = av.VideoFrame.from_numpy_buffer if lies_alike else av.VideoFrame.from_ndarray
        yuv = wrap(planes, format="yuv420p")
        yuv.colorspace = Colorspace.ITU601
        yuv.color_range = ColorRange.MPEG
        yuv.pts = self._encoded
        yuv.time_base = 1 / self._rate
        self._container.mux(stream.encode(yuv))


def available_encoder() -> str:
    """The first of `ENCODERS` that this build of PyAV can encode with.

    Raises:
        RenderError: there is none.
    """
    for name in ENCODERS:
        try:
            Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    raise RenderError(
        f"This build of PyAV {av.__version__} has none of the encoders {', '.join(ENCODERS)}. "
        "Install PyAV's own wheel (`pip install --force-reinstall av`), or record a .gif."
    )


def even(frame: np.ndarray) -> np.ndarray:
    """The frame with even height and width; the last row or column is repeated where needed."""
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
