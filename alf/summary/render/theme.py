"""Colours, type sizes and distances of every panel. Sizes are in points: 72 to an inch.

Colours are those of the present theme, light or dark: `theme.PAPER` is looked up each time, so ask
for it where something is drawn, and do not import it by name.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alf.errors import RenderError
from alf.summary.context import CONTEXT

Color = tuple[int, int, int]
"""Red, green and blue in [0, 255]."""


@dataclass(frozen=True)
class Palette:
    """The colours of one theme.

    Attributes:
        paper: what is drawn on.
        ink: titles and numbers.
        muted: labels.
        grid: lines behind data.
        axis: the line along an axis.
        track: the range in which a bar can be; also what lies between panels.
        chosen: what stands out: the action taken, the mode of a distribution. No series has it.
        series: of one series each.
    """

    paper: Color
    ink: Color
    muted: Color
    grid: Color
    axis: Color
    track: Color
    chosen: Color
    series: tuple[Color, ...]


LIGHT = Palette(
    paper=(255, 255, 255),
    ink=(32, 38, 50),
    muted=(108, 116, 130),
    grid=(231, 234, 239),
    axis=(150, 157, 168),
    track=(240, 242, 246),
    chosen=(221, 120, 50),
    series=(
        (58, 110, 181),
        (62, 152, 112),
        (210, 118, 163),
        (160, 156, 56),
        (125, 97, 175),
        (60, 163, 180),
        (196, 70, 76),
        (139, 107, 80),
        (120, 130, 144),
    ),
)
DARK = Palette(
    paper=(27, 30, 37),
    ink=(229, 232, 238),
    muted=(154, 162, 176),
    grid=(48, 53, 63),
    axis=(104, 112, 126),
    track=(41, 45, 54),
    chosen=(240, 150, 78),
    series=(
        (98, 154, 230),
        (92, 190, 146),
        (230, 146, 188),
        (202, 198, 92),
        (166, 140, 218),
        (92, 198, 214),
        (232, 108, 112),
        (186, 150, 120),
        (160, 170, 184),
    ),
)
_PALETTES = {"light": LIGHT, "dark": DARK}
_COLORS = {
    name.upper(): name for name in ("paper", "ink", "muted", "grid", "axis", "track", "chosen")
}

if TYPE_CHECKING:
    PAPER: Color
    INK: Color
    MUTED: Color
    GRID: Color
    AXIS: Color
    TRACK: Color
    CHOSEN: Color


def __getattr__(name: str) -> Color:
    """The colours of the present theme, as attributes of this module."""
    if name in _COLORS:
        return getattr(_PALETTES[CONTEXT.theme], _COLORS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def checked_theme(name: str) -> str:
    """The name of a theme.

    Raises:
        RenderError: there is no such theme.
    """
    if name not in _PALETTES:
        raise RenderError(f"There is no theme {name!r}; there are {', '.join(_PALETTES)}.")
    return name


def present_theme() -> str:
    """The name of the present theme."""
    return CONTEXT.theme


FONT_SIZE = 7.0
SCOPE_SIZE = 5.5
SMALLEST_SIZE = 4.5
SMALLEST_PIXELS = 9
"""No letter is set smaller than this, whatever the size of the panel: below, it cannot be read."""

PAD = 3.0
TICK = 2.0
LINE = 1.0
COLORBAR = 6.0

DPI = 150
FIGSIZE = (2.0, 2.0)


def series_color(index: int) -> Color:
    """The colour of the series `index`; always the same, and repeating after nine."""
    series = _PALETTES[CONTEXT.theme].series
    return series[index % len(series)]


def tint(color: Color, strength: float) -> Color:
    """`color` thinned on paper: 0 is paper, 1 is the colour."""
    paper = _PALETTES[CONTEXT.theme].paper
    red, green, blue = (round(p + (c - p) * strength) for p, c in zip(paper, color, strict=True))
    return red, green, blue
