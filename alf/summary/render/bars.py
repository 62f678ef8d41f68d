"""Bar charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.summary.render import theme
from alf.summary.render.axes import category_axis, linear_axis, rounded_range, value_range
from alf.summary.render.image import Image
from alf.summary.render.layout import Panel, open_panel
from alf.summary.render.panels import formatted, is_rendering_enabled, numbers, refuse, scoped
from alf.summary.render.sheet import Sheet, Size, panel_size
from alf.summary.render.text import cap_height, text_width


def render_bar(
    name: str,
    data: Any,
    width: float = 0.8,
    y_range: Sequence[float] | None = None,
    x_ticks: Sequence[Any] | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    legends: Sequence[str] | None = None,
    annotate_format: str = "%.2f",
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Image | None:
    """Draw bars.

    Args:
        name: title of the panel, behind the present scope.
        data: `[N]`, or `[M, N]` for `M` series side by side.
        width: part of its slot that a bar (or a group of them) takes, in (0, 1].
        y_range: values at the bottom and the top; `None` takes round numbers around the data and 0.
        x_ticks: one text a bar; `None` counts from 0.
        x_label: what the bars are, or `None`.
        y_label: what their height is, or `None`.
        legends: one text a series, or `None`.
        annotate_format: `%` format of the number at the end of each bar; `""` for none. Numbers
            turn upwards where they are too wide, and are left out where they are too high even
            then.
        img_height: height in pixels; see `alf.summary.render.sheet.panel_size`.
        img_width: width in pixels.
        dpi: pixels per inch.
        figsize: width and height in inches.
        **kwargs: none is known.

    Returns:
        `None` while rendering is off.

    Raises:
        RenderError: if the data have another shape, or an option is not known.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_bar", kwargs)
    values = np.atleast_2d(numbers(name, data, (0, 1, 2)))
    chart = BarChart(
        values,
        labels=_labels(x_ticks, values.shape[1]),
        width=width,
        y_range=y_range,
        x_label=x_label or "",
        y_label=y_label or "",
        legends=tuple(str(x) for x in legends or ()),
        annotate_format=annotate_format,
    )
    return chart.draw(scoped(name), panel_size(img_height, img_width, dpi, figsize))


def _labels(x_ticks: Sequence[Any] | None, count: int) -> tuple[str, ...]:
    """One label a bar; missing ones are empty, surplus ones are dropped."""
    texts = [str(i) for i in range(count)] if x_ticks is None else [str(x) for x in x_ticks]
    return tuple((texts + [""] * count)[:count])


