"""Time series, rows of numbers, points and pictures: what is drawn where, for any data."""

import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alf import summary
from alf.errors import RenderError
from alf.summary import render as typed_render
from alf.summary.render import layout, theme
from alf.summary.render.axes import GrowingRange, end_axis
from alf.summary.render.canvas import Canvas
from alf.summary.render.pictures import as_frames

render: Any = typed_render
BLUE, GREEN = theme.series_color(0), theme.series_color(1)
LONG = "a/scope/that/is/long/" + "and_a_name_that_is_much_too_long_for_the_panel" * 2


@pytest.fixture(autouse=True)
def _rendering():
    with summary.isolated(), render.rendering():
        yield


def where(image, color):
    """Rows and columns of the pixels of exactly one colour."""
    return np.nonzero((image.data == color).all(axis=2))


def bluish(image):
    """Columns of the pixels that the first series covers by half or more."""
    pixels = image.data.astype(int)
    return np.nonzero(pixels[..., 2] - pixels[..., 0] > 60)[1]


CHARTS = {
    "series": lambda x: render.render_time_series("n", x),
    "rolling": lambda x: render.render_time_series("n", x, window=3),
    "meters": lambda x: render.render_meters("n", x),
    "scatter": lambda x: render.render_scatter("n", np.stack([x, x[::-1]], axis=1)),
    "image": lambda x: render.render_image("n", np.zeros((4, 4)), np.resize(x, (2, 2))),
}


@pytest.mark.parametrize("kind", CHARTS)
@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 40)))
@example(np.array([1.0, -1.0]) * sys.float_info.max)
def test_any_data_can_be_drawn(kind, data):
    """Constant, tiny, huge, infinite and missing values all give a panel of full size."""
    with render.rendering():
        image = CHARTS[kind](data)

    assert image.shape == (300, 300, 3)


@pytest.mark.parametrize("kind", CHARTS)
def test_nothing_is_drawn_while_rendering_is_off(kind):
    """Off, every function returns `None`."""
    render.enable_rendering(False)

    assert CHARTS[kind](np.ones(3)) is None


@pytest.fixture
def texts(monkeypatch):
    """The boxes of all texts that are drawn, as (left, top, right, bottom)."""
    boxes: list[tuple[int, int, int, int]] = []
    put = Canvas._put

    def recording(self, line, left, top):
        height, width = line.keep.shape[:2]
        boxes.append((left, top, left + width, top + height))
        put(self, line, left, top)

    layout._fixed_part.cache_clear()
    monkeypatch.setattr(Canvas, "_put", recording)
    return boxes


EXTREMES = [0.0, -1.5, 1e-12, -1e30, 1e300, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("count", [1, 2, 7, 24, 32])
@pytest.mark.parametrize("name", ["n", LONG])
@pytest.mark.parametrize("width", [200, 300, 500])
def test_texts_of_rows_keep_apart(texts, count, name, width):
    """For 1 to 32 long-named rows of any values, no text touches another or the edge."""
    values = [EXTREMES[i % len(EXTREMES)] for i in range(count)]
    labels = [f"a rather long name of a sensor {i}" for i in range(count)]
    render.render_meters(name, values, labels, img_width=width, img_height=300)

    assert_apart(texts, width)


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize("name", ["n", LONG])
@pytest.mark.parametrize(("width", "height"), [(300, 150), (300, 300), (160, 120)])
def test_texts_of_series_keep_apart(texts, value, name, width, height):
    """Whatever the newest value is, its number stays clear of the title and of the labels."""
    data = [1.0, 2.0, value]
    size = {"img_width": width, "img_height": height, "figsize": (2, 2 * height / width)}
    render.render_time_series(name, data, x_label="steps", **size)

    assert_apart(texts, width, height)


def assert_apart(texts, width, height=300):
    for i, (left, top, right, bottom) in enumerate(texts):
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
        for other in texts[:i]:
            apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            assert apart, "two texts overlap"


def test_rows_have_ranges_of_their_own():
    """Half of a range is half of the track, whatever the range; below 0 it goes to the left."""
    image = render.render_meters("n", [5.0, -0.1, 50.0], None, [0, -0.2, 0], [10, 0.2, 100])
    rows, columns = where(image, BLUE)
    thirds = (rows - rows.min()) * 3 // (rows.max() + 1 - rows.min())
    widths = [np.ptp(columns[thirds == i]) + 1 for i in range(3)]

    assert widths[0] == pytest.approx(widths[2], abs=2)
    assert widths[1] == pytest.approx(widths[0] / 2, abs=3)
    assert columns[thirds == 1].max() <= columns[thirds == 0].max()


def test_a_missing_number_has_no_bar_and_the_marked_one_stands_out():
    """NaN draws nothing, and only the marked row is orange."""
    image = render.render_meters("n", [math.nan, 1.0], marked=1)

    assert len(where(image, BLUE)[0]) == 0
    assert len(where(image, theme.CHOSEN)[0]) > 500


def test_a_rolling_series_shows_its_window():
    """Only the newest steps are seen: what lies before a window does not change the picture."""
    tail = np.sin(np.arange(11.0))
    first = render.render_time_series("n", np.concatenate([np.full(50, 3.0), tail]), window=10)
    other = render.render_time_series("n", np.concatenate([np.full(20, -9.0), tail]), window=10)

    assert np.array_equal(first.data, other.data)


def test_a_value_that_is_not_there_yet_has_no_number():
    """A reward before the first action is a gap, and not the word for one."""
    missing = render.render_time_series("n", [np.nan])
    plain = render.render_time_series("n", [np.nan], annotate_format="")

    assert missing is not None
    assert plain is not None
    assert (missing.data == plain.data).all()


def test_values_stand_at_their_steps():
    """With steps given, gaps between them are as long as they are."""
    image = render.render_time_series(
        "n", [0.0, 1.0], steps=[0, 25], x_range=(0, 100), annotate_format=""
    )
    columns = bluish(image)
    full = render.render_time_series(
        "n", [0.0, 1.0], steps=[0, 100], x_range=(0, 100), annotate_format=""
    )
    all_columns = bluish(full)

    assert np.ptp(columns) == pytest.approx(np.ptp(all_columns) / 4, abs=6)


def test_points_are_where_they_are():
    """Two points lie in opposite corners of the ranges, each in the colour of its group."""
    image = render.render_scatter("n", [[0, 0], [1, 1]], [0, 1], (0, 1), (0, 1))
    (low, left), (high, right) = (
        [float(c.mean()) for c in where(image, color)] for color in (BLUE, GREEN)
    )

    assert low > 230
    assert high < 80
    assert left < 60
    assert right > 260


def test_an_overlay_covers_where_its_weights_are_high():
    """At weight 1 the colour covers most, at weight 0 the picture is as it was."""
    picture = np.full((8, 8, 3), 90, np.uint8)
    weights = np.zeros((8, 8))
    weights[:, 4:] = 1.0
    image = render.render_image("n", picture, weights, strength=1.0, overlay_range=(0, 1))
    grey = where(image, (90, 90, 90))

    assert grey[1].max() < 160
    assert len(grey[0]) > 5000
    assert len(where(image, (252, 255, 164))[0]) > 3000


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((5, 7), (1, 5, 7, 3)),
        ((20, 30, 3), (1, 20, 30, 3)),
        ((3, 20, 30), (1, 20, 30, 3)),
        ((4, 20, 30), (4, 20, 30, 3)),
        ((20, 30, 4), (4, 20, 30, 3)),
        ((20, 30, 1), (1, 20, 30, 3)),
        ((12, 20, 30), (4, 20, 30, 3)),
    ],
)
def test_pictures_of_any_layout(shape, frames):
    """Grey, RGB and stacked frames are told apart by their shape."""
    assert as_frames("n", np.zeros(shape, np.uint8)).shape == frames


