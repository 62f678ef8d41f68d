"""The places of title, legend, axes, labels and colour bar around a plot, and how they are drawn.

A panel is laid out from the outside in: the title strip on top, the legend below it, tick labels
and axis titles at the left and at the bottom, the colour bar at the right, each as large as its own
texts ask for. What remains is the plot, so that nothing can overlap. A panel too small for all of
it gives up axis titles and the legend first, then the labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from alf.summary.render import theme
from alf.summary.render.axes import Axis
from alf.summary.render.canvas import Canvas
from alf.summary.render.colormap import color_table
from alf.summary.render.sheet import Box, Sheet, y_pixels
from alf.summary.render.text import cap_height, elided, text_width

_LEGEND_ROWS = 3


@dataclass
class Arrangement:
    """Finds the place of every part of a sheet and draws it."""

    sheet: Sheet
    canvas: Canvas
    plot: Box = field(default_factory=lambda: Box(0, 0, 0, 0))
    detail: int = 2
    em: int = 0
    pad: int = 0
    x_labels: list[tuple[float, str]] = field(default_factory=list)
    x_upward: bool = False
    y_labels: list[tuple[float, str]] = field(default_factory=list)
    legend_rows: list[list[tuple[int, int, str]]] = field(default_factory=list)
    title_height: int = 0

    def arrange(self, detail: int) -> None:
        """Find all places; `detail` 1 leaves out axis titles and legend, 0 labels too."""
        size = self.sheet.size
        self.detail = detail
        self.em = size.em(self.sheet.font_size if detail == 2 else theme.SMALLEST_SIZE)
        self.pad = max(2, round(theme.PAD * size.unit))
        self.title_height = self._title_height()
        self.legend_rows = self._legend_rows() if detail == 2 else []
        top = self.title_height + len(self.legend_rows) * self._line + self.pad
        left = self._left_margin()
        right = size.width - self._right_margin()
        bottom = size.height - self._bottom_margin(right - left)
        if self.sheet.y.ticks and self.detail:
            # Half of the topmost label stands above the plot.
            top += max(0, self._cap // 2 - self.sheet.head)
        self.plot = Box(left, min(top, size.height - 2), max(right, left + 1), max(bottom, top + 1))
        self._thin_y_labels()

    def draw(self) -> None:
        """Draw everything but data."""
        self._draw_title()
        self._draw_legend()
        self._draw_y_axis()
        self._draw_x_axis()
        self._draw_colorbar()
        self._draw_tracks()

    @property
    def _cap(self) -> int:
        return cap_height(self.em)

    @property
    def _line(self) -> int:
        """Height of a line of labels."""
        return round(self.em * 1.35)

    @property
    def _tick(self) -> int:
        return max(2, round(theme.TICK * self.sheet.size.unit))

    @property
    def _drop(self) -> int:
        """Pixels from the plot to the labels below it; the lowest label at its side needs some."""
        return self._tick + self._cap // 3

    # Title ----------------------------------------------------------------------------------------

    def _title_height(self) -> int:
        scope, _, own = self.sheet.name.rpartition("/")
        size = self.sheet.size
        height = self.pad
        if scope:
            height += round(size.em(theme.SCOPE_SIZE) * 1.3)
        if own:
            height += round(size.em(theme.FONT_SIZE) * 1.3)
        return height

    def _draw_title(self) -> None:
        scope, _, own = self.sheet.name.rpartition("/")
        size = self.sheet.size
        room = size.width - 2 * self.pad
        y = self.pad
        if scope:
            em = size.em(theme.SCOPE_SIZE)
            self.canvas.text(self.pad, y, elided(scope, em, room), em, theme.MUTED, "lt")
            y += round(em * 1.3)
        em = size.em(theme.FONT_SIZE)
        room -= self.sheet.title_note
        bold = text_width(own, em, True) <= room
        self.canvas.text(self.pad, y, elided(own, em, room, bold), em, theme.INK, "lt", bold)

    # Legend ---------------------------------------------------------------------------------------

    def _legend_rows(self) -> list[list[tuple[int, int, str]]]:
        """Rows of (x, series, text); beyond three rows the last entry counts what is left out."""
        rows: list[list[tuple[int, int, str]]] = []
        x, room = self.pad, self.sheet.size.width - 2 * self.pad
        for i, legend in enumerate(self.sheet.legends):
            text = elided(legend, self.em, room - 2 * self.em)
            width = 2 * self.em + text_width(text, self.em)
            if not rows or x + width > self.pad + room:
                rows.append([])
                x = self.pad
            rows[-1].append((x, i, text))
            x += width
        if len(rows) > _LEGEND_ROWS:
            rows = rows[:_LEGEND_ROWS]
            last_x, last, _ = rows[-1][-1]
            rows[-1][-1] = (last_x, -1, f"and {len(self.sheet.legends) - last} more")
        return rows

    def _draw_legend(self) -> None:
        for row, items in enumerate(self.legend_rows):
            y = self.title_height + (row + 0.5) * self._line
            for x, i, text in items:
                color = theme.series_color(i)
                half = max(1, round(0.1 * self.em))
                indent = 0.0
                if i >= 0:
                    self.canvas.rect(x, y - half, x + 0.9 * self.em, y + half, color)
                    indent = 1.2 * self.em
                self.canvas.text(x + indent, y, text, self.em, theme.INK, "lm")

    # Vertical axis --------------------------------------------------------------------------------

    def _left_margin(self) -> int:
        self.y_labels = []
        margin = self.pad
        if not self.detail:
            return margin
        labels = self.sheet.x.labels
        if labels and not self.sheet.x.is_category:
            # Its first label is centred on the corner of the plot.
            margin = max(margin, text_width(labels[0], self.em) // 2 + 2)
        room = round(self.sheet.size.width * 0.33)
        axis = self.sheet.y
        texts = [elided(label, self.em, room) for label in axis.labels]
        self.y_labels = list(zip(axis.ticks, texts, strict=True))
        if texts:
            margin = self.pad + max(text_width(text, self.em) for text in texts) + self._tick + 1
        if axis.title and self.detail == 2:
            margin += self._line
        return margin

    def _thin_y_labels(self) -> None:
        self.y_labels = _every(self.y_labels, self._cap * 1.4, self._y_gap())

    def _y_gap(self) -> float:
        """Pixels between neighbouring ticks."""
        ticks = self.sheet.y.ticks
        if len(ticks) < 2:
            return math.inf
        return float(abs(np.diff(y_pixels(self.sheet, self.plot, np.array(ticks[:2])))[0]))

    def _draw_y_axis(self) -> None:
        plot, canvas, axis = self.plot, self.canvas, self.sheet.y
        hair = max(1, round(0.4 * self.sheet.size.unit))
        for value, text in self.y_labels:
            y = float(y_pixels(self.sheet, plot, value))
            if self.sheet.grid and not axis.is_category:
                row = min(math.floor(y), plot.bottom - hair)
                canvas.rect(plot.left, row, plot.right, row + hair, theme.GRID)
            canvas.text(plot.left - self._tick, y, text, self.em, theme.MUTED, "rm")
        if axis.title and self.detail == 2:
            text = elided(axis.title, self.em, plot.height)
            middle = (plot.top + plot.bottom) / 2
            canvas.text_up(self.pad + self._cap / 2, middle, text, self.em, theme.MUTED, "mm")

    # Horizontal axis ------------------------------------------------------------------------------

    def _bottom_margin(self, plot_width: int) -> int:
        self.x_labels, self.x_upward = [], False
        margin = self.pad
        axis = self.sheet.x
        if not self.detail:
            return margin
        if axis.labels:
            margin += self._place_x_labels(plot_width) + self._drop
        if axis.title and self.detail == 2:
            margin += self._line
        return margin

    def _place_x_labels(self, plot_width: int) -> int:
        """Choose which labels are shown and which way they read; returns their height in pixels."""
        axis = self.sheet.x
        gap = _gap(axis, plot_width)
        widest = max(text_width(label, self.em) for label in axis.labels)
        labels = list(zip(axis.ticks, axis.labels, strict=True))
        are_words = axis.is_category and not all(_is_number(label) for label in axis.labels)
        if are_words and widest + 0.4 * self.em > gap:
            self.x_upward = True
            room = round(self.sheet.size.height * 0.28)
            labels = [(value, elided(label, self.em, room)) for value, label in labels]
            self.x_labels = _every(labels, self._cap * 1.4, gap)
            return max(text_width(label, self.em) for _, label in self.x_labels)
        self.x_labels = _every(labels, widest + 0.5 * self.em, gap)
        return self._cap

    def _draw_x_axis(self) -> None:
        plot, canvas, axis = self.plot, self.canvas, self.sheet.x
        below = plot.bottom + self._drop
        for value, text in self.x_labels:
            x = plot.left + float(axis.fraction(value)) * plot.width
            if self.x_upward:
                canvas.text_up(x, below, text, self.em, theme.MUTED, "mt")
            else:
                half = text_width(text, self.em) / 2
                x = min(max(x, half + 1), self.sheet.size.width - half - 1)
                canvas.text(x, below, text, self.em, theme.MUTED, "mt")
        if axis.labels or (self.sheet.y.labels and not self.sheet.y.is_category):
            hair = max(1, round(0.5 * self.sheet.size.unit))
            canvas.rect(plot.left, plot.bottom, plot.right, plot.bottom + hair, theme.AXIS)
        if axis.title and self.detail == 2:
            text = elided(axis.title, self.em, plot.width)
            y = self.sheet.size.height - self.pad
            canvas.text((plot.left + plot.right) / 2, y, text, self.em, theme.MUTED, "mb")

    def _draw_tracks(self) -> None:
        plot, half = self.plot, self.sheet.track_width / 2
        for i, ends in enumerate(self.sheet.tracks):
            sides = self.sheet.x.fraction(np.array([i - half, i + half])) * plot.width + plot.left
            bottom, top = y_pixels(self.sheet, plot, np.array(ends))
            self.canvas.rect(sides[0], top, sides[1], bottom, theme.TRACK)

    # Colour bar -----------------------------------------------------------------------------------

    def _right_margin(self) -> int:
        margin = self.pad
        bar, labels = self.sheet.colorbar, self.sheet.x.labels
        if labels and self.detail and not self.sheet.x.is_category:
            margin = max(margin, text_width(labels[-1], self.em) // 2 + 2)
        if bar is not None and self.detail:
            margin += round(theme.COLORBAR * self.sheet.size.unit) + self._tick + self.pad
            margin += max(text_width(label, self.em) for label in bar.labels)
            if bar.title and self.detail == 2:
                margin += self._line
        return margin

    def _draw_colorbar(self) -> None:
        bar, plot, size = self.sheet.colorbar, self.plot, self.sheet.size
        if bar is None or not self.detail:
            return
        width = round(theme.COLORBAR * size.unit)
        left = plot.right + self.pad
        rows = np.linspace(255, 0, plot.height).round().astype(np.int64)
        table = color_table(self.sheet.colormap)
        strip = np.repeat(table[rows][:, None], width, axis=1)
        self.canvas.picture(left, plot.top, strip)
        labels = list(zip(bar.ticks, bar.labels, strict=True))
        gap = plot.height / max(1, len(labels))
        for value, text in _every(labels, self._cap * 1.6, gap):
            y = plot.bottom - float(bar.fraction(value)) * plot.height
            y = min(max(y, plot.top + self._cap / 2), plot.bottom - self._cap / 2)
            self.canvas.text(left + width + self._tick, y, text, self.em, theme.MUTED, "lm")
        if bar.title and self.detail == 2:
            text = elided(bar.title, self.em, plot.height)
            x = size.width - self.pad - self._cap / 2
            middle = (plot.top + plot.bottom) / 2
            self.canvas.text_up(x, middle, text, self.em, theme.MUTED, "mm")


def _gap(axis: Axis, length: int) -> float:
    """Pixels between neighbouring ticks on an axis of `length` pixels."""
    if len(axis.ticks) < 2:
        return math.inf if not axis.is_category else float(length)
    return length * (axis.ticks[1] - axis.ticks[0]) / (axis.high - axis.low)


def _every(labels: list[tuple[float, str]], needed: float, gap: float) -> list[tuple[float, str]]:
    """Every k-th label, with the smallest k that leaves `needed` pixels for each."""
    stride = max(1, math.ceil(needed / max(gap, 1e-6)))
    return labels[::stride]


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
