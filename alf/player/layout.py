"""Putting the environment's picture, the panels and the facts into one picture.

The layout is decided once, from the first moment, and does not move again: what stands somewhere
in the first frame stands there in the last.

    +---------------------------------+---------+---------+
    |                                 | panel   | panel   |
    |        environment frame        |         |         |
    |                                 +---------+---------+
    +---------------------------------+ panel   | panel   |
    | episode  step  return  end      |         |         |
    +-----------+-----------+---------+-+---------+-------+
    | panel     | panel     | panel     | panel           |
    +-----------+-----------+-----------+-----------------+

Nothing is stretched: a panel is shown as it was drawn (smaller only where the whole would not fit
a screen), and a small environment frame is enlarged by a whole number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from absl import logging

from alf.summary.render import theme
from alf.summary.render.canvas import Canvas
from alf.summary.render.image import Image
from alf.summary.render.text import text_width
from alf.summary.render.theme import Color

Size = tuple[int, int]
"""`(height, width)` in pixels."""

GUTTER = 8
FACTS_HEIGHT = 52
WIDEST = 16 / 9
# A picture smaller than this is enlarged by a whole number, so that its pixels stay squares.
SMALLEST_FRAME = 300
# Below this width the facts are not legible.
SMALLEST_FACTS = 360
LARGEST: Size = (1080, 1920)
_LABEL_PIXELS, _VALUE_PIXELS = 11, 18


@dataclass(frozen=True)
class Box:
    """A rectangle on the canvas, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Plan:
    """Where everything stands.

    Attributes:
        size: of the whole, even numbers, so that a film needs no padding.
        frame: place of the environment's picture, or `None`.
        enlargement: whole number by which the environment's picture is enlarged.
        panels: name -> place.
        facts: place of the line of facts.
    """

    size: Size
    frame: Box | None
    enlargement: int
    panels: Mapping[str, Box]
    facts: Box


