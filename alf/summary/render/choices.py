"""Pictures of discrete actions: a bar for each choice, or a table where there are several."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.render import theme
from alf.summary.render.axes import category_axis
from alf.summary.render.bars import BarChart
from alf.summary.render.image import Image
from alf.summary.render.layout import open_panel
from alf.summary.render.sheet import Sheet, Size

_LARGEST_KEPT = 500_000
"""Pictures with more pixels are drawn again each time, so that memory stays small."""


@dataclass(frozen=True)
class Style:
    """What all panels of one call share."""

    size: Size
    x_ticks: tuple[str, ...] | None
    annotate_format: str
    theme: str

    def labels(self, count: int, start: int = 0) -> tuple[str, ...]:
        """One text for each of `count` choices or numbers."""
        if self.x_ticks is None:
            return tuple(str(start + i) for i in range(count))
        return (self.x_ticks + ("",) * count)[:count]


def make_style(size: Size, x_ticks: Sequence[Any] | None, annotate_format: str) -> Style:
    """The style of one call, in the present theme."""
    texts = None if x_ticks is None else tuple(str(x) for x in x_ticks)
    return Style(size, texts, annotate_format, theme.present_theme())


def choice_bounds(title: str, spec: Any) -> tuple[int, int]:
    """The first and the last choice that a spec allows.

    Raises:
        RenderError: it has no bounds.
    """
    low = getattr(spec, "minimum", None)
    if low is None:
        raise RenderError(
            f"Panel '{title}': the spec {spec} has no bounds, so it is not known which "
            "choices there are. Use a BoundedTensorSpec."
        )
    return int(np.min(low)), int(np.max(spec.maximum))


def draw_taken(title: str, values: NDArray, spec: Any, style: Style) -> Image:
    """Draw the choices that were taken. There are few such pictures, so they are kept."""
    bounds = choice_bounds(title, spec)
    low, high = bounds
    taken = values.reshape(-1).astype(np.int64)
    if taken.size and (taken.min() < low or taken.max() > high):
        raise RenderError(
            f"Panel '{title}': the action {values.tolist()} is outside of the choices {low} to "
            f"{high} of its spec {spec}."
        )
    choices = tuple(taken.tolist())
    if style.size.width * style.size.height > _LARGEST_KEPT:
        return Image.owning(_taken_pixels.__wrapped__(title, choices, bounds, style), title)
    return Image.owning(_taken_pixels(title, choices, bounds, style), title)


@functools.lru_cache(maxsize=64)
def _taken_pixels(
    title: str, choices: tuple[int, ...], bounds: tuple[int, int], style: Style
) -> NDArray[np.uint8]:
    low, high = bounds
    one_hot = np.eye(high - low + 1)[np.array(choices, np.int64) - low]
    pixels = draw_choices(title, one_hot, low, style, is_taken=True).data
    pixels.setflags(write=False)  # the same for every step that takes them
    return pixels


def draw_choices(
    title: str, probs: NDArray[np.float64], low: int, style: Style, is_taken: bool = False
) -> Image:
    """Draw probabilities `[K, n]`: bars if `K` is 1, and otherwise a table of cells."""
    labels = style.labels(probs.shape[1], low)
    if len(probs) != 1:
        return _draw_cells(title, probs, labels, style, is_taken)
    count = probs.shape[1]
    marked = None
    if np.isfinite(probs).any():  # as np.nanargmax, in a tenth of its time
        marked = int(np.where(np.isnan(probs[0]), -np.inf, probs[0]).argmax())
    notes = None
    if is_taken and marked is not None and style.x_ticks is None:
        notes = [[labels[i] if i == marked else "" for i in range(count)]]
    chart = BarChart(
        probs,
        labels=labels,
        y_range=(0.0, 1.0),
        annotate_format="" if is_taken and notes is None else style.annotate_format,
        tracks=((0.0, 1.0),) * count,
        marked=marked,
        notes=notes,
        y_ticks=not is_taken,
    )
    return chart.draw(title, style.size)


def _draw_cells(
    title: str,
    probs: NDArray[np.float64],
    labels: tuple[str, ...],
    style: Style,
    is_taken: bool,
) -> Image:
    """A table: a row for each number of the action, a column for each choice."""
    sheet = Sheet(
        style.size,
        title,
        x=category_axis(labels),
        y=category_axis([str(i) for i in range(len(probs))]),
        downward=True,
        grid=False,
    )
    panel = open_panel(sheet)
    rows, columns = probs.shape
    x = panel.x_pixels(np.arange(columns + 1) - 0.5)
    y = panel.y_pixels(np.arange(rows + 1) - 0.5)
    gap = 1 if min(np.diff(x).min(), np.diff(y).min()) > 4 else 0
    best = np.nan_to_num(probs, nan=-1.0).argmax(axis=1)
    for i in range(rows):
        for j in range(columns):
            is_best = j == best[i]
            strength = 0.06 + 0.94 * float(np.nan_to_num(probs[i, j]))
            color = theme.tint(theme.series_color(0), strength)
            if is_taken and is_best:
                color = theme.CHOSEN
            box = (float(x[j]) + gap, float(y[i]) + gap, float(x[j + 1]), float(y[i + 1]))
            panel.canvas.rect(*box, color)
            if is_best and not is_taken:
                radius = min(box[2] - box[0], box[3] - box[1]) * 0.18
                middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
                panel.canvas.dot(*middle, radius, theme.CHOSEN)
    return Image.owning(panel.canvas.pixels, title)
