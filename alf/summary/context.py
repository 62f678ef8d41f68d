"""The summary context: where summaries go, under which scope, and whether panels are drawn.

It is one object for the process, `CONTEXT`, and the only state that `alf.summary` keeps. Summaries
belong to the thread that trains; a worker thread or process that wants to write must be given its
scope and step explicitly.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ContextDecorator, contextmanager
from dataclasses import dataclass, field, fields
from typing import Protocol, TypeVar, runtime_checkable

from numpy.typing import NDArray

T = TypeVar("T")

ScalarSink = Callable[[str, float, int], None]
"""Called with the scoped name, the value and the step of every scalar that is recorded."""


@runtime_checkable
class Writer(Protocol):
    """What a summary writer can do; `alf.summary.create_summary_writer` makes one."""

    def add_scalar(self, tag: str, value: float, step: int, walltime: float | None) -> None:
        """Write one number."""
        ...

    def add_histogram(
        self, tag: str, values: NDArray, step: int, bins: int, walltime: float | None
    ) -> None:
        """Write how finite `values` (1-D, not empty) are spread over `bins` buckets."""
        ...

    def add_images(self, tag: str, images: NDArray, step: int, walltime: float | None) -> None:
        """Write uint8 `images` `[N, H, W, C]`, with `C` 1, 3 or 4."""
        ...

    def add_video(
        self, tag: str, frames: NDArray, step: int, fps: float, walltime: float | None
    ) -> None:
        """Write uint8 `frames` `[T, H, W, C]`, with `C` 1 or 3."""
        ...

    def add_text(self, tag: str, text: str, step: int, walltime: float | None) -> None:
        """Write `text`, which is shown as Markdown."""
        ...

    def add_embedding(
        self,
        tag: str,
        vectors: NDArray,
        step: int,
        labels: list[str] | None,
        images: NDArray | None,
    ) -> None:
        """Write `vectors` `[N, D]`, with `N` labels and uint8 `[N, H, W, C]`, or neither."""
        ...

    def flush(self) -> None:
        """Make everything that was written visible on disk."""
        ...


@dataclass
class SummaryContext:
    """Everything that decides what happens to a summary or a panel.

    Attributes:
        scopes: the nested scope names, each complete with all outer ones and a closing slash; `""`
            is the outermost.
        step: the global counter, the step of a summary that names none.
        enabled: whether summaries are written at all.
        conditions: the nested conditions of `record_if`; the innermost counts.
        writers: the nested writers; the innermost gets the summaries, `None` gets none.
        scalar_sinks: get every scalar beside the writer.
        rendering: whether `alf.summary.render` draws panels.
        theme: the colours of panels, `"light"` or `"dark"`.
        recording: derived from the fields above by `refresh`; summaries look at this alone, since
            they are called in the hot path and mostly have nothing to do.
    """

    scopes: list[str] = field(default_factory=lambda: [""])
    step: int = 0
    enabled: bool = True
    conditions: list[bool] = field(default_factory=lambda: [True])
    writers: list[Writer | None] = field(default_factory=lambda: [None])
    scalar_sinks: list[ScalarSink] = field(default_factory=list)
    rendering: bool = False
    theme: str = "light"
    recording: bool = False

    def refresh(self) -> None:
        """Work out again whether summaries are recorded; called after every change."""
        has_target = self.writers[-1] is not None or bool(self.scalar_sinks)
        self.recording = self.enabled and self.conditions[-1] and has_target

    def reset(self) -> None:
        """Go back to the state at the start of the process."""
        self._assign(SummaryContext())

    def _assign(self, other: SummaryContext) -> None:
        for f in fields(self):
            value = getattr(other, f.name)
            setattr(self, f.name, list(value) if isinstance(value, list) else value)


CONTEXT = SummaryContext()


@contextmanager
def isolated() -> Generator[SummaryContext]:
    """Start with a fresh summary context, and put the present one back at the end."""
    before = SummaryContext()
    before._assign(CONTEXT)
    CONTEXT.reset()
    try:
        yield CONTEXT
    finally:
        CONTEXT._assign(before)


class record_if(ContextDecorator):  # noqa: N801 - a context manager that confs know by this name
    """Inside, write summaries only if `cond` holds.

    A class, as iterations begin with it: a generator takes five times as long.

    Args:
        cond: a truth value, or a function that is asked once, on entry. The innermost `record_if`
            decides alone.
    """

    def __init__(self, cond: bool | Callable[[], bool]):
        self._cond = cond
        self._entered: list[tuple[list[bool], int]] = []

    def __enter__(self) -> None:
        holds = bool(self._cond() if callable(self._cond) else self._cond)
        stack = CONTEXT.conditions
        self._entered.append((stack, len(stack)))
        stack.append(holds)
        CONTEXT.refresh()

    def __exit__(self, *error: object) -> None:
        stack, depth = self._entered.pop()
        del stack[depth:]
        CONTEXT.refresh()


@contextmanager
def pushed(stack: list[T], value: T) -> Generator[T]:
    """Hold `value` on top of one of the context's stacks; whatever was left above it goes too."""
    depth = len(stack)
    stack.append(value)
    try:
        yield value
    finally:
        del stack[depth:]
