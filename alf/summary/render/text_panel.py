"""Text as a panel."""

from __future__ import annotations

from typing import Any

from alf.summary.render import theme
from alf.summary.render.image import Image
from alf.summary.render.layout import open_panel
from alf.summary.render.panels import is_rendering_enabled, refuse, scoped
from alf.summary.render.sheet import Sheet, panel_size
from alf.summary.render.text import elided

_SHORTEST = 16
"""A panel is at least this many letters wide, so that its title can be read."""


def render_text(
    name: str,
    data: Any,
    font_size: float = 10,
    fig_width_per_char: float = 0.1,
    fig_height: float = 0.4,
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    **kwargs: Any,
) -> Image | None:
    """Draw a text below the title.

    Args:
        name: title of the panel, behind the present scope.
        data: the text, or anything that has one; it may have several lines.
        font_size: in points.
        fig_width_per_char: inches for each letter of the longest line. Fix `img_width` where texts
            change from step to step; what is longer is shortened in its middle.
        fig_height: inches for each line.
        img_height: height in pixels, or `None` for what the text needs.
        img_width: width in pixels, or `None` for what the text needs.
        dpi: pixels per inch.
        **kwargs: none is known.

    Returns:
        `None` while rendering is off.

    Raises:
        RenderError: if an option is not known, or the panel would become too large.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_text", kwargs)
    lines = str(data).splitlines() or [""]
    title = 2.6 * (theme.FONT_SIZE + theme.SCOPE_SIZE / 2) / 72
    figsize = (
        max(_SHORTEST, *(len(line) for line in lines)) * fig_width_per_char,
        fig_height * len(lines) + title,
    )
    width = round(figsize[0] * dpi) if img_width is None else img_width
    height = round(figsize[1] * dpi) if img_height is None else img_height
    size = panel_size(height, width, dpi, (width / dpi, height / dpi))
    panel = open_panel(Sheet(size, scoped(name)))
    plot, em = panel.plot, size.em(font_size)
    row = plot.height / len(lines)
    for i, line in enumerate(lines):
        text = elided(line, em, plot.width)
        panel.canvas.text(plot.left, plot.top + (i + 0.5) * row, text, em, theme.INK, "lm")
    return Image.owning(panel.canvas.pixels, panel.sheet.name)
