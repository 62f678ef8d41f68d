"""Putting the environment's picture, the panels and the facts into one picture.

The layout is decided once, from the first moment, and does not move again: what stands somewhere
in the first frame stands there in the last.

    +-----------------------+---------+---------+
    |                       | panel   | panel   |
    |   environment frame   +---------+---------+
    |                       | panel   | panel   |
    +-----------------------+---------+---------+
    | episode  step  reward  return  end        |
    +-------------------------------------------+
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from absl import logging

from alf.summary.render.canvas import Canvas
from alf.summary.render.image import Image
from alf.summary.render.text import text_width
from alf.summary.render.theme import INK, MUTED, PAPER, TRACK

Size = tuple[int, int]
"""`(height, width)` in pixels."""

GUTTER = 8
FACTS_HEIGHT = 52
WIDEST = 16 / 9
# A picture smaller than this is enlarged by a whole number, so that its pixels stay squares.
SMALLEST_FRAME = 300
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
        panels: name -> place.
        facts: place of the line of facts.
    """

    size: Size
    frame: Box | None
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
            self._put(frame, self.plan.frame, enlarge=cv2.INTER_NEAREST)
        for name, box in self.plan.panels.items():
            image = panels.get(name)
            if image is None:
                self._blank(box)
            else:
                self._put(image.data, box, enlarge=cv2.INTER_LINEAR)
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
        picture[:] = TRACK
        return picture

    def _put(self, picture: np.ndarray, box: Box, enlarge: int) -> None:
        """Scales a picture into a box as far as its proportions allow, centred on paper."""
        target = self._canvas.pixels[box.top : box.top + box.height, box.left :][:, : box.width]
        height, width = picture.shape[:2]
        if (height, width) == (box.height, box.width):
            target[:] = picture
            return
        scale = min(box.height / height, box.width / width)
        fitted = (max(round(height * scale), 1), max(round(width * scale), 1))
        method = enlarge if scale > 1 else cv2.INTER_AREA
        scaled = cv2.resize(picture, fitted[::-1], interpolation=method)
        top, left = (box.height - fitted[0]) // 2, (box.width - fitted[1]) // 2
        if fitted != (box.height, box.width):
            target[:] = PAPER
        target[top : top + fitted[0], left : left + fitted[1]] = scaled

    def _blank(self, box: Box) -> None:
        self._canvas.rect(box.left, box.top, box.left + box.width, box.top + box.height, PAPER)

    def _draw_base(self) -> None:
        self._base[:] = TRACK
        canvas = Canvas(self._base)
        boxes = [self.plan.facts, *self.plan.panels.values()]
        for box in boxes + ([self.plan.frame] if self.plan.frame else []):
            canvas.rect(box.left, box.top, box.left + box.width, box.top + box.height, PAPER)
        for label, left, _ in self._columns():
            canvas.text(left, self.plan.facts.top + 19, label, _LABEL_PIXELS, MUTED, "lb")

    def _columns(self) -> list[tuple[str, int, int]]:
        """`(label, left, width)` of each fact; places do not depend on what is written there."""
        box = self.plan.facts
        width = min((box.width - 24) // max(len(self._labels), 1), 150)
        return [(label, box.left + 14 + i * width, width) for i, label in enumerate(self._labels)]

    def _draw_facts(self, facts: Mapping[str, str]) -> None:
        box = self.plan.facts
        for label, left, width in self._columns():
            text = facts.get(label, "")
            if self._drawn.get(label) == text:
                continue
            self._drawn[label] = text
            self._canvas.rect(left, box.top + 22, left + width, box.top + box.height, PAPER)
            size = _VALUE_PIXELS
            while size > _LABEL_PIXELS and text_width(text, size) > width - 6:
                size -= 1
            self._canvas.text(left, box.top + 41, text, size, INK, "lb")


def make_plan(frame: Size | None, panels: Mapping[str, Size]) -> Plan:
    """Decides all places: see the drawing at the top of this file.

    Panels keep their size unless the whole would be larger than `LARGEST`. Of all numbers of
    columns, the one is taken that wastes least of a picture not much wider than 16:9.

    Args:
        frame: size of the environment's picture, or `None`.
        panels: name -> size.
    """
    shown = None if frame is None else _enlarged(frame)
    sizes = list(panels.values())
    candidates = [_Grid.of(sizes, columns) for columns in range(1, len(sizes) + 1)]
    grid = min(candidates, key=lambda g: _waste(shown, g), default=_Grid((), ()))
    grid = _shrunk(shown, grid)
    content_height = max(shown[0] if shown else 0, grid.height)
    facts_top = GUTTER + content_height + (GUTTER if content_height else 0)
    places, left, frame_box = {}, GUTTER, None
    if shown is not None:
        frame_box = Box(GUTTER + (content_height - shown[0]) // 2, GUTTER, *shown)
        left += shown[1] + GUTTER
    top = GUTTER + (content_height - grid.height) // 2
    for i, name in enumerate(panels):
        places[name] = grid.box(i, top, left)
    right = left + grid.width + GUTTER if sizes else left
    right = max(right, 2 * GUTTER + SMALLEST_FRAME)
    height, width = facts_top + FACTS_HEIGHT + GUTTER, right
    facts = Box(facts_top, GUTTER, FACTS_HEIGHT, width - 2 * GUTTER)
    return Plan((height + height % 2, width + width % 2), frame_box, places, facts)


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

    def box(self, index: int, top: int, left: int) -> Box:
        row, column = divmod(index, len(self.widths))
        return Box(
            top + sum(self.heights[:row]) + GUTTER * row,
            left + sum(self.widths[:column]) + GUTTER * column,
            self.heights[row],
            self.widths[column],
        )


def _enlarged(frame: Size) -> Size:
    factor = max(1, math.ceil(SMALLEST_FRAME / max(frame)))
    return frame[0] * factor, frame[1] * factor


def _waste(frame: Size | None, grid: _Grid) -> float:
    """How much of the whole stays empty, and how far it is from a shape that fits a screen."""
    frame_height, frame_width = frame or (0, 0)
    height = max(frame_height, grid.height)
    width = frame_width + GUTTER + grid.width
    used = frame_height * frame_width + grid.height * grid.width
    aspect = width / (height + GUTTER + FACTS_HEIGHT)
    too_wide = max(aspect / WIDEST - 1, 0) * 2
    too_tall = max(1 / aspect - 1, 0) * 2
    return 1 - used / (height * width) + too_wide + too_tall


def _shrunk(frame: Size | None, grid: _Grid) -> _Grid:
    """The grid, smaller if the whole would be larger than `LARGEST` (but never below half)."""
    if not grid.widths:
        return grid
    room_height = LARGEST[0] - FACTS_HEIGHT - 3 * GUTTER
    room_width = LARGEST[1] - (frame[1] if frame else 0) - 3 * GUTTER
    factor = min(1.0, room_height / grid.height, max(room_width / grid.width, 0.5))
    return grid if factor == 1.0 else grid.scaled(max(factor, 0.5))