@dataclass
class BarChart:
    """Bars before they are drawn.

    Attributes:
        values: `[M, N]`; NaN has no bar.
        labels: `N` texts.
        width: part of its slot that a group of bars takes.
        y_range: values at the bottom and the top, or `None`.
        x_label: title of the horizontal axis.
        y_label: title of the vertical axis.
        legends: one text a series, or none.
        annotate_format: `%` format of the numbers, or `""`.
        tracks: the range that each bar can be in, drawn behind it, or none.
        marked: the bar that stands out, or `None`.
        notes: `[M][N]` texts at the ends of the bars in place of their numbers, or `None`.
        y_ticks: whether the vertical axis has ticks.
    """

    values: NDArray[np.float64]
    labels: tuple[str, ...]
    width: float = 0.8
    y_range: Sequence[float] | None = None
    x_label: str = ""
    y_label: str = ""
    legends: tuple[str, ...] = ()
    annotate_format: str = "%.2f"
    tracks: tuple[tuple[float, float], ...] = ()
    marked: int | None = None
    notes: Sequence[Sequence[str]] | None = None
    y_ticks: bool = True

    def draw(self, name: str, size: Size) -> Image:
        """Draw the panel."""
        low, high = value_range(self.values, self.y_range, include=(0.0,))
        if self.y_range is None:
            low, high = rounded_range(low, high)
        self._keep_digits(max(abs(low), abs(high)))
        note = self._note_style(size, low, high)
        sheet = Sheet(
            size,
            name,
            x=category_axis(self.labels, self.x_label),
            y=linear_axis(low, high, title=self.y_label),
            legends=self.legends,
            head=note.room,
            foot=note.room if low < 0 else 0,
            tracks=self.tracks,
            track_width=self._group,
        )
        if not self.y_ticks:
            sheet = replace(sheet, y=replace(sheet.y, ticks=(), labels=()))
        panel = open_panel(sheet)
        self._draw_bars(panel, note)
        return Image.owning(panel.canvas.pixels, name)

    @property
    def _group(self) -> float:
        """The part of its slot that a group of bars takes; a single one is not as wide."""
        return min(max(self.width, 0.01), 1.0) * (0.5 if self.values.shape[1] == 1 else 1.0)

    def _keep_digits(self, size: float) -> None:
        """Change a number format that shows nothing but zeros on an axis up to `size`."""
        if self.annotate_format and not set(self.annotate_format % size) & set("123456789"):
            self.annotate_format = "%.2g"

    def _note_style(self, size: Size, low: float, high: float) -> _NoteStyle:
        """How numbers are set; from the range alone, so that it stays from frame to frame."""
        count = self.values.size
        if not self.annotate_format or count == 0:
            return _NoteStyle(0, False, 0)
        slot = 0.8 * size.width * (self.width if len(self.values) > 1 else 1.0) / count
        texts = [formatted(x, self.annotate_format) for x in (low, high)]
        if self.notes is not None:
            texts = [text for row in self.notes for text in row]
        for points in (theme.FONT_SIZE, theme.SCOPE_SIZE, theme.SMALLEST_SIZE):
            em = size.em(points)
            widest = max(text_width(text, em) for text in texts)
            if widest <= slot:
                return _NoteStyle(em, False, round(cap_height(em) * 1.7))
        em = size.em(theme.SMALLEST_SIZE)
        if cap_height(em) * 1.15 <= slot and widest < 0.25 * size.height:
            return _NoteStyle(em, True, widest + round(0.8 * em))
        return _NoteStyle(0, False, 0)

    def _draw_bars(self, panel: Panel, note: _NoteStyle) -> None:
        series_count, count = self.values.shape
        starts = np.arange(count) - self._group / 2
        step = self._group / max(series_count, 1)
        base = float(panel.y_pixels(0.0))
        values, tops = self.values.tolist(), panel.y_pixels(self.values).tolist()
        offsets = np.arange(series_count + 1) * step
        edges = panel.x_pixels(starts + offsets[:, None]).tolist()
        for s in range(series_count):
            for i in range(count):
                value, top = values[s][i], tops[s][i]
                color = theme.CHOSEN if i == self.marked else theme.series_color(s)
                left, right = edges[s][i], max(edges[s + 1][i], edges[s][i] + 1)
                if not math.isnan(value):
                    panel.canvas.rect(left, min(top, base), right, max(top, base), color)
                if note.em:
                    end = base if math.isnan(value) else top
                    self._draw_note(panel, note, (left + right) / 2, end, (s, i))
        if base < panel.plot.bottom - 1:
            panel.canvas.rect(panel.plot.left, base, panel.plot.right, base + 1, theme.AXIS)

    def _draw_note(
        self, panel: Panel, note: _NoteStyle, x: float, y: float, bar: tuple[int, int]
    ) -> None:
        value = float(self.values[bar])
        if self.notes is None:
            text = formatted(value, self.annotate_format)
        else:
            text = self.notes[bar[0]][bar[1]]
        color = theme.INK if self.marked in (None, bar[1]) else theme.MUTED
        gap = max(2, round(0.25 * note.em))
        y, anchor = (y + gap, "mt") if value < 0 else (y - gap, "mb")
        write = panel.canvas.text_up if note.upward else panel.canvas.text
        write(x, y, text, note.em, color, anchor)


@dataclass(frozen=True)
class _NoteStyle:
    """How the numbers at the bars are set: the em in pixels (0 for none), direction, room."""

    em: int
    upward: bool
    room: int
