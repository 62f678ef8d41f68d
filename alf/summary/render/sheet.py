"""What a panel is asked to be: its size, its title, its axes, and where values lie on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.render import theme
from alf.summary.render.axes import Axis

NO_AXIS = Axis(0.0, 1.0)
_LARGEST_SIDE = 8192
_SMALLEST_SIDE = 16


@dataclass(frozen=True)
class Size:
    """How large a panel is.

    Attributes:
        width: in pixels.
        height: in pixels.
        unit: pixels of one point, by which all type and distances scale.
    """

    width: int
    height: int
    unit: float

    def em(self, points: float) -> int:
        """Pixels of type of so many points, never too small to read."""
        return max(theme.SMALLEST_PIXELS, round(points * self.unit))


def panel_size(
    img_height: int | None, img_width: int | None, dpi: float, figsize: Sequence[float]
) -> Size:
    """The size that the arguments of a `render_*` function ask for.

    Args:
        img_height: height in pixels, or `None`. With one of the two, the other follows `figsize`.
        img_width: width in pixels, or `None`.
        dpi: pixels per inch, where neither is given.
        figsize: width and height in inches. Type is a part of it: twice the pixels on the same
            inches is a panel that looks the same, twice as fine.

    Raises:
        RenderError: if a side is below 16 or above 8192 pixels.
    """
    inch_width, inch_height = figsize
    if img_height is None and img_width is None:
        width, height = round(inch_width * dpi), round(inch_height * dpi)
    else:
        width = img_width or round(int(img_height or 0) * inch_width / inch_height)
        height = img_height or round(width * inch_height / inch_width)
    if not all(_SMALLEST_SIDE <= side <= _LARGEST_SIDE for side in (width, height)):
        raise RenderError(
            f"A panel has {_SMALLEST_SIDE} to {_LARGEST_SIDE} pixels a side, but {width} x "
            f"{height} were asked for by img_width, img_height, or figsize times dpi."
        )
    return Size(width, height, min(width / inch_width, height / inch_height) / 72)


@dataclass(frozen=True)
class Sheet:
    """All that decides how the fixed part of a panel looks.

    Attributes:
        size: of the panel.
        name: the title; what stands before the last slash is its scope, set smaller above it.
        x: the horizontal axis.
        y: the vertical axis.
        font_size: of labels, in points.
        legends: one text a series, or none.
        colorbar: the axis of the values that colours stand for, or `None`.
        colormap: name of the colours.
        head: free space in pixels within the plot, above the end of the vertical axis.
        foot: free space in pixels within the plot, below the start of the vertical axis.
        downward: whether the vertical axis starts at the top.
        grid: whether a line runs through the plot at each tick of the vertical axis.
        title_note: pixels at the right end of the title's line that are kept free for a text.
        tracks: the range that the bar of each category can be in, drawn behind it; or none.
        track_width: the part of its slot that a track takes.
    """

    size: Size
    name: str
    x: Axis = NO_AXIS
    y: Axis = NO_AXIS
    font_size: float = theme.FONT_SIZE
    legends: tuple[str, ...] = ()
    colorbar: Axis | None = None
    colormap: str = "viridis"
    head: int = 0
    foot: int = 0
    downward: bool = False
    grid: bool = True
    title_note: int = 0
    tracks: tuple[tuple[float, float], ...] = ()
    track_width: float = 0.8


@dataclass(frozen=True)
class Box:
    """A rectangle in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top


def y_pixels(sheet: Sheet, plot: Box, values: NDArray | float) -> NDArray[np.float64]:
    """Where `values` are on the vertical axis of a plot; cut off at its ends, NaN stays NaN."""
    part = sheet.y.fraction(values)
    top, bottom = plot.top + sheet.head, plot.bottom - sheet.foot
    return top + part * (bottom - top) if sheet.downward else bottom - part * (bottom - top)
