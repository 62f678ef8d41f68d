"""Colours for values."""

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError

_NAMES = ("viridis", "magma", "inferno", "plasma", "cividis", "turbo", "hot", "bone", "jet")
NOT_A_NUMBER = (205, 208, 214)
"""The colour of NaN."""


@functools.cache
def color_table(name: str) -> NDArray[np.uint8]:
    """The 256 colours of a colour map, uint8 `[256, 3]` RGB, from low to high.

    Raises:
        RenderError: if there is no map of this name.
    """
    if name not in _NAMES:
        raise RenderError(f"There is no colour map '{name}'; there are {', '.join(_NAMES)}.")
    ramp: Any = np.arange(256, dtype=np.uint8)
    table = cv2.applyColorMap(ramp, getattr(cv2, f"COLORMAP_{name.upper()}"))
    colors = np.ascontiguousarray(np.asarray(table, np.uint8).reshape(256, 3)[:, ::-1])
    colors.setflags(write=False)
    return colors


def colorize(fractions: NDArray[np.float64], name: str) -> NDArray[np.uint8]:
    """Colours, uint8 `[..., 3]`, of `fractions` `[...]` from low (0) to high (1); NaN is grey."""
    missing = np.isnan(fractions)
    index = np.clip(np.where(missing, 0, fractions) * 255 + 0.5, 0, 255).astype(np.uint8)
    colors = color_table(name)[index]
    if missing.any():
        colors[missing] = NOT_A_NUMBER
    return colors
