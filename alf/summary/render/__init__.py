"""Panels: images of what a policy thinks, for play to show beside the environment.

Every `render_*` function returns `None` while rendering is off, which it is until play is asked for
panels, and an `Image` while it is on. Put the images anywhere into the `info` that `predict_step`
returns.
"""

from collections.abc import Generator
from contextlib import contextmanager

from alf.summary.context import CONTEXT
from alf.summary.render.actions import render_action, render_action_distribution
from alf.summary.render.bars import render_bar
from alf.summary.render.curves import render_3d_curve, render_curve
from alf.summary.render.heatmaps import render_contour, render_heatmap, render_heatmap_fast
from alf.summary.render.image import Image
from alf.summary.render.meters import render_meters
from alf.summary.render.panels import is_rendering_enabled
from alf.summary.render.pictures import render_image
from alf.summary.render.scatter import render_scatter
from alf.summary.render.series import render_time_series
from alf.summary.render.text_panel import render_text
from alf.summary.render.theme import checked_theme

__all__ = [
    "Image",
    "enable_rendering",
    "is_rendering_enabled",
    "render_3d_curve",
    "render_action",
    "render_action_distribution",
    "render_bar",
    "render_contour",
    "render_curve",
    "render_heatmap",
    "render_heatmap_fast",
    "render_image",
    "render_meters",
    "render_scatter",
    "render_text",
    "render_time_series",
    "rendering",
    "set_theme",
    "themed",
]


def enable_rendering(flag: bool = True) -> None:
    """Let `render_*` functions draw, or, with `False`, return `None`."""
    CONTEXT.rendering = bool(flag)


@contextmanager
def rendering(flag: bool = True) -> Generator[None]:
    """Like `enable_rendering`, for the block alone."""
    before = CONTEXT.rendering
    CONTEXT.rendering = bool(flag)
    try:
        yield
    finally:
        CONTEXT.rendering = before


def set_theme(name: str) -> None:
    """Draw all panels from now on in the colours of a theme, `"light"` (the default) or `"dark"`.

    Raises:
        RenderError: there is no such theme.
    """
    CONTEXT.theme = checked_theme(name)


@contextmanager
def themed(name: str) -> Generator[None]:
    """Like `set_theme`, for the block alone."""
    before = CONTEXT.theme
    set_theme(name)
    try:
        yield
    finally:
        CONTEXT.theme = before
