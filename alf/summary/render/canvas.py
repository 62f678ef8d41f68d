"""A drawing surface: rectangles, lines, areas, dots, text and pictures on an RGB array.

OpenCV draws, on the pixels themselves and with positions finer than a pixel. That was measured to
be the fastest of what comes with the package: matplotlib's Agg surface takes 0.4 ms for the copy of
its result alone.

Positions are in pixels, `x` to the right and `y` down; (0, 0) is the corner of the first pixel and
(0.5, 0.5) its centre. Whatever lies outside is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from alf.summary.render import theme
from alf.summary.render.text import Stamp, set_line, stamp
from alf.summary.render.theme import Color

_SHIFT = 6
_SCALE = 1 << _SHIFT
_FAR = 1 << 14
"""Positions further out are pulled back to here: OpenCV counts in 32 bits, with fractions."""


class Canvas:
    """Draws on `pixels` in place.

    Args:
        pixels: uint8 `[H, W, 3]`, contiguous and writable.
    """

    def __init__(self, pixels: NDArray[np.uint8]):
        self.pixels = pixels

    @classmethod
    def blank(cls, width: int, height: int, color: Color | None = None) -> Canvas:
        """A new canvas of one colour, by default the theme's paper."""
        pixels = np.empty((height, width, 3), np.uint8)
        pixels[:] = theme.PAPER if color is None else color
        return cls(pixels)

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    def rect(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        """Fill a rectangle; its edges are rounded to whole pixels, so that they are sharp."""
        x0, y0 = round(_near(left)), round(_near(top))
        x1, y1 = round(_near(right)), round(_near(bottom))
        if x1 > x0 and y1 > y0:
            cv2.rectangle(self._any, (x0, y0), (x1 - 1, y1 - 1), color, cv2.FILLED)

    def line(self, points: ArrayLike, color: Color, width: float = 1.0) -> None:
        """Draw a smooth line through `points` `[N, 2]`, about `width` pixels wide.

        OpenCV's smooth lines are 1.4, 3.6, 5.6 ... pixels wide. The thinnest one, drawn twice,
        covers its edges more and looks like 1.9.
        """
        fixed = _fixed(points)
        if len(fixed) < 2:
            return
        thickness = max(1, round((width + 0.4) / 2)) if width > 2.8 else 1
        for _ in range(2 if 1.7 < width <= 2.8 else 1):
            cv2.polylines(self._any, [fixed], False, color, thickness, cv2.LINE_AA, _SHIFT)

    def area(self, points: ArrayLike, color: Color) -> None:
        """Fill the polygon with the corners `points` `[N, 2]`."""
        fixed = _fixed(points)
        if len(fixed) > 2:
            cv2.fillPoly(self._any, [fixed], color, cv2.LINE_AA, _SHIFT)

    def dot(self, x: float, y: float, radius: float, color: Color) -> None:
        """Fill a circle."""
        ((cx, cy),) = _fixed([(x, y)])
        cv2.circle(
            self._any,
            (int(cx), int(cy)),
            round(radius * _SCALE),
            color,
            cv2.FILLED,
            cv2.LINE_AA,
            _SHIFT,
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        pixels: int,
        color: Color,
        anchor: str = "lb",
        bold: bool = False,
    ) -> None:
        """Write one line.

        Args:
            x: where the anchor is.
            y: where the anchor is.
            text: what to write.
            pixels: size of the em.
            color: of the letters.
            anchor: `l`, `m` or `r` of the line, then `t` (top of capitals), `m` (their middle) or
                `b` (baseline).
            bold: whether to take the bold face.
        """
        line = stamp(text, pixels, color, bold)
        start = round(x - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * line.advance)
        baseline = round(y + {"t": 1.0, "m": 0.5, "b": 0.0}[anchor[1]] * line.cap_height)
        self._put(line, start + line.left, baseline + line.top)

    def text_up(
        self, x: float, y: float, text: str, pixels: int, color: Color, anchor: str = "mm"
    ) -> None:
        """Write one line that reads upwards.

        Args:
            x: where the anchor is.
            y: where the anchor is.
            text: what to write.
            pixels: size of the em.
            color: of the letters.
            anchor: `m` (middle of capitals) or `r` (baseline), then where `y` is: `t` at the end of
                the line, `m` in its middle, `b` at its start.
        """
        line = stamp(text, pixels, color, upward=True)
        baseline = round(x + {"m": 0.5, "r": 0.0}[anchor[0]] * line.cap_height)
        start = round(y + {"t": 1.0, "m": 0.5, "b": 0.0}[anchor[1]] * line.advance)
        self._put(line, baseline + line.top, start - line.left - line.keep.shape[0])

    def labels(
        self,
        centers: NDArray[np.float64],
        texts: Sequence[str],
        pixels: int,
        colors: NDArray[np.uint8],
        grounds: NDArray[np.uint8],
    ) -> None:
        """Write a line on each of many patches of one colour, in a third of the time of `text`.

        Args:
            centers: where the middle of each line is, `[N, 2]`; its text must lie on the canvas.
            texts: what to write, `N`.
            pixels: size of the em.
            colors: of the letters, `[N, 3]`.
            grounds: colours of the patches, `[N, 3]`, each at least as large as the largest text.
        """
        lines = [set_line(text, pixels) for text in texts]
        # All have the same box around their centre, as large as the largest needs.
        lefts = [round(line.left - 0.5 * line.advance) for line in lines]
        tops = [round(line.top + 0.5 * line.cap_height) for line in lines]
        left, top = min(lefts), min(tops)
        sizes = [line.keep.shape for line in lines]
        height = max(y + h for y, (h, _, _) in zip(tops, sizes, strict=True)) - top
        width = max(x + w for x, (_, w, _) in zip(lefts, sizes, strict=True)) - left
        keep = np.full((len(lines), height, width, 3), 255, np.uint16)
        for own, line, x, y, (h, w, _) in zip(keep, lines, lefts, tops, sizes, strict=True):
            own[y - top : y - top + h, x - left : x - left + w] = line.keep
        # Whole rows of pixels: a loop over three channels would cost more than what it does.
        keep = keep.reshape(len(lines), height, 3 * width)
        mixed = (255 - keep) * np.tile(colors, (1, width))[:, None]
        mixed += keep * np.tile(grounds, (1, width))[:, None]
        mixed += 127
        mixed //= 255
        patches = mixed.astype(np.uint8).reshape(len(lines), height, width, 3)
        for patch, (x, y) in zip(patches, np.round(centers).astype(int).tolist(), strict=True):
            self.pixels[y + top : y + top + height, x + left : x + left + width] = patch

    def picture(self, left: int, top: int, picture: NDArray[np.uint8]) -> None:
        """Put an RGB `picture` `[h, w, 3]` with its corner at (`left`, `top`)."""
        clip = self._clip(left, top, picture.shape[1], picture.shape[0])
        if clip is not None:
            target, source = clip
            self.pixels[target] = picture[source]

    @property
    def _any(self) -> Any:
        # OpenCV's own annotations do not accept a numpy array of a given type.
        return self.pixels

    def _put(self, line: Stamp, left: int, top: int) -> None:
        clip = self._clip(left, top, line.keep.shape[1], line.keep.shape[0])
        if clip is not None:
            target, source = clip
            mixed = line.keep[source] * self.pixels[target]
            mixed += line.ink[source]
            mixed //= 255
            self.pixels[target] = mixed

    def _clip(
        self, left: int, top: int, width: int, height: int
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """Where a picture lies on the canvas and which part of it is seen; `None` if nothing is."""
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + width, self.width), min(top + height, self.height)
        if x1 <= x0 or y1 <= y0:
            return None
        target = (slice(y0, y1), slice(x0, x1))
        return target, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def _near(value: float) -> float:
    return value if -_FAR < value < _FAR else min(max(value, -_FAR), _FAR)


def _fixed(points: ArrayLike) -> NDArray[np.int32]:
    """`points` `[N, 2]` in OpenCV's fixed point; it counts from the centre of a pixel."""
    near = np.minimum(np.maximum(np.asarray(points, np.float64), -_FAR), _FAR)
    near -= 0.5
    near *= _SCALE
    return np.rint(near, out=near).astype(np.int32)
