"""Layout: nothing overlaps, nothing is cut off."""

import numpy as np
import pytest

from alf.summary.render import theme
from alf.summary.render.axes import category_axis, linear_axis
from alf.summary.render.canvas import Canvas
from alf.summary.render.layout import open_panel
from alf.summary.render.sheet import Sheet, panel_size

LONG = "a/scope/that/is/long/" + "and_a_name_that_is_much_too_long_for_the_panel" * 2

SHEETS = {
    "plain": {"x": category_axis(["0", "1"]), "y": linear_axis(0, 1)},
    "many": {"x": category_axis([str(i) for i in range(64)]), "y": linear_axis(-1e30, 1e30)},
    "words": {
        "x": category_axis([f"a rather long label {i}" for i in range(9)]),
        "y": category_axis([f"another long label {i}" for i in range(32)]),
        "downward": True,
    },
    "titles": {
        "x": linear_axis(-2, 2, title="a title of the horizontal axis which is long"),
        "y": linear_axis(0, 1e-12, title="a title of the vertical axis which is long as well"),
        "legends": tuple(f"series {i}" for i in range(20)),
    },
    "bar": {
        "x": category_axis(list("abc")),
        "y": category_axis(list("abc")),
        "colorbar": linear_axis(-1234.5, 99999.0, title="value"),
    },
    "bare": {},
}


@pytest.fixture
def texts(monkeypatch):
    """The boxes of all texts that are drawn, as (left, top, right, bottom, text)."""
    boxes = []
    put = Canvas._put

    def recording(self, line, left, top):
        height, width = line.keep.shape[:2]
        boxes.append((left, top, left + width, top + height))
        put(self, line, left, top)

    monkeypatch.setattr(Canvas, "_put", recording)
    return boxes


@pytest.mark.parametrize("kind", SHEETS)
@pytest.mark.parametrize("name", ["", "short", "Scope/name", LONG])
@pytest.mark.parametrize(("dpi", "figsize"), [(150, (2, 2)), (300, (2, 2)), (151, (3, 1.7))])
def test_texts_keep_apart(texts, kind, name, dpi, figsize):
    """No text touches another one, the plot, or the edge of the panel."""
    from alf.summary.render import layout

    layout._fixed_part.cache_clear()
    size = panel_size(None, None, dpi, figsize)
    panel = open_panel(Sheet(size, name, **SHEETS[kind]))
    plot = panel.plot

    assert plot.width >= 0.35 * size.width
    assert plot.height >= 0.2 * size.height
    for i, (left, top, right, bottom) in enumerate(texts):
        assert left >= 0
        assert top >= 0
        assert right <= size.width
        assert bottom <= size.height
        inside_x = min(right, plot.right) - max(left, plot.left)
        inside_y = min(bottom, plot.bottom) - max(top, plot.top)
        assert inside_x <= 0 or inside_y <= 0, "a text lies in the plot"
        for other in texts[:i]:
            apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            assert apart, "two texts overlap"


def test_plot_stays_empty():
    """Before data are drawn the plot holds paper and grid lines alone."""
    panel = open_panel(Sheet(panel_size(None, None, 150, (2, 2)), LONG, **SHEETS["plain"]))
    plot = panel.plot
    inside = panel.canvas.pixels[plot.top : plot.bottom - 1, plot.left : plot.right]

    colors = {tuple(color) for color in np.unique(inside.reshape(-1, 3), axis=0).tolist()}
    assert colors <= {theme.PAPER, theme.GRID}


def test_values_are_placed_in_the_plot():
    """The ends of the axes are the ends of the plot, less the free space that was asked for."""
    sheet = Sheet(
        panel_size(None, None, 150, (2, 2)),
        "n",
        x=linear_axis(-1, 1),
        y=linear_axis(0, 10),
        head=12,
        foot=5,
    )
    panel = open_panel(sheet)
    plot = panel.plot

    assert panel.x_pixels(np.array([-1.0, 0.0, 1.0])).tolist() == [
        plot.left,
        (plot.left + plot.right) / 2,
        plot.right,
    ]
    assert panel.y_pixels(np.array([0.0, 10.0])).tolist() == [plot.bottom - 5, plot.top + 12]


def test_same_layout_at_twice_the_resolution():
    """Twice the dots per inch is the same panel, twice as large."""
    plots = [
        open_panel(Sheet(panel_size(None, None, dpi, (2, 2)), "s/n", **SHEETS["plain"])).plot
        for dpi in (150, 300)
    ]

    assert abs(2 * plots[0].left - plots[1].left) <= 6
    assert abs(2 * plots[0].top - plots[1].top) <= 6
    assert abs(2 * plots[0].bottom - plots[1].bottom) <= 6
