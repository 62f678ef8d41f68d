"""Two themes: the same panels in other colours."""

from typing import Any

import numpy as np
import pytest

from alf import summary
from alf.errors import RenderError
from alf.summary import render as typed_render
from alf.summary.render import theme

render: Any = typed_render

PANELS = {
    "bar": lambda: render.render_bar("scope/n", [1.0, -2.0], legends=["a"]),
    "curve": lambda: render.render_curve("scope/n", [1.0, 2.0, 0.0]),
    "heatmap": lambda: render.render_heatmap("scope/n", np.eye(3)),
    "meters": lambda: render.render_meters("scope/n", [1.0, -2.0]),
    "series": lambda: render.render_time_series("scope/n", [1.0, -2.0]),
    "scatter": lambda: render.render_scatter("scope/n", [[1.0, -2.0]]),
    "text": lambda: render.render_text("scope/n", "hello"),
    "3d": lambda: render.render_3d_curve("scope/n", np.eye(3), legends=["a"]),
}


@pytest.fixture(autouse=True)
def _rendering():
    with summary.isolated(), render.rendering():
        yield


def luminance(color) -> float:
    """Relative luminance of sRGB, as WCAG 2.1 defines it."""
    parts = np.asarray(color) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", PANELS)
def test_dark_panels_lie_on_dark_paper(kind):
    """Most of a dark panel is dark, and a light one drawn before or after stays light."""
    light = PANELS[kind]().data
    with render.themed("dark"):
        dark = PANELS[kind]().data
        paper = theme.PAPER
    again = PANELS[kind]().data

    assert np.array_equal(light, again)
    assert light.shape == dark.shape
    assert (dark[-1, -1] == paper).all()
    if kind != "heatmap":
        assert float(np.median(light)) > 200
        assert float(np.median(dark)) < 100


@pytest.mark.parametrize("name", ["light", "dark"])
def test_texts_can_be_read_and_series_told_from_paper(name):
    """Contrasts are those that WCAG asks for: 4.5 for texts, 3 for graphics (2.5 the palest)."""
    with render.themed(name):
        assert contrast(theme.INK, theme.PAPER) > 7
        assert contrast(theme.MUTED, theme.PAPER) > 4.5
        assert all(contrast(theme.series_color(i), theme.PAPER) > 2.5 for i in range(10))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_no_series_looks_like_what_was_chosen(name):
    """All colours of a theme differ, so that one of them means what stands out and nothing else."""
    with render.themed(name):
        colors = [theme.CHOSEN, *(theme.series_color(i) for i in range(9))]
        assert theme.series_color(9) == theme.series_color(0)
    apart = [
        np.abs(np.subtract(one, other)).sum()
        for i, one in enumerate(colors)
        for other in colors[:i]
    ]
    assert min(apart) > 50


def test_an_unknown_theme_is_refused():
    """The message names those that there are."""
    with pytest.raises(RenderError, match="'sepia'; there are light, dark"):
        render.set_theme("sepia")
    with pytest.raises(AttributeError, match="SEPIA"):
        _ = theme.SEPIA
