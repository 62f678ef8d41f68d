"""What is seen in the window: a frame without hidden panels, made to fit, and what keys did."""

from collections.abc import Sequence

import cv2
import numpy as np

from alf.player.controls import HELP, Controls
from alf.player.plan import GUTTER, Box, Plan, Size
from alf.summary.render import theme
from alf.summary.render.canvas import Canvas
from alf.summary.render.text import text_width
from alf.summary.render.theme import Color

_ROW, _PAD, _TEXT = 24, 16, 14
_MARGIN = 12
_SHADE: Color = (52, 60, 76)
_MOST_LISTED = 9


class Screen:
    """Draws what the window shows.

    Args:
        plan: where everything stands in the frames; `None` if that is not known, and then no panel
            can be hidden.
    """

    def __init__(self, plan: Plan | None = None):
        self._plan = plan

    def draw(self, frame: np.ndarray, controls: Controls, size: Size) -> np.ndarray:
        """The picture of a screen.

        Args:
            frame: uint8 `[H, W, 3]`; it is not drawn on.
            controls: what the keys have set.
            size: height and width of the screen.

        Returns:
            uint8 `[*size, 3]`, contiguous.
        """
        canvas = Canvas.blank(size[1], size[0], theme.TRACK)
        picture = _fitted(self._without_hidden(frame, controls.hidden), size)
        canvas.picture(
            (size[1] - picture.shape[1]) // 2, (size[0] - picture.shape[0]) // 2, picture
        )
        if controls.remark and not controls.help:
            _put_badge(canvas, controls.remark)
        if controls.help:
            _put_card(canvas, help_card(controls))
        return canvas.pixels

    def _without_hidden(self, frame: np.ndarray, hidden: set[str]) -> np.ndarray:
        """The part of the frame that holds what is seen, with the rest of it covered."""
        plan = self._plan
        if plan is None or not hidden:
            return frame
        seen = [box for name, box in plan.panels.items() if name not in hidden]
        seen += [plan.facts] + ([plan.frame] if plan.frame is not None else [])
        covered = frame.copy()
        for name in hidden & plan.panels.keys():
            box = plan.panels[name]
            covered[box.top : box.top + box.height, box.left : box.left + box.width] = theme.TRACK
        return covered[_around(seen, frame.shape)]


def help_card(controls: Controls) -> np.ndarray:
    """The keys, and below them the panels with their numbers; uint8 `[H, W, 3]`."""
    listed = controls.panels[:_MOST_LISTED]
    rows = [*HELP, ("speed", f"x{controls.speed:g}")]
    panels = [
        (str(i), f"{name} (hidden)" if name in controls.hidden else name)
        for i, name in enumerate(listed, start=1)
    ]
    widest = max(text_width(text, _TEXT) for _, text in rows + panels)
    indent = 96
    width = 2 * _PAD + indent + min(round(widest), 420)
    gap = 12 if panels else 0
    card = Canvas.blank(width, 2 * _PAD + _ROW * len(rows + panels) + gap, theme.INK)
    for i, (key, meaning) in enumerate(rows + panels):
        baseline = _PAD + 17 + _ROW * i + (gap if i >= len(rows) else 0)
        color = theme.AXIS if meaning.endswith("(hidden)") else theme.PAPER
        card.text(_PAD, baseline, key, _TEXT, color, bold=True)
        card.text(_PAD + indent, baseline, meaning, _TEXT, color)
    if panels:
        line = _PAD + _ROW * len(rows) + gap // 2
        card.rect(_PAD, line, width - _PAD, line + 1, _SHADE)
    return card.pixels


def _put_badge(canvas: Canvas, text: str) -> None:
    """A word in the upper right corner."""
    width = round(text_width(text, _TEXT)) + 20
    left = canvas.width - width - _MARGIN
    canvas.rect(left, _MARGIN, left + width, _MARGIN + 26, theme.INK)
    canvas.text(left + 10, _MARGIN + 18, text, _TEXT, theme.PAPER)


def _put_card(canvas: Canvas, card: np.ndarray) -> None:
    """Darkens what is there and puts the card in the middle, smaller if the screen is."""
    canvas.pixels //= 2
    card = _fitted(card, (canvas.height, canvas.width), enlarge=False)
    canvas.picture((canvas.width - card.shape[1]) // 2, (canvas.height - card.shape[0]) // 2, card)


def _fitted(picture: np.ndarray, size: Size, *, enlarge: bool = True) -> np.ndarray:
    """The picture as large as the place allows, in its own shape."""
    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    if scale == 1 or (scale > 1 and not enlarge):
        return picture
    wanted = (max(int(width * scale), 1), max(int(height * scale), 1))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, wanted, interpolation=kind), np.uint8)


def _around(boxes: Sequence[Box], shape: Sequence[int]) -> tuple[slice, slice]:
    """The rectangle that holds all boxes with a gutter around."""
    top = max(min(box.top for box in boxes) - GUTTER, 0)
    left = max(min(box.left for box in boxes) - GUTTER, 0)
    bottom = min(max(box.top + box.height for box in boxes) + GUTTER, shape[0])
    right = min(max(box.left + box.width for box in boxes) + GUTTER, shape[1])
    return slice(top, bottom), slice(left, right)
