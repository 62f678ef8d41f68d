"""A writer of TensorBoard event files.

An event file is a sequence of length- and checksum-framed `Event` messages. TensorBoard's own
package has the messages and the framing; this module fills them. It writes in the calling thread: a
scalar costs some ten microseconds, and there is no thread to lose what was written last or to break
after a fork.
"""

import io
import itertools
import os
import socket
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from tensorboard.compat.proto import event_pb2 as _event_pb2
from tensorboard.compat.proto import summary_pb2 as _summary_pb2
from tensorboard.compat.proto import tensor_pb2 as _tensor_pb2
from tensorboard.compat.proto import tensor_shape_pb2 as _tensor_shape_pb2
from tensorboard.compat.proto import types_pb2 as _types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from alf.summary import projector

# Message classes are made at run time, where a type checker does not see them.
event_pb2: Any = _event_pb2
summary_pb2: Any = _summary_pb2
tensor_pb2: Any = _tensor_pb2
tensor_shape_pb2: Any = _tensor_shape_pb2
types_pb2: Any = _types_pb2

_COUNTER = itertools.count()


class EventWriter:
    """Writes summaries to one new event file.

    Args:
        log_dir: the folder of the file; it is made where it is missing.
        flush_secs: what was written is on disk after this many seconds, at the next write.
        max_queue: at most this many events wait for it.

    Attributes:
        log_dir: the folder.
        path: the event file.
    """

    def __init__(self, log_dir: Path, flush_secs: float = 10, max_queue: int = 10):
        self.log_dir = Path(log_dir)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self.path = self.log_dir / _file_name()
        self._file = self.path.open("wb")
        self._close = weakref.finalize(self, self._file.close)
        self._records = RecordWriter(self._file)
        self._flush_secs = flush_secs
        self._max_queue = max_queue
        self._pending = 0
        self._flushed_at = time.monotonic()
        self._write(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def start_session(self, step: int) -> None:
        """Say that a process begins at `step`: TensorBoard drops what earlier ones have from there.

        Without it, a job that was killed and resumed would draw its last steps twice.
        """
        started = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(event_pb2.Event(wall_time=time.time(), step=step, session_log=started))

    def add_scalar(self, tag: str, value: float, step: int, walltime: float | None = None) -> None:
        """Write one number."""
        self._add(summary_pb2.Summary.Value(tag=tag, simple_value=value), step, walltime)

    def add_histogram(
        self, tag: str, values: NDArray, step: int, bins: int = 64, walltime: float | None = None
    ) -> None:
        """Write how finite `values` (1-D, not empty) are spread over `bins` equal buckets."""
        values = values.astype(np.float64)
        counts, edges = np.histogram(values, bins=bins)
        proto = summary_pb2.HistogramProto(
            min=values.min(),
            max=values.max(),
            num=values.size,
            sum=values.sum(),
            sum_squares=np.square(values).sum(),
            # The first bucket reaches down to its limit, so an empty one there carries the left
            # edge.
            bucket_limit=edges.tolist(),
            bucket=[0.0, *counts.tolist()],
        )
        self._add(summary_pb2.Summary.Value(tag=tag, histo=proto), step, walltime)

    def add_images(
        self, tag: str, images: NDArray, step: int, walltime: float | None = None
    ) -> None:
        """Write uint8 `images` `[N, H, W, C]`, with `C` 1, 3 or 4; each gets a tag of its own."""
        for i, image in enumerate(images):
            out = io.BytesIO()
            _to_pil(image).save(out, "PNG")
            own_tag = tag if len(images) == 1 else f"{tag}/{i}"
            self._add_encoded(own_tag, image.shape, out.getvalue(), step, walltime)

    def add_video(
        self, tag: str, frames: NDArray, step: int, fps: float, walltime: float | None = None
    ) -> None:
        """Write uint8 `frames` `[T, H, W, C]`, with `C` 1 or 3, as a GIF."""
        pils = [_to_pil(frame) for frame in frames]
        out = io.BytesIO()
        pils[0].save(out, "GIF", save_all=True, append_images=pils[1:], duration=1000 / fps, loop=0)
        self._add_encoded(tag, frames.shape[1:], out.getvalue(), step, walltime)

    def add_text(self, tag: str, text: str, step: int, walltime: float | None = None) -> None:
        """Write `text`, which is shown as Markdown."""
        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING,
            string_val=[text.encode()],
            tensor_shape=tensor_shape_pb2.TensorShapeProto(
                dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]
            ),
        )
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
        value = summary_pb2.Summary.Value(
            tag=tag, tensor=tensor, metadata=summary_pb2.SummaryMetadata(plugin_data=plugin)
        )
        self._add(value, step, walltime)

    def add_embedding(
        self,
        tag: str,
        vectors: NDArray,
        step: int,
        labels: list[str] | None = None,
        images: NDArray | None = None,
    ) -> None:
        """Write `vectors` `[N, D]` for the projector, with a label and an image each, or none."""
        projector.write_embedding(self.log_dir, tag, vectors, step, labels, images)

    def flush(self) -> None:
        """Make everything that was written visible on disk."""
        self._file.flush()
        self._pending = 0
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Flush and close the file; closing twice does nothing."""
        self._close()

    def _add_encoded(
        self, tag: str, shape: tuple[int, ...], encoded: bytes, step: int, walltime: float | None
    ) -> None:
        image = summary_pb2.Summary.Image(
            height=shape[0],
            width=shape[1],
            colorspace=shape[2],
            encoded_image_string=encoded,
        )
        self._add(summary_pb2.Summary.Value(tag=tag, image=image), step, walltime)

    def _add(self, value: Any, step: int, walltime: float | None) -> None:
        wall_time = time.time() if walltime is None else walltime
        summary = summary_pb2.Summary(value=[value])
        self._write(event_pb2.Event(wall_time=wall_time, step=step, summary=summary))

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
        self._pending += 1
        late = time.monotonic() - self._flushed_at >= self._flush_secs
        if late or self._pending >= self._max_queue:
            self.flush()


def _file_name() -> str:
    """A name that sorts behind the earlier ones.

    TensorBoard finds the files by `tfevents`, reads them in the order of their names, and never
    goes back: a file that sorts before one it has read is not read at all. So the second alone
    does not do (a job may be killed and resumed within one), nor does a count of changing width.
    """
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    order = f"{seconds:010d}.{nanoseconds:09d}.{next(_COUNTER):06d}"
    return f"events.out.tfevents.{order}.{socket.gethostname()}.{os.getpid()}"


def _to_pil(image: NDArray) -> PilImage.Image:
    """A Pillow image of a uint8 array `[H, W, C]`."""
    return PilImage.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))
