"""Values as colours: heat maps, contours, and pictures of arrays without axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.render import theme
from alf.summary.render.axes import Axis, category_axis, linear_axis, places_in, value_range
from alf.summary.render.canvas import Canvas
from alf.summary.render.colormap import color_table, colorize
from alf.summary.render.image import Image
from alf.summary.render.layout import Panel, open_panel
from alf.summary.render.panels import formatted, is_rendering_enabled, numbers, refuse, scoped
from alf.summary.render.sheet import Sheet, panel_size
from alf.summary.render.text import cap_height, text_width

_CONTOUR_LEVELS = 10


def render_heatmap(
    name: str,
    data: Any,
    val_label: str = "",
    row_ticks: Sequence[Any] | None = None,
    col_ticks: Sequence[Any] | None = None,
    row_labels: Sequence[Any] | None = None,
    col_labels: Sequence[Any] | None = None,
    annotate_format: str = "%.2f",
    font_size: float = theme.FONT_SIZE,
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str = "viridis",
    **kwargs: Any,
) -> Image | None:
    """Draw a matrix as coloured cells; row 0 is at the top.

    Args:
        name: title of the panel, behind the present scope.
        data: `[H, W]`, or `[W]` for one row. NaN is grey.
        val_label: title of the colour bar.
        row_ticks: the rows that get a label, or `None` for all.
        col_ticks: the columns that get a label, or `None` for all.
        row_labels: one text for each of `row_ticks`; `None` for their numbers.
        col_labels: one text for each of `col_ticks`; `None` for their numbers.
        annotate_format: `%` format of the number in each cell, `""` for none. It is left out where
            cells are too small.
        font_size: of the labels, in points.
        img_height: height in pixels; see `alf.summary.render.sheet.panel_size`.
        img_width: width in pixels.
        dpi: pixels per inch.
        figsize: width and height in inches.
        vmin: value of the first colour; `None` for the smallest of the data.
        vmax: value of the last colour; `None` for the largest of the data.
        cmap: the colours: viridis, magma, inferno, plasma, cividis, turbo, hot, bone or jet.
        **kwargs: none is known.

    Returns:
        `None` while rendering is off.

    Raises:
        RenderError: if the data have another shape, or an option is not known.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_heatmap", kwargs)
    values = np.atleast_2d(numbers(name, data, (0, 1, 2)))
    low, high = _color_range(values, vmin, vmax)
    sheet = Sheet(
        panel_size(img_height, img_width, dpi, figsize),
        scoped(name),
        x=_cell_axis(values.shape[1], col_ticks, col_labels),
        y=_cell_axis(values.shape[0], row_ticks, row_labels),
        font_size=font_size,
        colorbar=linear_axis(low, high, title=val_label),
        colormap=cmap,
        downward=True,
        grid=False,
    )
    panel = open_panel(sheet)
    fractions = places_in(values, low, high)
    draw_cells(panel, fractions, cmap)
    if annotate_format:
        _annotate_cells(panel, values, colorize(fractions, cmap), annotate_format)
    return Image.owning(panel.canvas.pixels, sheet.name)


def _color_range(
    values: NDArray[np.float64], low: float | None, high: float | None
) -> tuple[float, float]:
    found = value_range(values)
    ends = (found[0] if low is None else low, found[1] if high is None else high)
    return value_range(values, ends)


def _cell_axis(count: int, ticks: Sequence[Any] | None, labels: Sequence[Any] | None) -> Axis:
    places = range(count) if ticks is None else ticks
    texts = places if labels is None else labels
    pairs = [
        (float(place), str(text))
        for place, text in zip(places, texts, strict=False)
        if -0.5 <= float(place) <= count - 0.5
    ]
    full = category_axis([""] * count)
    ticks_kept = tuple(place for place, _ in pairs)
    return Axis(full.low, full.high, ticks_kept, tuple(text for _, text in pairs), is_category=True)


