"""Putting the environment's picture, the panels and the facts into one picture."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from absl import logging

from alf.player.plan import Box, Size, make_plan
from alf.summary.render import theme
from alf.summary.render.canvas import Canvas
from alf.summary.render.image import Image
from alf.summary.render.text import text_width
from alf.summary.render.theme import Color

_LABEL_PIXELS, _VALUE_PIXELS = 11, 18


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