class Layout:
    """Draws moments onto one canvas.

    Args:
        frame: size of the environment's picture, or `None` without one.
        panels: name -> size of each panel, in the order in which they are shown.
        facts: the labels of the facts, e.g. `("step", "return")`.
    """

    def __init__(self, frame: Size | None, panels: Mapping[str, Size], facts: Sequence[str]):
        self._labels = tuple(facts)
        self.plan = make_plan(frame, panels)
        self._base = np.empty((*self.plan.size, 3), np.uint8)
        self._draw_base()
        self._canvas = Canvas(self._base.copy())
        self._drawn: dict[str, str] = {}
        self._warned: set[str] = set()
        self._surround: Color | None = None
        # How large the picture is that stands in a box: around it nothing is to be drawn again.
        self._standing: dict[Box, Size] = {}

    @property
    def size(self) -> Size:
        """Height and width of every picture that `compose` gives."""
        return self.plan.size

    def compose(
        self, frame: np.ndarray | None, panels: Mapping[str, Image], facts: Mapping[str, str]
    ) -> np.ndarray:
        """One finished picture.

        A panel that is missing leaves its place blank. A panel that was not there in the first
        moment has no place: it is left out, and a warning says so once.

        Args:
            frame: uint8 `[H, W, 3]`.
            panels: name -> image.
            facts: label -> text.

        Returns:
            uint8 `[H, W, 3]`, the same memory at each call.
        """
        if self.plan.frame is not None and frame is not None:
            if self._surround is None:
                self._surround = border_color(frame)
            self._put(frame, self.plan.frame, self.plan.enlargement, self._surround, 0.5)
        for name, box in self.plan.panels.items():
            image = panels.get(name)
            if image is None:
                self._fill(box, theme.PAPER)
                self._standing.pop(box, None)
            else:
                self._put(image.data, box, 1, theme.PAPER, 0.0)
        for name in panels.keys() - self.plan.panels.keys() - self._warned:
            self._warned.add(name)
            logging.warning(
                "Panel %r was not there in the first frame, so it has no place and is left out. "
                "Give every panel from the first step on.",
                name,
            )
        self._draw_facts(facts)
        return self._canvas.pixels

    def blank(self) -> np.ndarray:
        """A picture of nothing, uint8 `[H, W, 3]`, to stand between episodes."""
        picture = np.empty((*self.size, 3), np.uint8)
        picture[:] = theme.TRACK
        return picture

    def _put(
        self, picture: np.ndarray, box: Box, enlargement: int, around: Color, down: float
    ) -> None:
        """Puts a picture into a box, `down` as a fraction of the free height; shrinks it to fit."""
        height, width = picture.shape[0] * enlargement, picture.shape[1] * enlargement
        scale = min(box.height / height, box.width / width)
        if scale < 1:
            height, width = max(int(height * scale), 1), max(int(width * scale), 1)
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        elif enlargement > 1:
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)
        if self._standing.get(box) != (height, width):
            self._fill(box, around)
            self._standing[box] = (height, width)
        top = box.top + int((box.height - height) * down)
        left = box.left + (box.width - width) // 2
        self._canvas.picture(left, top, picture)

    def _fill(self, box: Box, color: Color) -> None:
        self._canvas.rect(box.left, box.top, box.left + box.width, box.top + box.height, color)

    def _draw_base(self) -> None:
        self._base[:] = theme.TRACK
        canvas = Canvas(self._base)
        boxes = [self.plan.facts, *self.plan.panels.values()]
        for box in boxes + ([self.plan.frame] if self.plan.frame else []):
            canvas.rect(box.left, box.top, box.left + box.width, box.top + box.height, theme.PAPER)
        for label, left, _ in self._columns():
            canvas.text(left, self.plan.facts.top + 19, label, _LABEL_PIXELS, theme.MUTED, "lb")

    def _columns(self) -> list[tuple[str, int, int]]:
        """`(label, left, width)` of each fact; places do not depend on what is written there."""
        box = self.plan.facts
        width = min((box.width - 20) // max(len(self._labels), 1), 150)
        return [(label, box.left + 14 + i * width, width) for i, label in enumerate(self._labels)]

    def _draw_facts(self, facts: Mapping[str, str]) -> None:
        box = self.plan.facts
        for label, left, width in self._columns():
            text = facts.get(label, "")
            if self._drawn.get(label) == text:
                continue
            self._drawn[label] = text
            self._canvas.rect(left, box.top + 22, left + width, box.top + box.height, theme.PAPER)
            size = _VALUE_PIXELS
            while size > _LABEL_PIXELS and text_width(text, size) > width - 6:
                size -= 1
            self._canvas.text(left, box.top + 41, text, size, theme.INK, "lb")


def border_color(frame: np.ndarray) -> Color:
    """What surrounds a picture that is smaller than its place: its border's colour, if it has one.

    Args:
        frame: uint8 `[H, W, 3]`.
    """
    corner = frame[0, 0]
    if (frame[[0, -1]] == corner).all():
        return int(corner[0]), int(corner[1]), int(corner[2])
    return theme.PAPER


def make_plan(frame: Size | None, panels: Mapping[str, Size]) -> Plan:
    """Decides all places: see the drawing at the top of this file.

    Of all ways to put some panels beside the frame, in some number of columns, and the rest below,
    the one is taken that wastes least of a picture that is not much wider than 16:9.

    Args:
        frame: size of the environment's picture, or `None`.
        panels: name -> size.
    """
    sizes = list(panels.values())
    if frame is None:
        candidates = [_Grid.of(sizes, columns) for columns in range(1, len(sizes) + 1)]
        grid = min(candidates, key=lambda g: _waste((0, 0), g), default=_Grid((), ()))
        return _plan_without_frame(_shrunk((0, 0), grid), panels)
    factor = max(1, math.ceil(SMALLEST_FRAME / max(frame)))
    shown = (frame[0] * factor, frame[1] * factor)
    division = _best_division(shown, sizes)
    height, width = division.upper
    stage_width = division.stage_width
    stage = Box(GUTTER, GUTTER, height - GUTTER - FACTS_HEIGHT, stage_width)
    facts = Box(GUTTER + stage.height + GUTTER, GUTTER, FACTS_HEIGHT, stage_width)
    beside = division.beside.stretched(height)
    below = division.below.widened(width)
    left, top = GUTTER + stage_width + GUTTER, GUTTER + height + GUTTER
    count = division.count
    boxes = [beside.box(i, GUTTER, left) for i in range(count)]
    boxes += [below.box(i, top, GUTTER) for i in range(len(sizes) - count)]
    total_height, total_width = division.size
    # One pixel more where needed: a film wants even sizes.
    size = (total_height + total_height % 2, total_width + total_width % 2)
    return Plan(size, stage, factor, dict(zip(panels, boxes, strict=True)), facts)


def _plan_without_frame(grid: "_Grid", panels: Mapping[str, Size]) -> Plan:
    """Only panels, and the facts below them."""
    width = max(grid.width, SMALLEST_FACTS)
    left = GUTTER + (width - grid.width) // 2
    places = {name: grid.box(i, GUTTER, left) for i, name in enumerate(panels)}
    facts = Box(GUTTER + grid.height + GUTTER, GUTTER, FACTS_HEIGHT, width)
    height = facts.top + FACTS_HEIGHT + GUTTER
    width += 2 * GUTTER
    return Plan((height + height % 2, width + width % 2), None, 1, places, facts)


@dataclass(frozen=True)
class _Grid:
    """Rows and columns of panels; every cell is as large as the largest panel in it needs."""

    heights: tuple[int, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Sequence[Size], columns: int) -> "_Grid":
        rows = math.ceil(len(sizes) / columns)
        heights = tuple(max(h for h, _ in sizes[r * columns :][:columns]) for r in range(rows))
        widths = tuple(max(w for _, w in sizes[c::columns]) for c in range(columns))
        return cls(heights, widths)

    @property
    def height(self) -> int:
        return sum(self.heights) + GUTTER * max(len(self.heights) - 1, 0)

    @property
    def width(self) -> int:
        return sum(self.widths) + GUTTER * max(len(self.widths) - 1, 0)

    def scaled(self, factor: float) -> "_Grid":
        heights = tuple(max(int(h * factor), 1) for h in self.heights)
        return _Grid(heights, tuple(max(int(w * factor), 1) for w in self.widths))

    def stretched(self, height: int) -> "_Grid":
        """The grid with its rows made higher, all by as much, until it is `height` high."""
        missing = height - self.height
        if missing <= 0 or not self.heights:
            return self
        more, rest = divmod(missing, len(self.heights))
        return _Grid(tuple(h + more + (r < rest) for r, h in enumerate(self.heights)), self.widths)

    def widened(self, width: int) -> "_Grid":
        """The grid with its columns made wider, all by as much, until it is `width` wide."""
        missing = width - self.width
        if missing <= 0 or not self.widths:
            return self
        more, rest = divmod(missing, len(self.widths))
        return _Grid(self.heights, tuple(w + more + (c < rest) for c, w in enumerate(self.widths)))

    def box(self, index: int, top: int, left: int) -> Box:
        row, column = divmod(index, len(self.widths))
        return Box(
            top + sum(self.heights[:row]) + GUTTER * row,
            left + sum(self.widths[:column]) + GUTTER * column,
            self.heights[row],
            self.widths[column],
        )


@dataclass(frozen=True)
class _Division:
    """Panels beside and below the frame.

    Attributes:
        frame: size of the environment's picture as it is shown.
        count: how many panels are beside it.
        beside: the grid of these.
        below: the grid of the rest.
    """

    frame: Size
    count: int
    beside: _Grid
    below: _Grid

    @classmethod
    def of(cls, frame: Size, sizes: Sequence[Size], count: int, columns: int) -> "_Division":
        """`count` panels beside the frame in `columns`, the rest below in as many as fit."""
        beside = _Grid.of(sizes[:count], columns) if count else _Grid((), ())
        rest = sizes[count:]
        below = _Grid((), ())
        if rest:
            room = cls(frame, count, beside, below).upper[1]
            grids = [_Grid.of(rest, n) for n in range(len(rest), 0, -1)]
            below = next((grid for grid in grids if grid.width <= room), grids[-1])
        return cls(frame, count, beside, below)

    @property
    def stage_width(self) -> int:
        """Width of the frame's place."""
        return max(self.frame[1], SMALLEST_FACTS)

    @property
    def upper(self) -> Size:
        """Of the frame with its facts and the panels beside it, without the gutters around."""
        height = max(self.frame[0] + GUTTER + FACTS_HEIGHT, self.beside.height)
        beside = GUTTER + self.beside.width if self.beside.widths else 0
        return height + height % 2, self.stage_width + beside

    @property
    def size(self) -> Size:
        """Of the whole."""
        height, width = self.upper
        if self.below.widths:
            height += GUTTER + self.below.height
            width = max(width, self.below.width)
        return height + 2 * GUTTER, width + 2 * GUTTER

    def waste(self, sizes: Sequence[Size]) -> float:
        """How much of the whole stays empty, and how far it is from a shape that fits a screen."""
        height, width = self.size
        used = self.frame[0] * self.frame[1] + FACTS_HEIGHT * self.frame[1]
        used += sum(h * w for h, w in sizes)
        return 1 - used / (height * width) + _misfit(height, width)


def _best_division(frame: Size, sizes: Sequence[Size]) -> _Division:
    """The division that wastes least; with smaller panels if it would be larger than `LARGEST`.

    Panels are not made smaller than half.
    """
    best = _Division.of(frame, sizes, 0, 1)
    for percent in range(100, 40, -10):
        scaled = [(max(h * percent // 100, 1), max(w * percent // 100, 1)) for h, w in sizes]
        divisions = [_Division.of(frame, scaled, 0, 1)]
        for count in range(1, len(sizes) + 1):
            divisions += [
                _Division.of(frame, scaled, count, columns)
                for columns in range(1, count + 1)
                if count == len(sizes) or count % columns == 0
            ]
        if sizes and len(sizes) <= 2:
            divisions = divisions[1:]
        # The last ones have no panel below, and of two that are as good that is the calmer one.
        best = min(reversed(divisions), key=lambda division: division.waste(scaled))
        if best.size[0] <= LARGEST[0] and best.size[1] <= LARGEST[1]:
            break
    return best


def _waste(frame: Size, grid: _Grid) -> float:
    """How much of panels without a frame stays empty, and how far it is from a good shape."""
    height = max(frame[0] + GUTTER + FACTS_HEIGHT, grid.height)
    width = frame[1] + GUTTER + grid.width
    used = frame[0] * frame[1] + grid.height * grid.width
    return 1 - used / (height * width) + _misfit(height, width)


def _misfit(height: int, width: int) -> float:
    """How far a picture is from a shape that fits a screen."""
    return 2 * max(width / height / WIDEST - 1, 0) + 2 * max(height / width - 1, 0)


def _shrunk(frame: Size, grid: _Grid) -> _Grid:
    """The grid, smaller if the whole would be larger than `LARGEST` (but never below half)."""
    if not grid.widths:
        return grid
    room_height = LARGEST[0] - 2 * GUTTER
    room_width = LARGEST[1] - frame[1] - 3 * GUTTER
    factor = min(1.0, room_height / grid.height, room_width / grid.width)
    return grid if factor == 1.0 else grid.scaled(max(factor, 0.5))
