"""Panels to draw on: the fixed part is drawn once for each sheet, then copied."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alf.summary.render import theme
from alf.summary.render.arrangement import Arrangement
from alf.summary.render.canvas import Canvas
from alf.summary.render.sheet import Box, Sheet, y_pixels
from alf.summary.render.text import elided


@dataclass
class Panel:
    """A panel to draw on: a copy of the fixed part, and where values are on it.

    Attributes:
        sheet: what was asked for.
        canvas: of the whole panel.
        plot: the part within the axes.
    """

    sheet: Sheet
    canvas: Canvas
    plot: Box

    def x_pixels(self, values: NDArray | float) -> NDArray[np.float64]:
        """Where `values` are on the horizontal axis; cut off at its ends, NaN stays NaN."""
        return self.plot.left + self.sheet.x.fraction(values) * self.plot.width

    def y_pixels(self, values: NDArray | float) -> NDArray[np.float64]:
        """Where `values` are on the vertical axis; cut off at its ends, NaN stays NaN."""
        return y_pixels(self.sheet, self.plot, values)

    def write_note(self, text: str) -> None:
        """Write a text at the right end of the title's line, into what `title_note` keeps free."""
        size = self.sheet.size
        pad, em = max(2, round(theme.PAD * size.unit)), size.em(theme.FONT_SIZE)
        scoped = "/" in self.sheet.name
        y = pad + (round(size.em(theme.SCOPE_SIZE) * 1.3) if scoped else 0)
        text = elided(text, em, self.sheet.title_note)
        self.canvas.text(size.width - pad, y, text, em, theme.INK, "rt")


def open_panel(sheet: Sheet) -> Panel:
    """A fresh panel with the fixed part drawn."""
    pixels, plot = _fixed_part(sheet, theme.present_theme())
    return Panel(sheet, Canvas(pixels.copy()), plot)


@functools.lru_cache(maxsize=64)
def _fixed_part(sheet: Sheet, _theme: str) -> tuple[NDArray[np.uint8], Box]:
    """The pixels before there are data, and the place of these; kept for each sheet and theme."""
    canvas = Canvas.blank(sheet.size.width, sheet.size.height)
    layout = Arrangement(sheet, canvas)
    for detail in (2, 1, 0):
        layout.arrange(detail)
        fits_width = layout.plot.width >= 0.35 * sheet.size.width
        fits_height = layout.plot.height - sheet.head - sheet.foot >= 0.2 * sheet.size.height
        if fits_width and fits_height:
            break
    layout.draw()
    canvas.pixels.setflags(write=False)
    return canvas.pixels, layout.plot