def test_a_picture_is_the_same_in_both_layouts():
    """Channels first or last, bytes or parts of 1: the same picture."""
    picture = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    first = render.render_image("n", picture).data

    assert np.array_equal(first, render.render_image("n", np.moveaxis(picture, 2, 0)).data)
    assert np.array_equal(first, render.render_image("n", torch.tensor(picture) / 255).data)


def test_wrong_data_are_refused():
    """The messages tell the shape and what to do."""
    with pytest.raises(RenderError, match=r"points are \[N, 2\].*\[2, 3\]"):
        render.render_scatter("n", np.zeros((2, 3)))
    with pytest.raises(RenderError, match="2 points and 3 groups"):
        render.render_scatter("n", np.zeros((2, 2)), [0, 1, 2])
    with pytest.raises(RenderError, match="3 values and 2 steps"):
        render.render_time_series("n", [1, 2, 3], [0, 1])
    with pytest.raises(RenderError, match="the lower one first"):
        render.render_meters("n", [1.0], None, [1], [0])
    with pytest.raises(RenderError, match=r"\[1, 2, 2, 3\]. Take one picture"):
        render.render_image("n", np.zeros((1, 2, 2, 3)))


class TestGrowingRange:
    def test_by_hand(self):
        """0 to 1 with a quarter more; then steps of 1, 2 and 5 times a power of ten."""
        ends = GrowingRange()

        assert ends.include(0.0) == (0.0, 1.0)
        assert ends.include(np.array([0.0, 4.0])) == (0.0, 5.0)
        assert ends.include(5.0) == (0.0, 5.0)
        assert ends.include(5.1) == (0.0, 10.0)
        assert ends.include(31.0) == (0.0, 50.0)

    @given(st.lists(st.floats(width=32), max_size=60), st.booleans())
    def test_holds_all_and_never_shrinks(self, values, symmetric):
        """Every finite value is inside from then on, and ends only move outwards."""
        ends = GrowingRange(symmetric=symmetric)
        low, high = math.inf, -math.inf
        for value in values:
            now = ends.include(value)
            assert now[0] < now[1]
            if math.isfinite(value) and (value != 0 or math.isfinite(low)):
                assert now[0] <= value <= now[1]
                assert now[0] <= low
                assert now[1] >= high
                low, high = now

    def test_a_growing_return_changes_its_axis_a_few_times(self):
        """From 1 to 1000 in steps of 1: not more than ten ranges."""
        ends = GrowingRange()

        assert len({ends.include(float(i)) for i in range(1, 1001)}) <= 10

    def test_little_room_has_ticks_at_the_ends(self):
        """Both ends, and 0 where it is well between."""
        assert end_axis(-1, 1).labels == ("-1.0", "0.0", "1.0")
        assert end_axis(-1, 20).labels == ("-1", "20")
