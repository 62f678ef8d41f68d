"""Constant places, sizes and a shape that fits a screen; proved on pixels."""

import time

import numpy as np
import pytest
from absl import logging as absl_logging
from hypothesis import given
from hypothesis import strategies as st

from alf.player.layout import Layout, border_color
from alf.player.plan import LARGEST, make_plan
from alf.player.showing import FACTS, number
from alf.summary.render.image import Image
from alf.summary.render.theme import PAPER

VALUES: dict[str, str] = dict(zip(FACTS, ("1 / 10", "7", "1.00", "12.50", ""), strict=True))


def flat(color: tuple[int, int, int], height: int = 40, width: int = 40) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def panel(color: tuple[int, int, int], height: int = 200, width: int = 200) -> Image:
    return Image(flat(color, height, width))


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def shows(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Where exactly this colour is, bool `[H, W]`."""
    return np.asarray(np.equal(picture, color).all(axis=2))


def places(picture: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, left, height, width of what has exactly this colour."""
    rows, columns = np.nonzero(shows(picture, color))
    top, left = int(rows.min()), int(columns.min())
    return top, left, int(rows.max()) + 1 - top, int(columns.max()) + 1 - left


class TestPlaces:
    def layout(self) -> Layout:
        return Layout((400, 600), {"a": (200, 200), "b": (200, 200)}, FACTS)

    def test_frame_left_panels_right_at_their_own_size(self):
        """Nothing is rescaled: the frame at 600x400, the panels at 200x200, in order."""
        picture = self.layout().compose(
            flat(RED, 400, 600), {"a": panel(GREEN), "b": panel(BLUE)}, VALUES
        )
        frame, a, b = (places(picture, color) for color in (RED, GREEN, BLUE))

        assert frame[2:] == (400, 600)
        assert a[2:] == b[2:] == (200, 200)
        assert a[1] >= frame[1] + frame[3]
        assert (a[0], a[1]) < (b[0], b[1])

    def test_nothing_moves_during_a_recording(self):
        """Whatever changes, each thing stands where it stood in the first frame."""
        layout = self.layout()
        frame, panels = flat(RED, 400, 600), {"a": panel(GREEN), "b": panel(BLUE)}
        first = layout.compose(frame, panels, VALUES).copy()
        layout.compose(frame, {"b": panel(BLUE, 90, 333)}, {**VALUES, "return": "-1,234"})
        again = layout.compose(frame, panels, VALUES)

        assert np.array_equal(first, again)

    def test_a_missing_panel_leaves_its_place_blank(self):
        """Its neighbours do not move into the gap."""
        layout = self.layout()
        frame = flat(RED, 400, 600)
        both = layout.compose(frame, {"a": panel(GREEN), "b": panel(BLUE)}, VALUES).copy()
        one = layout.compose(frame, {"b": panel(BLUE)}, VALUES)
        top, left, height, width = places(both, GREEN)

        assert places(one, BLUE) == places(both, BLUE)
        assert (one[top : top + height, left : left + width] == PAPER).all()

    def test_a_new_panel_is_left_out_with_one_warning(self, monkeypatch):
        """The user is told once, not at each step."""
        said: list[str] = []
        monkeypatch.setattr(absl_logging, "warning", lambda text, *args: said.append(text % args))
        layout = self.layout()
        frame = flat(RED, 400, 600)
        layout.compose(frame, {"new": panel(GREEN)}, VALUES)
        picture = layout.compose(frame, {"new": panel(GREEN)}, VALUES)

        assert not shows(picture, GREEN).any()
        assert len(said) == 1
        assert "'new'" in said[0]

    def test_a_panel_of_another_size_stays_in_its_place(self):
        """It is made smaller if it must be, and never covers anything else."""
        layout = self.layout()
        first = layout.compose(flat(RED, 400, 600), {"a": panel(GREEN)}, VALUES).copy()
        other = layout.compose(flat(RED, 400, 600), {"a": panel(GREEN, 800, 400)}, VALUES)
        box = layout.plan.panels["a"]
        outside = np.ones(first.shape[:2], bool)
        outside[box.top : box.top + box.height, box.left : box.left + box.width] = False

        assert np.array_equal(first[outside], other[outside])
        assert shows(other, GREEN).any()

    def test_a_tiny_frame_is_enlarged_by_a_whole_number(self):
        """16x16 becomes 304x304 with sharp squares."""
        frame = np.zeros((16, 16, 3), np.uint8)
        frame[3, 5] = RED
        picture = Layout((16, 16), {}, FACTS).compose(frame, {}, VALUES)

        assert places(picture, RED)[2:] == (19, 19)

    def test_facts_are_written_and_overwritten(self):
        """A value changes the line of facts, and coming back restores it to the pixel."""
        layout = Layout((400, 600), {}, FACTS)
        frame = flat(RED, 400, 600)
        first = layout.compose(frame, {}, VALUES).copy()
        other = layout.compose(frame, {}, {**VALUES, "return": "99999.99"}).copy()

        assert not np.array_equal(first, other)
        assert np.array_equal(first, layout.compose(frame, {}, VALUES))
        changed = np.nonzero((first != other).any(axis=2))[0]
        assert changed.min() >= layout.plan.facts.top

    def test_without_a_frame_there_are_panels_and_facts(self):
        """Panels alone can be recorded."""
        layout = Layout(None, {"a": (200, 200)}, FACTS)

        assert places(layout.compose(None, {"a": panel(GREEN)}, VALUES), GREEN)[2:] == (200, 200)

    def test_blank_is_as_large_as_every_frame(self):
        """A film has one size, blank frames included."""
        layout = self.layout()

        assert layout.blank().shape == (*layout.size, 3)


sizes = st.tuples(st.integers(8, 400), st.integers(8, 400))


@given(
    st.none() | st.tuples(st.integers(8, 900), st.integers(8, 900)),
    st.lists(sizes, max_size=12),
)
def test_nothing_overlaps_and_everything_is_inside(frame, panel_sizes):
    """Any number of panels of any size: even size, no overlap, nothing outside."""
    plan = make_plan(frame, {str(i): size for i, size in enumerate(panel_sizes)})
    covered = np.zeros(plan.size, np.uint8)
    boxes = [plan.facts, *plan.panels.values()] + ([plan.frame] if plan.frame else [])
    for box in boxes:
        assert box.top >= 0
        assert box.left >= 0
        assert box.top + box.height <= plan.size[0]
        assert box.left + box.width <= plan.size[1]
        covered[box.top : box.top + box.height, box.left : box.left + box.width] += 1

    assert covered.max() == 1
    assert plan.size[0] % 2 == plan.size[1] % 2 == 0
    if frame is not None:
        assert plan.frame is not None
        assert plan.frame.height >= frame[0] * plan.enlargement
        assert plan.frame.width >= frame[1] * plan.enlargement


@pytest.mark.parametrize("count", [2, 3, 4, 6, 8, 12])
def test_the_whole_fits_a_screen(count):
    """Many panels next to a usual frame: not beyond full HD, and about 16:9 at most."""
    height, width = make_plan((400, 600), {str(i): (300, 300) for i in range(count)}).size

    assert height <= LARGEST[0]
    assert width <= LARGEST[1]
    assert width / height < 2.0


def test_composing_is_fast():
    """600x400 with two panels: 2 ms allowed; measured 0.4 on one slow core."""
    layout = Layout((400, 600), {"a": (300, 300), "b": (300, 300)}, FACTS)
    frame, panels = flat(RED, 400, 600), {n: panel(GREEN, 300, 300) for n in "ab"}
    times = []
    for i in range(60):
        start = time.perf_counter()
        layout.compose(frame, panels, {**VALUES, "step": str(i), "return": f"{i}.00"})
        times.append(time.perf_counter() - start)

    assert float(np.median(times)) < 2e-3


def test_border_color():
    """A picture with a border of one colour goes on in it; another one lies on paper."""
    assert border_color(flat((0, 0, 0))) == (0, 0, 0)
    mixed = flat((0, 0, 0))
    mixed[-1, -1] = RED
    assert border_color(mixed) == PAPER


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (12.5, "12.50"),
        (-1234.5, "-1,234"),
        (3e7, "3.0e7"),
        (0.001, "1.0e-3"),
        (-7.07e-6, "-7.1e-6"),
        (float("-inf"), "-inf"),
        (float("nan"), "nan"),
    ],
)
def test_number(value, text):
    """Few characters, whatever the size: a return of three digits stands close beside it."""
    assert number(value) == text
