"""Colours, type sizes and distances of every panel. Sizes are in points: 72 to an inch."""

Color = tuple[int, int, int]
"""Red, green and blue in [0, 255]."""

PAPER: Color = (255, 255, 255)
INK: Color = (32, 38, 50)
MUTED: Color = (108, 116, 130)
GRID: Color = (231, 234, 239)
AXIS: Color = (150, 157, 168)
TRACK: Color = (240, 242, 246)

SERIES: tuple[Color, ...] = (
    (58, 110, 181),
    (221, 120, 50),
    (62, 152, 112),
    (196, 70, 76),
    (125, 97, 175),
    (139, 107, 80),
    (210, 118, 163),
    (120, 130, 144),
    (160, 156, 56),
    (60, 163, 180),
)
CHOSEN: Color = SERIES[1]
"""What stands out: the action taken, the mode of a distribution."""

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
    """The colour of the series `index`; always the same, and repeating after ten."""
    return SERIES[index % len(SERIES)]


def tint(color: Color, strength: float) -> Color:
    """`color` thinned on paper: 0 is paper, 1 is the colour."""
    red, green, blue = (round(p + (c - p) * strength) for p, c in zip(PAPER, color, strict=True))
    return red, green, blue
