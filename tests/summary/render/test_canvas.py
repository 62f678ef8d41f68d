"""Drawing, pixel by pixel."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf.summary.render.canvas import Canvas
from alf.summary.render.text import elided, stamp, text_width

RED = (255, 0, 0)


def red_part(canvas):
    """Where the canvas is not white."""
    return (canvas.pixels != 255).any(axis=2)


def test_rectangle_fills_exactly_its_pixels():
    """A rectangle covers the pixels between its rounded edges and no other."""
    canvas = Canvas.blank(8, 6)
    canvas.rect(1, 2, 4.4, 4.6, RED)

    expected = np.zeros((6, 8), bool)
    expected[2:5, 1:4] = True
    np.testing.assert_array_equal(expected, red_part(canvas))
    assert canvas.pixels[3, 2].tolist() == [255, 0, 0]


def test_empty_rectangle_draws_nothing():
    """A rectangle without width or height leaves no mark."""
    canvas = Canvas.blank(8, 6)
    canvas.rect(3, 3, 3, 5, RED)
    canvas.rect(3, 3, 1, 1, RED)

    assert not red_part(canvas).any()


@pytest.mark.parametrize("width", [1.4, 2, 3.6, 5.6])
@pytest.mark.parametrize("y", [10, 10.3, 10.5])
def test_line_is_where_and_as_wide_as_asked(width, y):
    """Across a line, the coverage adds up to its width and is centred on its points."""
    canvas = Canvas.blank(40, 20)
    canvas.line([(5, y), (35, y)], RED, width)
    coverage = (255 - canvas.pixels[:, 20, 1].astype(float)) / 255

    assert coverage.sum() == pytest.approx(width, abs=0.25)
    assert (coverage * (np.arange(20) + 0.5)).sum() / coverage.sum() == pytest.approx(y, abs=0.2)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=5))
def test_far_points_do_no_harm(points):
    """Points outside of the canvas, however far, are drawn or cut off without an error."""
    finite = [(x, y) for x, y in points if not math.isnan(x + y)]
    canvas = Canvas.blank(10, 10)
    canvas.line(finite or np.empty((0, 2)), RED)
    canvas.area(finite or np.empty((0, 2)), RED)
    for x, y in finite:
        canvas.rect(x, y, x + 3, y + 3, RED)


def test_text_mixes_ink_and_paper():
    """A pixel with coverage a is that part ink and the rest paper."""
    line = stamp("H", 20, (10, 20, 30))
    canvas = Canvas.blank(40, 40, (200, 100, 50))
    canvas.text(10, 30, "H", 20, (10, 20, 30))

    cover = (255 - line.keep[..., 0].astype(float)) / 255
    top, left = 30 + line.top, 10 + line.left
    region = canvas.pixels[top : top + cover.shape[0], left : left + cover.shape[1]]
    expected = cover[..., None] * [10, 20, 30] + (1 - cover[..., None]) * [200, 100, 50]
    np.testing.assert_allclose(region, expected, atol=0.51)
    assert cover.max() == 1


@pytest.mark.parametrize(
    ("anchor", "x", "y"), [("lt", 0, 0), ("mm", 30, 20), ("rb", 60, 40), ("lb", 0, 40)]
)
def test_anchors(anchor, x, y):
    """Text stays within the side of its anchor."""
    canvas = Canvas.blank(60, 40)
    canvas.text(x, y, "HHH", 16, (0, 0, 0), anchor)
    rows, columns = np.nonzero(red_part(canvas))

    cap, width = stamp("HHH", 16, (0, 0, 0)).cap_height, text_width("HHH", 16)
    assert rows.max() - rows.min() + 1 == cap
    assert columns.max() - columns.min() + 1 <= width
    if anchor == "mm":
        assert abs((rows.max() + rows.min() + 1) / 2 - y) <= 0.5
        assert abs((columns.max() + columns.min() + 1) / 2 - x) <= 1.5


def test_upward_text_is_turned():
    """Text that reads upwards is the text, turned."""
    flat, up = Canvas.blank(60, 60), Canvas.blank(60, 60)
    flat.text(30, 30, "Lg", 20, (0, 0, 0), "mm")
    up.text_up(30, 30, "Lg", 20, (0, 0, 0), "mm")

    def tight(pixels):
        rows, columns = np.nonzero((pixels != 255).any(axis=2))
        return pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]

    np.testing.assert_array_equal(np.rot90(tight(flat.pixels)), tight(up.pixels))


@given(
    st.text("abcdefghijklmnop_/", max_size=60), st.integers(0, 300), st.sampled_from([9, 15, 29])
)
def test_elided_text_fits(text, room, em):
    """A shortened text fits, keeps its start and its end, and stays whole if it can."""
    short = elided(text, em, room)

    assert text_width(short, em) <= room
    if text_width(text, em) <= room:
        assert short == text
    elif short:
        start, end = short.split("…")
        assert text.startswith(start)
        assert text.endswith(end)
        assert 0 <= len(start) - len(end) <= 1


def test_picture_is_cut_off():
    """A picture that hangs over an edge is cut off there."""
    canvas = Canvas.blank(4, 4)
    picture = np.zeros((3, 3, 3), np.uint8)
    canvas.picture(-1, 2, picture)
    canvas.picture(9, 9, picture)

    expected = np.zeros((4, 4), bool)
    expected[2:, :2] = True
    np.testing.assert_array_equal(expected, red_part(canvas))
