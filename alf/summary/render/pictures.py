"""Pictures, bare or with weights laid over them: attention, saliency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.summary.arrays import to_numpy
from alf.summary.render import theme
from alf.summary.render.axes import linear_axis, places_in, value_range
from alf.summary.render.colormap import colorize
from alf.summary.render.image import Image
from alf.summary.render.layout import Panel, open_panel
from alf.summary.render.panels import is_rendering_enabled, numbers, refuse, scoped
from alf.summary.render.sheet import Sheet, panel_size

_GAP = 2
_MOST_CHANNELS = 32


def render_image(
    name: str,
    image: Any,
    overlay: Any = None,
    strength: float = 0.7,
    overlay_range: Sequence[float] | None = None,
    val_label: str = "",
    cmap: str = "inferno",
    *,
    img_height: int | None = None,
    img_width: int | None = None,
    dpi: float = theme.DPI,
    figsize: Sequence[float] = theme.FIGSIZE,
    **kwargs: Any,
) -> Image | None:
    """Draw a picture, or stacked frames side by side, with weights laid over it if there are any.

    The picture keeps its proportions. Small ones are enlarged by a whole number.

    Args:
        name: title of the panel, behind the present scope.
        image: `[H, W]` grey, `[H, W, 3]` or `[3, H, W]` RGB, or stacked frames `[C, H, W]` or
            `[H, W, C]`: grey ones, or RGB ones where `C` is 6, 9, 12, ...; uint8 in [0, 255], or
            floats in [0, 1].
        overlay: weights `[h, w]`, spread smoothly over the whole picture, or over each frame;
            where they are low the picture shows, where they are high the colour does. NaN shows
            the picture. `None` for none.
        strength: how much the highest weight covers, in [0, 1].
        overlay_range: weights of the first and the last colour; `None` for those of the data.
        val_label: title of the colour bar of the weights.
        cmap: the colours of the weights, as for `render_heatmap`.
        img_height: height in pixels; see `alf.summary.render.sheet.panel_size`.
        img_width: width in pixels.
        dpi: pixels per inch.
        figsize: width and height in inches.
        **kwargs: none is known.

    Returns:
        `None` while rendering is off.

    Raises:
        RenderError: if picture or weights have another shape, or an option is not known.
    """
    if not is_rendering_enabled():
        return None
    refuse(name, "render_image", kwargs)
    frames = as_frames(name, to_numpy(image))
    weights = None if overlay is None else numbers(name, overlay, (2,))
    ends = (0.0, 1.0) if weights is None else value_range(weights, overlay_range)
    sheet = Sheet(
        panel_size(img_height, img_width, dpi, figsize),
        scoped(name),
        colorbar=None if weights is None else linear_axis(*ends, title=val_label),
        colormap=cmap,
    )
    panel = open_panel(sheet)
    columns, size = _grid(len(frames), (frames.shape[1], frames.shape[2]), panel)
    shown = [_scaled(frame, size) for frame in frames]
    if weights is not None:
        fractions = places_in(weights, *ends)
        shown = [_covered(frame, fractions, strength, cmap) for frame in shown]
    _put(panel, shown, columns)
    return Image.owning(panel.canvas.pixels, sheet.name)


def as_frames(name: str, image: NDArray) -> NDArray[np.uint8]:
    """A picture of any layout as uint8 RGB frames `[N, H, W, 3]`; see `render_image`.

    Raises:
        RenderError: it is no picture.
    """
    if image.ndim not in (2, 3) or image.size == 0:
        raise RenderError(
            f"Panel '{name}': a picture is [H, W], [H, W, C] or [C, H, W], but the shape is "
            f"{list(image.shape)}. Take one picture of the batch."
        )
    if image.dtype != np.uint8:
        image = np.clip(np.nan_to_num(image.astype(np.float64)) * 255 + 0.5, 0, 255)
        image = image.astype(np.uint8)
    if image.ndim == 2:
        image = image[None]
    elif is_channel_last(image.shape):
        image = np.moveaxis(image, 2, 0)
    if image.shape[0] % 3 == 0:
        return np.moveaxis(image.reshape(-1, 3, *image.shape[1:]), 1, 3)
    return np.repeat(image[..., None], 3, axis=3)


def is_channel_last(shape: Sequence[int]) -> bool:
    """Whether a picture of three dimensions is `[H, W, C]` rather than `[C, H, W]`."""
    return shape[2] < min(shape[0], shape[1]) and shape[2] <= _MOST_CHANNELS


def _grid(count: int, frame: tuple[int, int], panel: Panel) -> tuple[int, tuple[int, int]]:
    """How many columns, and how large each frame, `(height, width)`, so that they become largest.

    Enlarging is by a whole number.
    """
    best = (0.0, 1)
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        across = (panel.plot.width - _GAP * (columns - 1)) / columns / frame[1]
        down = (panel.plot.height - _GAP * (rows - 1)) / rows / frame[0]
        best = max(best, (min(across, down), columns), key=lambda pair: pair[0])
    factor, columns = best
    factor = float(math.floor(factor)) if factor >= 1 else max(factor, 1e-3)
    size = max(1, int(frame[0] * factor)), max(1, int(frame[1] * factor))
    return columns, size


def _scaled(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = size
    if (height, width) == frame.shape[:2]:
        return frame
    way = cv2.INTER_NEAREST if height > frame.shape[0] else cv2.INTER_AREA
    source: Any = np.ascontiguousarray(frame)
    return np.asarray(cv2.resize(source, (width, height), interpolation=way), np.uint8)


def _covered(
    frame: NDArray[np.uint8], fractions: NDArray[np.float64], strength: float, cmap: str
) -> NDArray[np.uint8]:
    """A frame `[H, W, 3]` with weights `[h, w]` in [0, 1] over it."""
    source: Any = np.nan_to_num(fractions).astype(np.float32)
    size = (frame.shape[1], frame.shape[0])
    fine = np.clip(np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_LINEAR)), 0, 1)
    fine = fine.astype(np.float64)
    cover = (strength * fine)[..., None]
    return (frame * (1 - cover) + colorize(fine, cmap) * cover + 0.5).astype(np.uint8)


def _put(panel: Panel, frames: Sequence[NDArray[np.uint8]], columns: int) -> None:
    """Put frames of one size into the plot, in rows, the whole in its middle."""
    height, width = frames[0].shape[:2]
    rows = math.ceil(len(frames) / columns)
    left = panel.plot.left + (panel.plot.width - columns * (width + _GAP) + _GAP) // 2
    top = panel.plot.top + (panel.plot.height - rows * (height + _GAP) + _GAP) // 2
    for i, frame in enumerate(frames):
        row, column = divmod(i, columns)
        panel.canvas.picture(left + column * (width + _GAP), top + row * (height + _GAP), frame)
