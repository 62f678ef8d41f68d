"""Points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.render import theme
from alf.summary.render.axes import linear_axis, rounded_range, value_range
from alf.summary.render.image import Image
from alf.summary.render.layout import open_panel
from alf.summary.render.panels import is_rendering_enabled, numbers, refuse, scoped
from alf.summary.render.sheet import Sheet, panel_size


def render_scatter(
    name: str,
    data: Any,
    groups: Any = None,
    x_range: Sequence[float] | None = None,
    y_range: Sequence[float] | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    legends: Sequence[str] | None = None,
    point_size: float = 2.5,
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Image | None:
    """Draw points, later ones over earlier ones.

    Args:
        name: title of the panel, behind the present scope.
        data: `[N, 2]`, x and y of each point. A point that has NaN is left out; infinite values go
            to the end of the axis.
        groups: the group of each point, `[N]` whole numbers from 0, which decides its colour;
            `None` for one group.
        x_range: values at the left and the right; `None` takes round numbers around the data.
        y_range: values at the bottom and the top; `None` likewise.
        x_label: title of the horizontal axis, or `None`.
        y_label: title of the vertical axis, or `None`.
        legends: one text a group, or `None`.
        point_size: diameter of a point, in points.
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
    refuse(name, "render_scatter", kwargs)
    points = numbers(name, data, (2,))
    if points.shape[1] != 2:
        raise RenderError(
            f"Panel '{name}': points are [N, 2], x and y of each, but the shape is "
            f"{list(points.shape)}."
        )
    kinds = np.zeros(len(points), np.int64) if groups is None else _groups(name, groups, points)
    ends = [_ends(points[:, i], fixed) for i, fixed in enumerate((x_range, y_range))]
    sheet = Sheet(
        panel_size(img_height, img_width, dpi, figsize),
        scoped(name),
        x=linear_axis(*ends[0], title=x_label or ""),
        y=linear_axis(*ends[1], title=y_label or ""),
        legends=tuple(str(x) for x in legends or ()),
    )
    panel = open_panel(sheet)
    shown = ~np.isnan(points).any(axis=1)
    x, y = panel.x_pixels(points[shown, 0]), panel.y_pixels(points[shown, 1])
    radius = max(1.0, 0.5 * point_size * sheet.size.unit)
    for px, py, kind in zip(x.tolist(), y.tolist(), kinds[shown].tolist(), strict=True):
        panel.canvas.dot(px, py, radius, theme.series_color(kind))
    return Image.owning(panel.canvas.pixels, sheet.name)


def _groups(name: str, groups: Any, points: NDArray[np.float64]) -> NDArray[np.int64]:
    kinds = numbers(name, groups, (1,))
    if len(kinds) != len(points):
        raise RenderError(
            f"Panel '{name}': there are {len(points)} points and {len(kinds)} groups; give each "
            "point its group, or leave groups out."
        )
    return kinds.astype(np.int64)


def _ends(values: NDArray[np.float64], fixed: Sequence[float] | None) -> tuple[float, float]:
    low, high = value_range(values, fixed)
    return (low, high) if fixed is not None else rounded_range(low, high)
