"""Named numbers, a row each, on tracks of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.render import theme
from alf.summary.render.axes import category_axis, rounded_range, value_range
from alf.summary.render.image import Image
from alf.summary.render.layout import Panel, open_panel
from alf.summary.render.panels import formatted, is_rendering_enabled, numbers, refuse, scoped
from alf.summary.render.sheet import Sheet, panel_size
from alf.summary.render.text import cap_height, elided, text_width

_WIDEST = "-0.00e+00"


def render_meters(
    name: str,
    data: Any,
    labels: Sequence[Any] | None = None,
    low: Any = None,
    high: Any = None,
    marked: int | None = None,
    annotate_format: str = "%.2f",
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Image | None:
    """Draw named numbers of different kinds: a row each, with a bar within a range of its own.

    A bar starts at 0 where its range holds 0, and otherwise at the end that is nearer to 0.

    Args:
        name: title of the panel, behind the present scope.
        data: `[N]`. NaN has no bar; what is outside of its range fills it.
        labels: one text a row; `None` for their numbers.
        low: values at the left end, `[N]` or one for all; `None` takes round numbers around the
            data and 0, the same for all.
        high: values at the right end; both or none.
        marked: the row that stands out, or `None`.
        annotate_format: `%` format of the number in each row, `""` for none. Numbers are left out
            where rows are too low.
        img_height: height in pixels; see `alf.summary.render.sheet.panel_size`.
        img_width: width in pixels.
        dpi: pixels per inch.
        figsize: width and height in inches.
        **kwargs: none is known.

    Returns:
        `None` while rendering is off.

    Raises:
        RenderError: if the data have another shape, a range is not one, or an option is not known.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_meters", kwargs)
    values = np.atleast_1d(numbers(name, data, (0, 1)))
    lows, highs = _ranges(name, values, low, high)
    texts = [str(x) for x in (range(len(values)) if labels is None else labels)]
    sheet = Sheet(
        panel_size(img_height, img_width, dpi, figsize),
        scoped(name),
        y=category_axis((texts + [""] * len(values))[: len(values)]),
        downward=True,
        grid=False,
    )
    panel = open_panel(sheet)
    if len(values):
        _draw_rows(panel, values, (lows, highs), marked, annotate_format)
    return Image.owning(panel.canvas.pixels, sheet.name)


def _ranges(
    name: str, values: NDArray[np.float64], low: Any, high: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends of each row, `[N]`, finite and apart."""
    if low is None or high is None:
        ends = rounded_range(*value_range(values, include=(0.0,)))
        return np.full(len(values), ends[0]), np.full(len(values), ends[1])
    lows = np.broadcast_to(numbers(name, low, (0, 1)), values.shape)
    highs = np.broadcast_to(numbers(name, high, (0, 1)), values.shape)
    if not (np.isfinite(lows).all() and np.isfinite(highs).all() and (lows <= highs).all()):
        raise RenderError(
            f"Panel '{name}': the ends of each row's range are finite, the lower one first, but "
            f"low is {lows.tolist()} and high is {highs.tolist()}."
        )
    return lows, np.where(highs > lows, highs, lows + 1.0)


def _draw_rows(
    panel: Panel,
    values: NDArray[np.float64],
    ends: tuple[NDArray[np.float64], NDArray[np.float64]],
    marked: int | None,
    annotate_format: str,
) -> None:
    plot = panel.plot
    edges = panel.y_pixels(np.arange(len(values) + 1) - 0.5)
    row = float(edges[1] - edges[0])
    em = _note_em(panel, row, annotate_format)
    room = text_width(_WIDEST, em) if em else 0
    gap = max(0.5, 0.14 * row)
    right = plot.right - (room + panel.sheet.size.em(theme.SCOPE_SIZE) // 2 if room else 0)
    fractions = _bar_ends(values, *ends)
    for i, value in enumerate(values):
        top, bottom = float(edges[i]) + gap, float(edges[i + 1]) - gap
        color = theme.CHOSEN if i == marked else theme.series_color(0)
        panel.canvas.rect(plot.left, top, right, bottom, theme.TRACK)
        start, end = plot.left + fractions[:, i] * (right - plot.left)
        if not np.isnan(value):
            least, most = min(start, end), max(start, end)
            panel.canvas.rect(least, top, max(most, least + 1), bottom, color)
        panel.canvas.rect(start, top - gap / 2, start + 1, bottom + gap / 2, theme.AXIS)
        if em:
            text = elided(formatted(float(value), annotate_format), em, room)
            middle = (top + bottom) / 2
            panel.canvas.text(plot.right, middle, text, em, theme.INK, "rm")


def _bar_ends(
    values: NDArray[np.float64], lows: NDArray[np.float64], highs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where bars start and end, as parts of the track, `[2, N]`; a missing one is empty."""
    start = np.clip(0.0, lows, highs)
    end = np.clip(np.where(np.isnan(values), start, values), lows, highs)
    # Halves: the span of a range may be beyond what a number can hold.
    span = highs / 2 - lows / 2
    return np.stack([(start / 2 - lows / 2) / span, (end / 2 - lows / 2) / span])


def _note_em(panel: Panel, row: float, annotate_format: str) -> int:
    """Size of the numbers; 0 where they do not fit."""
    if not annotate_format:
        return 0
    size = panel.sheet.size
    for points in (theme.FONT_SIZE, theme.SCOPE_SIZE, theme.SMALLEST_SIZE):
        em = size.em(points)
        if cap_height(em) * 1.25 <= row and text_width(_WIDEST, em) <= 0.4 * panel.plot.width:
            return em
    return 0