def draw_cells(panel: Panel, fractions: NDArray[np.float64], cmap: str) -> None:
    """Fill the plot with cells `[H, W]`, coloured by `fractions` in [0, 1]; NaN is grey.

    Each cell begins at a whole pixel; where there are more cells than pixels, cells are averaged.
    """
    plot = panel.plot
    height, width = fractions.shape
    if not fractions.size:
        return
    if height > plot.height or width > plot.width:
        averaged: Any = colorize(fractions, cmap)
        target = (plot.width, plot.height)
        picture = np.asarray(cv2.resize(averaged, target, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        rows = np.arange(plot.height) * height // plot.height
        columns = np.arange(plot.width) * width // plot.width
        # The second one copies whole rows. Indexing in brackets takes ten times as long.
        picture = colorize(fractions, cmap).take(columns, axis=1).take(rows, axis=0)
    panel.canvas.picture(plot.left, plot.top, picture)


def _annotate_cells(
    panel: Panel, values: NDArray[np.float64], colors: NDArray[np.uint8], number_format: str
) -> None:
    """Write each value into its cell, dark on light and light on dark, if all fit."""
    height, width = values.shape
    if not values.size:
        return
    room = panel.plot.width / width, panel.plot.height / height
    if min(room) < theme.SMALLEST_PIXELS:
        return
    texts = [formatted(value, number_format) for value in values.reshape(-1).tolist()]
    longest = max(texts, key=len)
    ems = [panel.sheet.size.em(p) for p in (theme.SCOPE_SIZE, theme.SMALLEST_SIZE)]
    fitting = [
        em
        for em in ems
        if text_width(longest, em) < 0.94 * room[0] and cap_height(em) * 1.5 < room[1]
    ]
    if not fitting:
        return
    x, y = panel.x_pixels(np.arange(width)), panel.y_pixels(np.arange(height))
    centers = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    grounds = colors.reshape(-1, 3)
    is_dark = grounds @ np.array([0.299, 0.587, 0.114]) < 140
    inks = np.where(is_dark[:, None], theme.PAPER, theme.INK).astype(np.uint8)
    panel.canvas.labels(centers, texts, fitting[0], inks, grounds)


def render_contour(
    name: str,
    data: Any,
    x_ticks: Sequence[float] | None = None,
    y_ticks: Sequence[float] | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    font_size: float = theme.FONT_SIZE,
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    flip_y_axis: bool = True,
    cmap: str = "viridis",
    **kwargs: Any,
) -> Image | None:
    """Draw a function of two variables as areas between lines of equal value.

    Args:
        name: title of the panel, behind the present scope.
        data: `[H, W]`, at least 2 by 2. Cells around NaN are grey.
        x_ticks: `W` rising positions, evenly spaced, of the columns; `None` for their numbers.
        y_ticks: `H` rising positions, evenly spaced, of the rows; `None` for their numbers.
        x_label: title of the horizontal axis, or `None`.
        y_label: title of the vertical axis, or `None`.
        font_size: of the labels, in points.
        img_height: height in pixels; see `alf.summary.render.sheet.panel_size`.
        img_width: width in pixels.
        dpi: pixels per inch.
        figsize: width and height in inches.
        flip_y_axis: whether row 0 is at the top, as in a matrix, or at the bottom.
        cmap: the colours, as for `render_heatmap`.
        **kwargs: none is known.

    Returns:
        `None` while rendering is off.

    Raises:
        RenderError: if the data have another shape, or an option is not known.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_contour", kwargs)
    values = numbers(name, data, (2,))
    if min(values.shape) < 2:
        raise RenderError(
            f"Panel '{name}': a contour needs at least 2 rows and columns, but the shape is "
            f"{list(values.shape)}. Use render_curve."
        )
    low, high = value_range(values)
    sheet = Sheet(
        panel_size(img_height, img_width, dpi, figsize),
        scoped(name),
        x=_position_axis(values.shape[1], x_ticks, x_label),
        y=_position_axis(values.shape[0], y_ticks, y_label),
        font_size=font_size,
        colorbar=linear_axis(low, high),
        colormap=cmap,
        downward=flip_y_axis,
        grid=False,
    )
    panel = open_panel(sheet)
    fractions = places_in(values, low, high)
    _draw_contour(panel, fractions if flip_y_axis else fractions[::-1], cmap)
    return Image.owning(panel.canvas.pixels, sheet.name)


def _position_axis(count: int, positions: Sequence[float] | None, title: str | None) -> Axis:
    places = np.arange(count) if positions is None else np.asarray(positions, np.float64)
    low, high = value_range(places)
    return linear_axis(low, high, title=title or "")


def _draw_contour(panel: Panel, fractions: NDArray[np.float64], cmap: str) -> None:
    """Draw `fractions` `[H, W]`, whose corners are the corners of the plot, in even levels."""
    plot = panel.plot
    height, width = fractions.shape
    # Twice as fine, then averaged: the edges of the areas become smooth.
    columns = np.linspace(0, width - 1, 2 * plot.width, dtype=np.float32)
    rows = np.linspace(0, height - 1, 2 * plot.height, dtype=np.float32)
    grid_x, grid_y = np.meshgrid(columns, rows)
    source: Any = fractions.astype(np.float32)
    fine = np.asarray(cv2.remap(source, grid_x, grid_y, cv2.INTER_LINEAR), np.float64)
    levels = np.clip(np.floor(fine * _CONTOUR_LEVELS), 0, _CONTOUR_LEVELS - 1)
    areas: Any = colorize((levels + 0.5) / _CONTOUR_LEVELS, cmap)
    smooth = cv2.resize(areas, (plot.width, plot.height), interpolation=cv2.INTER_AREA)
    panel.canvas.picture(plot.left, plot.top, np.asarray(smooth, np.uint8))


def render_heatmap_fast(
    imgs: Any,
    min_value: float,
    max_value: float,
    pixel_size: int = 10,
    bar_size: int = 20,
    name: str = "",
) -> Image | None:
    """Draw arrays side by side as coloured squares, with a bar of the colours and nothing else.

    Args:
        imgs: `[H, W]`, `[N, H, W]`, or a list of arrays `[H, W]`.
        min_value: value of the first colour.
        max_value: value of the last colour, above `min_value`.
        pixel_size: side of one value's square, in pixels.
        bar_size: width of the colour bar in pixels; 0 for none.
        name: name of the image, behind the present scope.

    Returns:
        `None` while rendering is off.

    Raises:
        RenderError: if the arrays have another shape, or the range is not one.
    """
    if not is_rendering_enabled():
        return None
    is_list = isinstance(imgs, (list, tuple))
    arrays = [numbers(name, x, (2,)) for x in imgs] if is_list else [numbers(name, imgs, (2, 3))]
    arrays = [plane for a in arrays for plane in (a if a.ndim == 3 else a[None])]
    low, high = value_range(np.empty(0), (min_value, max_value))
    gap = max(1, pixel_size // 2)
    height = max((a.shape[0] for a in arrays), default=1) * pixel_size
    width = sum(a.shape[1] * pixel_size + gap for a in arrays) - gap
    canvas = Canvas.blank(max(width + (bar_size + gap if bar_size else 0), 1), height)
    left = 0
    for array in arrays:
        colors = colorize(places_in(array, low, high), "viridis")
        squares = colors.repeat(pixel_size, axis=0).repeat(pixel_size, axis=1)
        canvas.picture(left, 0, squares)
        left += squares.shape[1] + gap
    if bar_size:
        rows = np.linspace(255, 0, height).round().astype(np.int64)
        canvas.picture(left, 0, color_table("viridis")[rows][:, None].repeat(bar_size, axis=1))
    return Image(canvas.pixels, scoped(name))
