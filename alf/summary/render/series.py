"""Values over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.render import theme
from alf.summary.render.axes import Axis, end_axis, linear_axis, rounded_range, value_range
from alf.summary.render.curves import draw_curve
from alf.summary.render.image import Image
from alf.summary.render.layout import open_panel
from alf.summary.render.panels import formatted, is_rendering_enabled, numbers, refuse, scoped
from alf.summary.render.sheet import Sheet, Size, panel_size
from alf.summary.render.text import text_width

_WIDEST_NOTE = "-0.00e+00"


def render_time_series(
    name: str,
    data: Any,
    steps: Any = None,
    window: float | None = None,
    x_range: Sequence[float] | None = None,
    y_range: Sequence[float] | None = None,
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
    """Draw values over time, the newest one marked, its number beside the title.

    With a `window` the newest value is always at the right end and the axis counts back from it, so
    that its labels stand still while the curve moves; without, the axis holds all steps.

    Args:
        name: title of the panel, behind the present scope.
        data: `[N]`, or `[M, N]` for `M` series, the newest value last. What is not finite leaves a
            gap.
        steps: when the values were, `[N]`, rising; `None` counts from 0.
        window: how many steps back are shown; `None` for all.
        x_range: first and last step of the axis, without a `window`; `None` takes round numbers.
        y_range: values at the bottom and the top; `None` takes round numbers around what is shown.
        x_label: title of the horizontal axis, or `None`.
        y_label: title of the vertical axis, or `None`.
        legends: one text a series, or `None`.
        annotate_format: `%` format of the newest value, of a single series; `""` for none.
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
    refuse(name, "render_time_series", kwargs)
    series = np.atleast_2d(numbers(name, data, (0, 1, 2)))
    when = _when(name, steps, series.shape[1])
    if window is not None:
        when = when - when[-1] if when.size else when
        series, when = series[:, when >= -window], when[when >= -window]
    size = panel_size(img_height, img_width, dpi, figsize)
    single = len(series) == 1 and bool(annotate_format)
    sheet = Sheet(
        size,
        scoped(name),
        x=_time_axis(when, window, x_range, x_label or ""),
        y=_value_axis(series, y_range, y_label or "", size),
        legends=tuple(str(x) for x in legends or ()),
        title_note=text_width(_WIDEST_NOTE, size.em(theme.FONT_SIZE)) if single else 0,
    )
    panel = open_panel(sheet)
    x = panel.x_pixels(when)
    radius = 1.8 * theme.LINE * size.unit
    for i, values in enumerate(series):
        y = panel.y_pixels(np.where(np.isfinite(values), values, np.nan))
        draw_curve(panel, x, y, i)
        if y.size and np.isfinite(y[-1]):
            panel.canvas.dot(float(x[-1]), float(y[-1]), radius, theme.series_color(i))
    if single and series.size and not np.isnan(series[0, -1]):  # e.g. no reward yet
        panel.write_note(formatted(float(series[0, -1]), annotate_format))
    return Image.owning(panel.canvas.pixels, sheet.name)


def _when(name: str, steps: Any, count: int) -> NDArray[np.float64]:
    if steps is None:
        return np.arange(count, dtype=np.float64)
    when = numbers(name, steps, (1,))
    if len(when) != count:
        raise RenderError(
            f"Panel '{name}': there are {count} values and {len(when)} steps; give each value a "
            "step, or leave steps out."
        )
    return when


def _time_axis(
    when: NDArray[np.float64],
    window: float | None,
    fixed: Sequence[float] | None,
    title: str,
) -> Axis:
    if window is not None:
        return linear_axis(*value_range(np.array([-window, 0.0])), title=title)
    low, high = value_range(when if when.size > 1 else np.array([0.0, 1.0]), fixed)
    if fixed is None:
        low, high = rounded_range(low, high)
    return linear_axis(low, high, title=title)


def _value_axis(
    series: NDArray[np.float64], fixed: Sequence[float] | None, title: str, size: Size
) -> Axis:
    low, high = value_range(series, fixed)
    if fixed is None:
        low, high = rounded_range(low, high)
    if size.height <= 100 * size.unit:
        return end_axis(low, high, title)
    return linear_axis(low, high, title=title)
