"""Charts: what is drawn where, for any data."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis.extra import numpy as hnp

from alf import summary
from alf.errors import RenderError
from alf.summary import render as typed_render
from alf.summary.render import theme
from alf.summary.render.curves import thinned
from alf.summary.render.panels import formatted


@pytest.fixture(autouse=True)
def _rendering():
    with summary.isolated(), render.rendering():
        yield


def where(image, color):
    """Rows and columns of the pixels of exactly one colour."""
    return np.nonzero((image.data == color).all(axis=2))


def bluish(image):
    """Rows and columns of the pixels that the first series covers by half or more."""
    pixels = image.data.astype(int)
    return np.nonzero(pixels[..., 2] - pixels[..., 0] > 60)


render: Any = typed_render  # Every function here returns an image, since rendering is on.
BLUE, GREEN = theme.series_color(0), theme.series_color(1)

CHARTS: dict[str, Callable[..., Any]] = {
    "bar": lambda x: render.render_bar("n", x),
    "curve": lambda x: render.render_curve("n", x),
    "heatmap": lambda x: render.render_heatmap("n", x),
    "contour": lambda x: render.render_contour("n", x),
    "text": lambda x: render.render_text("n", x),
    "fast": lambda x: render.render_heatmap_fast(x, 0, 1),
    "3d": lambda x: render.render_3d_curve("n", np.zeros((4, 3))),
}


@pytest.mark.parametrize("kind", CHARTS)
def test_nothing_is_drawn_while_rendering_is_off(kind):
    """Off, every function returns `None` and does not read its data."""
    render.enable_rendering(False)
    assert not render.is_rendering_enabled()

    assert CHARTS[kind](object()) is None


@pytest.mark.parametrize("kind", CHARTS)
def test_panels_are_named_by_their_scope(kind):
    """The name of an image begins with the scope."""
    with summary.scope("Critic"):
        image = CHARTS[kind](np.eye(3))

    assert isinstance(image, render.Image)
    assert image.name == ("Critic/" if kind == "fast" else "Critic/n")


@pytest.mark.parametrize("kind", ["bar", "curve", "heatmap", "contour"])
@pytest.mark.parametrize("shape", [(4, 4), (2, 5)])
@pytest.mark.parametrize(
    "make",
    [
        np.asarray,
        lambda x: x.tolist(),
        lambda x: torch.tensor(x, requires_grad=True),
        lambda x: torch.tensor(x.T.copy()).T,
        lambda x: np.asfortranarray(x)[::1],
        lambda x: list(torch.tensor(x)),
    ],
)
def test_all_holders_of_numbers_draw_alike(kind, shape, make):
    """Arrays, lists and tensors of any layout, square or not, give the same picture."""
    data = np.random.default_rng(0).normal(size=shape)

    assert (CHARTS[kind](make(data)).data == CHARTS[kind](data).data).all()


@pytest.mark.parametrize("kind", ["bar", "curve", "heatmap", "contour"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64, torch.bool])
def test_all_types_of_numbers_draw_alike(kind, dtype):
    """Numbers that a type holds exactly are drawn as the same numbers in another type."""
    data = torch.tensor([[0, 1, 0], [1, 1, 0]], dtype=dtype)

    assert (CHARTS[kind](data).data == CHARTS[kind](data.double()).data).all()


@pytest.mark.parametrize("kind", ["bar", "curve", "heatmap"])
@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=6)))
@example(np.array([-1.0, 1.0]) * sys.float_info.max)
def test_any_data_can_be_drawn(kind, data):
    """Empty, constant, tiny, huge, infinite and missing values all give a panel of full size."""
    with render.rendering():
        image = CHARTS[kind](data)

    assert image.shape == (300, 300, 3)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({}, (300, 300, 3)),
        ({"dpi": 300}, (600, 600, 3)),
        ({"figsize": (4, 2)}, (300, 600, 3)),
        ({"img_height": 120}, (120, 120, 3)),
        ({"img_width": 200, "figsize": (4, 2)}, (100, 200, 3)),
        ({"img_height": 90, "img_width": 400}, (90, 400, 3)),
        ({"img_height": 16, "img_width": 16}, (16, 16, 3)),
    ],
)
@pytest.mark.parametrize("kind", ["bar", "curve", "heatmap", "contour"])
def test_size(kind, arguments, shape):
    """A panel has the size asked for, and something is drawn in it even if that is tiny."""
    image = getattr(render, f"render_{kind}")("a/name", np.eye(4), **arguments)

    assert image.shape == shape
    assert len(np.unique(image.data.reshape(-1, 3), axis=0)) > 2


def test_wrong_size_and_options_are_refused():
    """Sizes out of bounds and unknown options are errors that say what to do."""
    with pytest.raises(RenderError, match="16 to 8192"):
        render.render_bar("n", [1], img_height=3)
    with pytest.raises(RenderError, match=r"no option linestyle.*from_pyplot_fig"):
        render.render_curve("n", [1, 2], linestyle="--")
    with pytest.raises(RenderError, match=r"1 or 2 dimensions.*\[2, 2, 2\]"):
        render.render_curve("n", np.zeros((2, 2, 2)))
    with pytest.raises(RenderError, match="as numbers"):
        render.render_bar("n", ["a", "b"])
    with pytest.raises(RenderError, match="viridis"):
        render.render_heatmap("n", np.eye(2), cmap="nope")


def test_bars_are_as_high_as_their_values():
    """Heights are in the proportion of the values, measured from zero, downwards if negative."""
    image = render.render_bar("n", [4, 1, -2], y_range=(-2, 4), annotate_format="")
    rows, columns = where(image, BLUE)
    extents = []
    for third in range(3):
        left, right = columns.min(), columns.max() + 1
        inside = (columns - left) * 3 // (right - left) == third
        extents.append((rows[inside].min(), rows[inside].max() + 1))

    (top4, zero), (top1, zero1), (zero2, bottom) = extents
    unit = (zero - top4) / 4
    assert abs(zero - zero1) <= 1
    assert zero - top1 == pytest.approx(unit, abs=1.5)
    assert bottom - zero2 == pytest.approx(2 * unit, abs=2.5)


def test_a_bar_without_a_number_is_not_drawn():
    """NaN has no bar, and its neighbours have theirs."""
    image = render.render_bar("n", [np.nan, 1.0], annotate_format="")
    _, columns = where(image, BLUE)

    assert columns.min() > 150


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.126, "0.13"),
        (-0.001, "0.00"),
        (-0.5, "-0.50"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (-1e30, "-1e+30"),
    ],
)
def test_numbers_are_short(value, text):
    """A number has the format asked for, without a sign before zero, unless it is too long."""
    assert formatted(value, "%.2f") == text


def test_series_have_their_colours():
    """Each series has the colour of its index."""
    image = render.render_bar("n", [[1, 2], [3, 4]], legends=["a", "b"])

    assert all(len(where(image, color)[0]) > 500 for color in (BLUE, GREEN))


def test_curve_goes_through_its_values():
    """A line from (0, 0) to (1, 1) runs from one corner of the plot to the other."""
    image = render.render_curve("n", [0, 0.5, 1], x_range=(0, 1), y_range=(0, 1), dpi=300)
    rows, columns = bluish(image)
    slope, _ = np.polyfit(columns, rows, 1)
    height, width = np.ptp(rows), np.ptp(columns)

    assert slope == pytest.approx(-height / width, rel=0.01)
    assert np.corrcoef(rows, columns)[0, 1] < -0.999


def test_a_gap_is_a_gap():
    """Between the values around NaN there is no line."""
    data = np.zeros(101)
    data[40:60] = np.nan
    _, columns = bluish(render.render_curve("n", data, y_range=(-1, 1)))
    left, right = columns.min(), columns.max()
    inside = columns[
        (columns > left + 0.43 * (right - left)) & (columns < left + 0.56 * (right - left))
    ]

    assert inside.size == 0


def test_thinning_keeps_what_is_seen():
    """A column keeps its first, lowest, highest and last point, so that no peak is lost."""
    rng = np.random.default_rng(0)
    points = np.stack([np.linspace(0, 50, 10_000), rng.normal(size=10_000)], axis=1)
    few = thinned(points)

    assert len(few) <= 4 * 51
    assert (np.diff(few[:, 0]) >= 0).all()
    for column in range(50):
        all_y = points[np.floor(points[:, 0]) == column, 1]
        kept_y = few[np.floor(few[:, 0]) == column, 1]
        assert (all_y.min(), all_y.max()) == (kept_y.min(), kept_y.max())
    np.testing.assert_array_equal(thinned(points[::100]), points[::100])


def test_heatmap_cells():
    """Each cell has the colour of its value, row 0 at the top, NaN grey."""
    from alf.summary.render.colormap import NOT_A_NUMBER, color_table

    image = render.render_heatmap("n", [[0.0, 1.0], [np.nan, 0.0]], annotate_format="")
    table = color_table("viridis")
    low, grey = where(image, table[0]), where(image, NOT_A_NUMBER)
    left, top = low[1].min(), low[0].min()

    assert image.data[top, left].tolist() == table[0].tolist()
    assert grey[1].min() == left
    assert grey[0].min() > top
    assert len(where(image, table[255])[0]) >= len(grey[0])


def test_contour_turns_over():
    """With `flip_y_axis` row 0 is at the top, without it at the bottom."""
    data = np.repeat([[0.0], [1.0]], 2, axis=1)
    flipped = render.render_contour("n", data)
    upright = render.render_contour("n", data, flip_y_axis=False)

    assert flipped.data[250, 150].sum() > flipped.data[60, 150].sum()
    assert upright.data[250, 150].sum() < upright.data[60, 150].sum()
    with pytest.raises(RenderError, match="at least 2"):
        render.render_contour("n", [[1, 2, 3]])


def test_fast_heatmap_has_known_pixels():
    """Every value is a square of its colour."""
    from alf.summary.render.colormap import color_table

    image = render.render_heatmap_fast([np.eye(2), np.eye(3)], 0, 1, pixel_size=4, bar_size=5)
    table = color_table("viridis")

    # Two rows of two and three of three squares of side 4, gaps of 2 between, a bar of 5.
    assert image.shape == (12, 8 + 2 + 12 + 2 + 5, 3)
    assert (image.data[:4, :4] == table[255]).all()
    assert (image.data[:4, 4:8] == table[0]).all()
    assert (image.data[8:, :8] == 255).all()
    assert (image.data[0, -5:] == table[255]).all()
    no_bar = render.render_heatmap_fast(torch.eye(2, dtype=torch.bfloat16), 0, 1, bar_size=0)
    assert no_bar.shape == (20, 20, 3)


def test_text_panel_has_room_for_its_lines():
    """More letters make a wider panel, more lines a higher one, unless a size is given."""
    short, long = render.render_text("n", "a" * 20), render.render_text("n", "a" * 40)
    lines = render.render_text("n", "a\nb\nc")

    assert long.shape[1] == 2 * short.shape[1]
    assert lines.shape[0] > short.shape[0]
    assert render.render_text("n", "a" * 99, img_width=200, img_height=50).shape == (50, 200, 3)


def test_same_panel_twice_is_the_same():
    """Drawing changes nothing that is kept: the second panel equals the first."""
    first = render.render_bar("n", [1, 2])
    render.render_bar("n", [2, 1])
    first_again = render.render_bar("n", [1, 2])

    assert (first.data == first_again.data).all()
    first_again.data[:] = 0
    assert (first.data == render.render_bar("n", [1, 2]).data).all()


def test_rendering_flag_is_restored():
    """`rendering` puts the flag back after an exception."""
    with pytest.raises(KeyError), render.rendering(False):
        raise KeyError
    assert render.is_rendering_enabled()


def test_curve_in_space():
    """The matplotlib panel has the size and title of the others, and opens no pyplot figure."""
    image = render.render_3d_curve(
        "n", np.random.default_rng(0).normal(size=(2, 9, 3)), legends="ab"
    )

    assert image.shape == (300, 300, 3)
    with pytest.raises(RenderError, match=r"\[N, 3\]"):
        render.render_3d_curve("n", np.zeros((3, 2)))
