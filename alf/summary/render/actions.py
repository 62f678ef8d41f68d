"""Actions and the distributions that they are drawn from, in the bounds of their specs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.nest import is_nested, map_structure_with_path
from alf.summary.arrays import to_numpy
from alf.summary.render import theme
from alf.summary.render.axes import Axis, category_axis, linear_axis, value_range
from alf.summary.render.bars import BarChart
from alf.summary.render.choices import Style, choice_bounds, draw_choices, draw_taken, make_style
from alf.summary.render.densities import Density, choice_probabilities, density, first
from alf.summary.render.image import Image
from alf.summary.render.layout import Panel, open_panel
from alf.summary.render.panels import formatted, is_rendering_enabled, refuse, scoped
from alf.summary.render.sheet import Sheet, panel_size

_UNBOUNDED = 1e6
"""Bounds from here on stand for none."""

_UNEQUAL = 10.0
"""Bounds that differ by more than this factor are not drawn on one axis."""


def render_action(
    name: str,
    action: Any,
    action_spec: Any,
    x_ticks: Sequence[Any] | None = None,
    annotate_format: str = "%.2f",
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Any:
    """Draw an action.

    A discrete action is a row of choices with the one taken marked, a vector of them one such row
    each. A continuous action is a bar for each of its numbers, within the bounds.

    Args:
        name: title of the panel, behind the present scope; a nest puts the path of the leaf behind
            it.
        action: a nest of actions, with or without batch dimensions; the first of the batch is
            drawn.
        action_spec: a nest of specs of the same structure.
        x_ticks: one text for each choice or number; `None` for their numbers.
        annotate_format: `%` format of the numbers at the bars; `""` for none.
        img_height: height in pixels; see `alf.summary.render.sheet.panel_size`.
        img_width: width in pixels.
        dpi: pixels per inch.
        figsize: width and height in inches.
        **kwargs: none is known.

    Returns:
        A nest of `Image` like `action`; `None` while rendering is off.

    Raises:
        RenderError: if an action does not fit its spec, or an option is not known.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_action", kwargs)
    style = make_style(panel_size(img_height, img_width, dpi, figsize), x_ticks, annotate_format)

    def draw(path: str, leaf: Any, spec: Any) -> Image:
        title = scoped(f"{name}/{path}" if path else name)
        values = _fitting(title, leaf, spec)
        if spec.is_discrete:
            return draw_taken(title, values, spec, style)
        return _draw_numbers(title, values.reshape(-1), spec, style)

    return _map(draw, action, action_spec)


