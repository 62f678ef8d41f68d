"""Summaries: numbers, histograms, images, videos, texts and embeddings, at a step.

A summary is written where there is a writer, summaries are enabled and the innermost `record_if`
agrees. Otherwise it returns at once and touches none of its data, so that nothing waits for a GPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from alf.errors import UsageError
from alf.summary.arrays import to_numpy
from alf.summary.context import CONTEXT, ScalarSink, Writer, pushed

if TYPE_CHECKING:
    from alf.summary.event_writer import EventWriter

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_BINS = 64


class scope:  # noqa: N801 - a context manager that confs know by this name
    """Prefix the names of all summaries and panels inside with `name/`.

    Entering returns the whole prefix, outer scopes included. The same object can be entered again,
    also within itself.

    Args:
        name: one or more parts joined by slashes.
    """

    def __init__(self, name: str):
        self._name = name.strip("/")
        self._depths: list[int] = []

    @property
    def name(self) -> str:
        """The part of the prefix that this scope adds, without its slash."""
        return self._name

    def __enter__(self) -> str:
        scopes = CONTEXT.scopes
        self._depths.append(len(scopes))
        scopes.append(f"{scopes[-1]}{self._name}/" if self._name else scopes[-1])
        return scopes[-1]

    def __exit__(self, *exc_info: object) -> None:
        del CONTEXT.scopes[self._depths.pop() :]


def scope_name() -> str:
    """The present prefix, with its closing slash; `""` outside every scope."""
    return CONTEXT.scopes[-1]


def scalar(name: str, data: Any, step: int | None = None, walltime: float | None = None) -> None:
    """Write one number.

    Args:
        name: goes behind the present scope.
        data: a number, or an array or tensor with one element; it is read only when it is written.
        step: the global counter where it is `None`.
        walltime: seconds since the epoch; now where it is `None`.

    Raises:
        UsageError: if `data` has not exactly one element.
    """
    if not CONTEXT.recording:
        return
    tag = CONTEXT.scopes[-1] + name
    value = _number(tag, data)
    at = CONTEXT.step if step is None else int(step)
    writer = CONTEXT.writers[-1]
    if writer is not None:
        writer.add_scalar(tag, value, at, walltime)
    for sink in CONTEXT.scalar_sinks:
        sink(tag, value, at)


def histogram(
    name: str,
    data: Any,
    step: int | None = None,
    bins: int | None = None,
    walltime: float | None = None,
    max_bins: int | None = None,
) -> None:
    """Write how numbers are spread.

    Args:
        name: goes behind the present scope.
        data: numbers in any shape. Those that are not finite are left out; nothing is written if
            none is left.
        step: the global counter where it is `None`.
        bins: number of buckets, 64 where it is `None`.
        walltime: seconds since the epoch; now where it is `None`.
        max_bins: upper limit for `bins`, or `None`.
    """
    writer = _active_writer()
    if writer is None:
        return
    values = to_numpy(data).reshape(-1).astype(np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return
    count = DEFAULT_BINS if bins is None else int(bins)
    count = count if max_bins is None else min(count, max_bins)
    writer.add_histogram(CONTEXT.scopes[-1] + name, values, _step(step), count, walltime)


def images(
    name: str,
    data: Any,
    step: int | None = None,
    dataformat: str = "NCHW",
    walltime: float | None = None,
) -> None:
    """Write a batch of images.

    Args:
        name: goes behind the present scope.
        data: uint8 in [0, 255], or floats in [0, 1], laid out as `dataformat` says, with 1, 3 or 4
            channels.
        step: the global counter where it is `None`.
        dataformat: the order of axes, out of `N`, `C`, `H` and `W`; what is left out has size 1.
        walltime: seconds since the epoch; now where it is `None`.

    Raises:
        UsageError: if `data` does not fit `dataformat`.
    """
    writer = _active_writer()
    if writer is None:
        return
    tag = CONTEXT.scopes[-1] + name
    pixels = _to_uint8(_arrange(tag, to_numpy(data), dataformat))
    writer.add_images(tag, pixels, _step(step), walltime)


def video(
    name: str, data: Any, step: int | None = None, fps: float = 4, walltime: float | None = None
) -> None:
    """Write a video.

    Args:
        name: goes behind the present scope.
        data: `[N, T, C, H, W]`, uint8 in [0, 255] or floats in [0, 1], `C` 1 or 3; the `N` videos
            run side by side.
        step: the global counter where it is `None`.
        fps: frames per second.
        walltime: seconds since the epoch; now where it is `None`.

    Raises:
        UsageError: if `data` has not five dimensions.
    """
    writer = _active_writer()
    if writer is None:
        return
    tag = CONTEXT.scopes[-1] + name
    frames = to_numpy(data)
    if frames.ndim != 5:
        raise UsageError(
            f"Summary '{tag}': a video is an array [N, T, C, H, W], but its shape is "
            f"{list(frames.shape)}. Add the missing dimensions with [None]."
        )
    n, t, c, h, w = frames.shape
    frames = frames.transpose(1, 3, 0, 4, 2).reshape(t, h, n * w, c)
    writer.add_video(tag, _to_uint8(frames), _step(step), fps, walltime)


def text(name: str, data: str, step: int | None = None, walltime: float | None = None) -> None:
    """Write `data`, a text in Markdown, at `step` (the global counter where it is `None`)."""
    writer = _active_writer()
    if writer is not None:
        writer.add_text(CONTEXT.scopes[-1] + name, str(data), _step(step), walltime)


def embedding(
    name: str,
    data: Any,
    step: int | None = None,
    class_labels: Sequence[Any] | None = None,
    label_imgs: Any = None,
) -> None:
    """Write vectors for TensorBoard's projector.

    Args:
        name: goes behind the present scope.
        data: `[N, D]`.
        step: the global counter where it is `None`.
        class_labels: one label a vector, or `None`.
        label_imgs: one image a vector, `[N, C, H, W]`, or `None`.

    Raises:
        UsageError: if `data` is not a matrix, or labels or images are not as many as its rows.
    """
    writer = _active_writer()
    if writer is None:
        return
    tag = CONTEXT.scopes[-1] + name
    vectors = to_numpy(data)
    labels = None if class_labels is None else [str(x) for x in to_numpy(class_labels)]
    pictures = None
    if label_imgs is not None:
        pictures = _to_uint8(_arrange(tag, to_numpy(label_imgs), "NCHW"))
    for what, given in (("class_labels", labels), ("label_imgs", pictures)):
        if vectors.ndim != 2 or (given is not None and len(given) != len(vectors)):
            raise UsageError(
                f"Summary '{tag}': an embedding is a matrix [N, D] with N of {what}, but its shape "
                f"is {list(vectors.shape)}, with {0 if given is None else len(given)} of {what}."
            )
    writer.add_embedding(tag, vectors, _step(step), labels, pictures)


def should_record_summaries() -> bool:
    """Whether a summary would be written now; ask before computing one at some cost."""
    return CONTEXT.recording


def get_global_counter() -> int:
    """The step of summaries that name none."""
    return CONTEXT.step


def set_global_counter(counter: int) -> None:
    """Set the step of summaries that name none."""
    CONTEXT.step = int(counter)


def increment_global_counter() -> None:
    """Add one to the global counter."""
    CONTEXT.step += 1


def reset_global_counter() -> None:
    """Set the global counter to zero."""
    CONTEXT.step = 0


def create_summary_writer(
    summary_dir: str | Path, flush_secs: float = 10, max_queue: int = 10
) -> EventWriter:
    """Make a writer of a new TensorBoard event file.

    Give it to `set_default_writer` or `push_summary_writer`.

    Args:
        summary_dir: folder of the file; made where it is missing. `~` is the home folder.
        flush_secs: longest time in seconds that a summary waits for the next one before it goes to
            disk.
        max_queue: most summaries that wait.
    """
    # Here, since TensorBoard takes a fifth of a second to import, and play needs none of it.
    from alf.summary.event_writer import EventWriter

    return EventWriter(Path(summary_dir).expanduser(), flush_secs, max_queue)


def set_default_writer(writer: Writer | None) -> None:
    """Send summaries to `writer` wherever no other one is pushed; `None` sends them nowhere."""
    CONTEXT.writers[0] = writer
    CONTEXT.refresh()


@contextmanager
def push_summary_writer(writer: Writer | None) -> Generator[None]:
    """Inside, send summaries to `writer`, or nowhere if it is `None`; flush it at the end."""
    with _refreshed(pushed(CONTEXT.writers, writer)):
        try:
            yield
        finally:
            if writer is not None:
                writer.flush()


@contextmanager
def scalar_sink(sink: ScalarSink) -> Generator[None]:
    """Inside, hand every recorded scalar to `sink(tag, value, step)` too, writer or not."""
    with _refreshed(pushed(CONTEXT.scalar_sinks, sink)):
        yield


@contextmanager
def collect_scalars() -> Generator[dict[str, float]]:
    """Give a dict that fills with the scalars recorded inside: scoped name to last value."""
    collected: dict[str, float] = {}

    def keep(tag: str, value: float, step: int) -> None:
        collected[tag] = value

    with scalar_sink(keep):
        yield collected


def enable_summary(flag: bool = True) -> None:
    """Write summaries, or, with `False`, none."""
    CONTEXT.enabled = bool(flag)
    CONTEXT.refresh()


def disable_summary() -> None:
    """Write no summaries from here on."""
    enable_summary(False)


def is_summary_enabled() -> bool:
    """Whether summaries are enabled; they also need a writer and a `record_if` that agrees."""
    return CONTEXT.enabled


def enter_summary_scope(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method so that it runs in the scope `self._name`."""

    @functools.wraps(method)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with scope(args[0]._name):  # type: ignore[attr-defined]
            return method(*args, **kwargs)

    return wrapped


