"""Curves, flat and in space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.render import theme
from alf.summary.render.axes import linear_axis, rounded_range, value_range
from alf.summary.render.image import Image
from alf.summary.render.layout import Panel, open_panel
from alf.summary.render.panels import is_rendering_enabled, numbers, refuse, scoped
from alf.summary.render.sheet import Sheet, panel_size


def render_curve(
    name: str,
    data: Any,
    x_range: Sequence[float] | None = None,
    y_range: Sequence[float] | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    legends: Sequence[str] | None = None,
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Image | None:
    """Draw curves.

    Args:
        name: title of the panel, behind the present scope.
        data: `[N]`, or `[M, N]` for `M` curves. A value that is not finite leaves a gap.
        x_range: what the first and the last value of a curve belong to; `None` is `(0, N - 1)`.
        y_range: values at the bottom and the top; `None` takes round numbers around the data.
        x_label: title of the horizontal axis, or `None`.
        y_label: title of the vertical axis, or `None`.
        legends: one text a curve, or `None`.
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
    refuse(name, "render_curve", kwargs)
    curves = np.atleast_2d(numbers(name, data, (0, 1, 2)))
    count = curves.shape[1]
    x_low, x_high = value_range(np.array([0.0, max(count - 1, 1)]), x_range)
    y_low, y_high = value_range(curves, y_range)
    if y_range is None:
        y_low, y_high = rounded_range(y_low, y_high)
    sheet = Sheet(
        panel_size(img_height, img_width, dpi, figsize),
        scoped(name),
        x=linear_axis(x_low, x_high, title=x_label or ""),
        y=linear_axis(y_low, y_high, title=y_label or ""),
        legends=tuple(str(x) for x in legends or ()),
    )
    panel = open_panel(sheet)
    positions = panel.x_pixels(np.linspace(x_low, x_high, count))
    for i, curve in enumerate(curves):
        draw_curve(panel, positions, panel.y_pixels(np.where(np.isfinite(curve), curve, np.nan)), i)
    return Image.owning(panel.canvas.pixels, sheet.name)


def draw_curve(panel: Panel, x: NDArray[np.float64], y: NDArray[np.float64], index: int) -> None:
    """Draw one curve in pixels `[N]`, a piece for each run of values between gaps.

    Args:
        panel: what to draw on.
        x: rising positions, `[N]`.
        y: positions, `[N]`; NaN is a gap.
        index: decides the colour.
    """
    width = max(1.0, theme.LINE * panel.sheet.size.unit)
    color = theme.series_color(index)
    breaks = np.flatnonzero(np.isnan(y))
    for piece in np.split(np.arange(len(y)), breaks):
        kept = piece[~np.isnan(y[piece])]
        if len(kept) == 1:
            panel.canvas.dot(float(x[kept[0]]), float(y[kept[0]]), width, color)
        elif len(kept):
            panel.canvas.line(thinned(np.stack([x[kept], y[kept]], axis=1)), color, width)


def thinned(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most four of `points` `[N, 2]` (x rising) for each pixel column, which looks the same.

    The first, the lowest, the highest and the last point of a column cover whatever the others
    would.
    """
    if len(points) <= 4 * (points[-1, 0] - points[0, 0] + 1):
        return points
    columns = np.floor(points[:, 0]).astype(np.int64)
    starts = np.flatnonzero(np.diff(columns, prepend=columns[0] - 1))
    ends = np.append(starts[1:], len(points))
    keep = [
        index
        for start, end in zip(starts, ends, strict=True)
        for index in sorted(
            {
                start,
                start + int(np.argmin(points[start:end, 1])),
                start + int(np.argmax(points[start:end, 1])),
                end - 1,
            }
        )
    ]
    return points[keep]


def render_3d_curve(
    name: str,
    data: Any,
    x_range: Sequence[float] | None = None,
    y_range: Sequence[float] | None = None,
    z_range: Sequence[float] | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    z_label: str | None = None,
    legends: Sequence[str] | None = None,
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Image | None:
    """Draw curves in space. This one is a matplotlib figure, and takes about a tenth of a second.

    Args:
        name: title of the panel, behind the present scope.
        data: `[N, 3]`, or `[M, N, 3]` for `M` curves.
        x_range: first and last value of the axis, or `None` for those of the data.
        y_range: likewise.
        z_range: likewise.
        x_label: title of the axis, or `None`.
        y_label: likewise.
        z_label: likewise.
        legends: one text a curve, or `None`.
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
    refuse(name, "render_3d_curve", kwargs)
    curves = numbers(name, data, (2, 3))
    if curves.shape[-1] != 3:
        raise RenderError(
            f"Panel '{name}': a curve in space is [N, 3], but the shape is {list(curves.shape)}."
        )
    curves = curves.reshape(-1, *curves.shape[-2:])
    panel = open_panel(Sheet(panel_size(img_height, img_width, dpi, figsize), scoped(name)))
    from matplotlib.figure import Figure

    plot, resolution = panel.plot, panel.sheet.size.unit * 72
    figure = Figure(figsize=(plot.width / resolution, plot.height / resolution))
    axes: Any = figure.add_subplot(projection="3d")
    figure.subplots_adjust(0.0, 0.0, 0.95, 1.0)
    axes.set_box_aspect(None, zoom=0.92)
    for i, curve in enumerate(curves):
        color = tuple(c / 255 for c in theme.series_color(i))
        label = str(legends[i]) if legends and i < len(legends) else None
        axes.plot(*curve.T, color=color, linewidth=theme.LINE, label=label)
    for axis, fixed, title in zip(
        "xyz", (x_range, y_range, z_range), (x_label, y_label, z_label), strict=True
    ):
        values = curves[..., "xyz".index(axis)]
        getattr(axes, f"set_{axis}lim")(*value_range(values, fixed))
        getattr(axes, f"set_{axis}label")(title or "", fontsize=theme.SCOPE_SIZE, labelpad=-10)
    axes.tick_params(labelsize=theme.SMALLEST_SIZE, pad=-4)
    axes.locator_params(nbins=4)
    if legends:
        axes.legend(fontsize=theme.SMALLEST_SIZE, loc="upper left", frameon=False)
    _paint_figure(figure, axes)
    drawn = Image.from_pyplot_fig(figure, resolution).resize(plot.height, plot.width)
    panel.canvas.picture(plot.left, plot.top, drawn.data)
    return Image.owning(panel.canvas.pixels, panel.sheet.name)


def _paint_figure(figure: Any, axes: Any) -> None:
    """Give a matplotlib figure in space the colours of the theme."""
    paper, ink, grid = (
        tuple(part / 255 for part in color) for color in (theme.PAPER, theme.MUTED, theme.GRID)
    )
    figure.set_facecolor(paper)
    axes.set_facecolor(paper)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color(paper)
        axis.line.set_color(ink)
        axis.label.set_color(ink)
        axis.set_tick_params(colors=ink, grid_color=grid)
    legend = axes.get_legend()
    for text in legend.get_texts() if legend is not None else ():
        text.set_color(ink)
