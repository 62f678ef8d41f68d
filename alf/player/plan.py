"""Where everything stands in a picture of play.

Decided once, from the first moment: what stands somewhere in the first frame stands there in the
last. Nothing is stretched, but panels are made smaller where the whole would not fit a screen, and
a small environment frame is enlarged by a whole number.

    +---------------------------------+---------+---------+
    |                                 | panel   | panel   |
    |        environment frame        |         |         |
    |                                 +---------+---------+
    +---------------------------------+ panel   | panel   |
    | episode  step  return  end      |         |         |
    +-----------+-----------+---------+-+---------+-------+
    | panel     | panel     | panel     | panel           |
    +-----------+-----------+-----------+-----------------+
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
