"""Text as masks: set once by Pillow in the DejaVu face that comes with matplotlib, then cached."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from alf.summary.render.theme import Color

ELLIPSIS = "…"


@dataclass(frozen=True, eq=False)
class Stamp:
    """One line of text in one colour, ready to be put on pixels.

    A pixel `p` becomes `(p * keep + ink) / 255`, which stays within 16 bits.

    Attributes:
        keep: what shows through, uint16 `[h, w, 3]` in [0, 255].
        ink: the colour times its coverage, uint16 `[h, w, 3]`, with the half that rounds.
        left: pixels from the start of the line to the stamp, negative where a letter leans out.
        top: pixels from the baseline to the stamp, negative upwards.
        advance: width of the line in pixels.
        cap_height: height of a capital letter in pixels, the same for all texts of a size.
    """

    keep: NDArray[np.uint16]
    ink: NDArray[np.uint16]
    left: int
    top: int
    advance: int
    cap_height: int


@functools.lru_cache(maxsize=64)
def _font(pixels: int, bold: bool) -> ImageFont.FreeTypeFont:
    import matplotlib  # costs what a job that draws nothing need not spend

    face = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / face
    return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout.BASIC)


@dataclass(frozen=True, eq=False)
class Line:
    """One line of text without a colour.

    Attributes:
        keep: what shows through, uint16 `[h, w, 3]` in [0, 255], the same for all channels.
        left: pixels from the start of the line to the first column, negative where a letter leans
            out.
        top: pixels from the baseline to the first row, negative upwards.
        advance: width of the line in pixels.
        cap_height: height of a capital letter in pixels, the same for all texts of a size.
    """

    keep: NDArray[np.uint16]
    left: int
    top: int
    advance: int
    cap_height: int


@functools.lru_cache(maxsize=2048)
def set_line(text: str, pixels: int, bold: bool = False) -> Line:
    """Set one line of `text` with an em of `pixels`; letters that the face lacks become boxes."""
    mask, (left, top) = _font(pixels, bold).getmask2(text, mode="L", anchor="ls")
    # Pillow says nothing of this type; it yields its bytes.
    coverage: Any = mask
    width, height = mask.size
    alpha = np.frombuffer(bytes(coverage), np.uint8).reshape(height, width, 1).astype(np.uint16)
    keep = np.repeat(255 - alpha, 3, axis=2)
    return Line(keep, left, top, text_width(text, pixels, bold), cap_height(pixels, bold))


# A stamp takes some 10 kB, and each step of a play writes numbers that no other does.
@functools.lru_cache(maxsize=1024)
def stamp(text: str, pixels: int, color: Color, bold: bool = False, upward: bool = False) -> Stamp:
    """One line of text in a colour.

    With `upward` the stamp is turned to read upwards; `left` and `top` are those before the turn.
    """
    line = set_line(text, pixels, bold)
    keep = np.ascontiguousarray(np.rot90(line.keep)) if upward else line.keep
    ink = (255 - keep) * np.asarray(color, np.uint16) + np.uint16(127)
    return Stamp(keep, ink, line.left, line.top, line.advance, line.cap_height)


@functools.lru_cache(maxsize=8192)
def text_width(text: str, pixels: int, bold: bool = False) -> int:
    """Width of a line in pixels, rounded up."""
    return int(np.ceil(_font(pixels, bold).getlength(text)))


@functools.lru_cache(maxsize=64)
def cap_height(pixels: int, bold: bool = False) -> int:
    """Height of a capital letter in pixels."""
    return -int(_font(pixels, bold).getbbox("H", anchor="ls")[1])


@functools.lru_cache(maxsize=4096)
def elided(text: str, pixels: int, room: int, bold: bool = False) -> str:
    """`text`, with its middle left out as far as needed to fit into `room` pixels.

    The start says what a name belongs to and the end what it is, so both stay. `""` if not even the
    dots fit.
    """
    if text_width(text, pixels, bold) <= room:
        return text
    low, high = 0, len(text)
    best = ""
    while low < high:
        keep = (low + high) // 2
        tail = keep // 2
        candidate = text[: keep - tail] + ELLIPSIS + (text[len(text) - tail :] if tail else "")
        if text_width(candidate, pixels, bold) <= room:
            best, low = candidate, keep + 1
        else:
            high = keep
    return best