@contextmanager
def _refreshed(change: AbstractContextManager[Any]) -> Generator[None]:
    """Make a change to the context that lasts for the block; refresh it before and after."""
    try:
        with change:
            CONTEXT.refresh()
            yield
    finally:
        CONTEXT.refresh()


def _active_writer() -> Writer | None:
    """The writer of the next summary, or `None` if it is not to be written."""
    return CONTEXT.writers[-1] if CONTEXT.recording else None


def _step(step: int | None) -> int:
    return CONTEXT.step if step is None else int(step)


def _number(tag: str, data: Any) -> float:
    if isinstance(data, (int, float)):
        return float(data)
    value = to_numpy(data)
    if value.size != 1:
        raise UsageError(
            f"Summary '{tag}': a scalar is one number, but the shape given is {list(value.shape)}. "
            "Write its mean, or use alf.summary.histogram."
        )
    return float(value.reshape(()))


def _arrange(tag: str, data: NDArray, dataformat: str) -> NDArray[Any]:
    """`data`, laid out as `dataformat` says, as `[N, H, W, C]`."""
    known = set(dataformat) <= set("NCHW") and len(set(dataformat)) == len(dataformat)
    if not known or data.ndim != len(dataformat):
        raise UsageError(
            f"Summary '{tag}': dataformat '{dataformat}' does not describe an array of shape "
            f"{list(data.shape)}. Use one letter of N, C, H, W for each dimension."
        )
    missing = [axis for axis in "NHWC" if axis not in dataformat]
    full = data.reshape(data.shape + (1,) * len(missing))
    order = list(dataformat) + missing
    arranged = full.transpose([order.index(axis) for axis in "NHWC"])
    channels = full.shape[order.index("C")]
    if channels not in (1, 3, 4):
        raise UsageError(
            f"Summary '{tag}': an image has 1, 3 or 4 channels, but dataformat '{dataformat}' "
            f"gives {channels} for the shape {list(data.shape)}. Name the axes as they are."
        )
    return arranged


def _to_uint8(pixels: NDArray) -> NDArray:
    """Pixels in [0, 255]: floats are taken as [0, 1], integers as they are."""
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating):
        scaled = np.nan_to_num(pixels, nan=0.0, posinf=1.0, neginf=0.0) * 255 + 0.5
        return np.clip(scaled, 0, 255).astype(np.uint8)
    return np.clip(pixels, 0, 255).astype(np.uint8)