def render_action_distribution(
    name: str,
    act_dist: Any,
    action_spec: Any,
    n_samples: int = 500,
    n_bins: int = 20,
    x_ticks: Sequence[Any] | None = None,
    annotate_format: str = "%.2f",
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Any:
    """Draw what an action is drawn from, with the most probable action marked.

    A discrete action has a bar for the probability of each choice. A continuous one has the curve
    of the density of each of its numbers, over the bounds of the action, scaled to its peak. It is
    exact wherever the distribution can tell it, and otherwise a histogram of draws, which leave
    torch's random state as it was.

    Args:
        name: title of the panel, behind the present scope; a nest puts the path of the leaf behind
            it.
        act_dist: a nest of distributions, of `alf.distributions`, `torch.distributions` or alike;
            the first of the batch is drawn.
        action_spec: a nest of specs of the same structure.
        n_samples: number of draws where there must be some.
        n_bins: number of bins for them.
        x_ticks: one text for each choice or number; `None` for their numbers.
        annotate_format: `%` format of probabilities and of the mode; `""` for none.
        img_height: height in pixels; see `alf.summary.render.sheet.panel_size`.
        img_width: width in pixels.
        dpi: pixels per inch.
        figsize: width and height in inches.
        **kwargs: none is known.

    Returns:
        A nest of `Image` like `act_dist`; `None` while rendering is off.

    Raises:
        RenderError: if a distribution does not fit its spec, or an option is not known.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_action_distribution", kwargs)
    style = make_style(panel_size(img_height, img_width, dpi, figsize), x_ticks, annotate_format)

    def draw(path: str, dist: Any, spec: Any) -> Image:
        title = scoped(f"{name}/{path}" if path else name)
        shape = tuple(spec.shape)
        if spec.is_discrete:
            low, high = choice_bounds(title, spec)
            probs = choice_probabilities(dist, low, high, shape, n_samples)
            return draw_choices(title, probs.reshape(-1, high - low + 1), low, style)
        low, high = _bounds(spec)
        curves = density(dist, low, high, shape, n_samples, n_bins)
        if curves.x.shape[1] == 1:
            return _draw_density(title, curves, (low, high), style)
        return _draw_density_rows(title, curves, (low, high), style)

    return _map(draw, act_dist, action_spec)


def _map(draw: Any, values: Any, spec: Any) -> Any:
    if not is_nested(values):
        return draw("", values, spec)
    return map_structure_with_path(draw, values, spec)


def _fitting(title: str, action: Any, spec: Any) -> NDArray[np.float64]:
    """The first action of a batch, in the shape of its spec."""
    shape = tuple(spec.shape)
    values = first(to_numpy(action).astype(np.float64), len(shape))
    if values.shape != shape:
        raise RenderError(
            f"Panel '{title}': the action has the shape {list(values.shape)} behind its batch "
            f"dimensions, but its spec {spec} has {list(shape)}."
        )
    return values


def _bounds(spec: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds of the numbers of an action, `[D]`; infinite where there are none."""
    low = _flat(getattr(spec, "minimum", -np.inf), spec)
    high = _flat(getattr(spec, "maximum", np.inf), spec)
    low[low <= -_UNBOUNDED] = -np.inf
    high[high >= _UNBOUNDED] = np.inf
    return low, high


def _flat(bound: Any, spec: Any) -> NDArray[np.float64]:
    """A bound of each number, `[D]`; one may be given for all."""
    values = np.array(bound, np.float64)
    shape = tuple(spec.shape)
    return (values if values.shape == shape else np.broadcast_to(values, shape).copy()).reshape(-1)


def _share_axis(low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    """Whether all bounds can be read on one axis."""
    span = high - low
    return bool(high.max() - low.min() <= _UNEQUAL * max(span.min(), 1e-12))


def _draw_numbers(title: str, values: NDArray[np.float64], spec: Any, style: Style) -> Image:
    """Bars `[D]` on tracks as long as the bounds."""
    low, high = _bounds(spec)
    chart = BarChart(
        values[None],
        labels=style.labels(len(values)),
        annotate_format=style.annotate_format,
    )
    if len(values) and np.isfinite(low).all() and np.isfinite(high).all():
        if _share_axis(low, high):
            chart.y_range = (float(low.min()), float(high.max()))
            chart.tracks = tuple(zip(low.tolist(), high.tolist(), strict=True))
        else:
            chart.notes = [[formatted(float(v), style.annotate_format or "%.2f") for v in values]]
            chart.values = ((values - low) / np.maximum(high - low, 1e-12))[None]
            chart.y_range = (0.0, 1.0)
            chart.tracks = ((0.0, 1.0),) * len(values)
            chart.y_ticks = False
    return chart.draw(title, style.size)


_Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


def _visible_ends(curves: Density, ends: _Ends) -> _Ends:
    """The bounds, or the ends of the curve where there is no bound."""
    low = np.where(np.isfinite(ends[0]), ends[0], curves.x[0])
    high = np.where(np.isfinite(ends[1]), ends[1], curves.x[-1])
    return low, np.maximum(high, low + 1e-12)


def _draw_density(title: str, curves: Density, ends: _Ends, style: Style) -> Image:
    """One density as a filled curve, with a line and a number at its mode."""
    low, high = _visible_ends(curves, ends)
    em = style.size.em(theme.SCOPE_SIZE)
    sheet = Sheet(
        style.size,
        title,
        x=linear_axis(*value_range(np.array([low[0], high[0]]))),
        head=round(1.6 * em),
    )
    panel = open_panel(sheet)
    mode = float(panel.x_pixels(curves.mode[0]))
    _draw_hill(panel, curves, 0, panel.plot.bottom, panel.plot.top + sheet.head)
    hair = max(1.0, 0.5 * style.size.unit)
    panel.canvas.rect(
        mode - hair, panel.plot.top + sheet.head, mode + hair, panel.plot.bottom, theme.CHOSEN
    )
    if style.annotate_format:
        text = formatted(float(curves.mode[0]), style.annotate_format)
        half = 0.32 * em * len(text)
        x = min(max(mode, panel.plot.left + half), panel.plot.right - half)
        y = panel.plot.top + sheet.head - 0.4 * em
        panel.canvas.text(x, y, text, em, theme.INK, "mb")
    return Image.owning(panel.canvas.pixels, title)


def _draw_density_rows(title: str, curves: Density, ends: _Ends, style: Style) -> Image:
    """A row for each density, on a track as long as its bounds, with a line at its mode."""
    low, high = _visible_ends(curves, ends)
    size = curves.x.shape[1]
    if _share_axis(low, high):
        axis = linear_axis(*value_range(np.array([low.min(), high.max()])))
    else:
        span = high - low
        curves = Density(
            (curves.x - low) / span, curves.height, (curves.mode - low) / span, curves.is_exact
        )
        low, high = np.zeros(size), np.ones(size)
        axis = Axis(0.0, 1.0, (0.0, 1.0), ("min", "max"))
    sheet = Sheet(
        style.size, title, x=axis, y=category_axis(style.labels(size)), downward=True, grid=False
    )
    panel = open_panel(sheet)
    edges = panel.y_pixels(np.arange(size + 1) - 0.5)
    gap = max(1.0, 0.12 * float(edges[1] - edges[0]))
    hair = max(0.5, 0.4 * style.size.unit)
    for i in range(size):
        top, bottom = float(edges[i]) + gap, float(edges[i + 1])
        left, right = float(panel.x_pixels(low[i])), float(panel.x_pixels(high[i]))
        panel.canvas.rect(left, top, right, bottom, theme.TRACK)
        _draw_hill(panel, curves, i, bottom, top)
        mode = float(panel.x_pixels(curves.mode[i]))
        mode = min(max(mode, left + hair), right - hair)
        panel.canvas.rect(mode - hair, top, mode + hair, bottom, theme.CHOSEN)
    return Image.owning(panel.canvas.pixels, title)


def _draw_hill(panel: Panel, curves: Density, index: int, bottom: float, top: float) -> None:
    """Fill a density between two heights in pixels, with a line along it."""
    x = panel.x_pixels(curves.x[:, index])
    y = bottom - curves.height[:, index] * (bottom - top)
    ridge = np.stack([x, y], axis=1)
    base = np.array([[x[-1], bottom], [x[0], bottom]])
    color = theme.series_color(0)
    panel.canvas.area(np.concatenate([ridge, base]), theme.tint(color, 0.35))
    panel.canvas.line(ridge, color, max(1.0, 0.7 * panel.sheet.size.unit))
