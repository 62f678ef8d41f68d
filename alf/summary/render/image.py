"""`Image`: what rendering gives and play shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alf.errors import RenderError
from alf.nest import flatten
from alf.summary.arrays import to_numpy
from alf.summary.render import theme

_WHITE = (255, 255, 255)


class Image:
    """An RGB picture with a name.

    Args:
        img: `[H, W, 3]` RGB, `[H, W, 4]` RGB with coverage, which is laid on white, or `[H, W]`
            grey; an array or a tensor, uint8 in [0, 255] or floats in [0, 1].
        name: what it shows, scopes included; play shows it as the title of the panel.

    Raises:
        RenderError: if `img` has another shape.
    """

    def __init__(self, img: Any, name: str = ""):
        self._data = _to_rgb(to_numpy(img))
        self.name = name

    @classmethod
    def owning(cls, pixels: NDArray[np.uint8], name: str = "") -> Image:
        """An image of pixels that nobody else will change, without a copy.

        Args:
            pixels: uint8 `[H, W, 3]`, contiguous.
            name: name of the image.
        """
        image = cls.__new__(cls)
        image._data = pixels
        image.name = name
        return image

    @property
    def data(self) -> NDArray[np.uint8]:
        """The pixels, uint8 `[H, W, 3]`."""
        return self._data

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(H, W, 3)`."""
        height, width, channels = self._data.shape
        return height, width, channels

    def __repr__(self) -> str:
        return f"Image(name={self.name!r}, height={self.shape[0]}, width={self.shape[1]})"

    def resize(self, height: int | None = None, width: int | None = None) -> Image:
        """Scale this image in place.

        Args:
            height: new height in pixels. With one of the two, the other follows and the proportions
                stay.
            width: new width in pixels.

        Returns:
            The image itself.

        Raises:
            RenderError: if a size is below 1.
        """
        old_height, old_width, _ = self.shape
        if height is None and width is None:
            return self
        if height is None:
            height = max(1, round(old_height * int(width or 0) / old_width))
        if width is None:
            width = max(1, round(old_width * int(height) / old_height))
        if height < 1 or width < 1:
            raise RenderError(
                f"Image '{self.name}': cannot be resized to {height} x {width} pixels; "
                "a height and a width are at least 1."
            )
        if (height, width) != (old_height, old_width):
            shrinks = height < old_height and width < old_width
            method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            self._data = np.asarray(
                cv2.resize(self._data, (width, height), interpolation=method), np.uint8
            )
        return self

    @classmethod
    def from_pyplot_fig(cls, fig: Any, dpi: float = 200, name: str = "") -> Image:
        """Draw a matplotlib figure.

        Args:
            fig: a `matplotlib.figure.Figure`, made by `pyplot` or not. It is neither closed nor
                changed.
            dpi: pixels per inch of its size.
            name: name of the image.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas_before, dpi_before = fig.canvas, fig.dpi
        try:
            fig.set_dpi(dpi)
            canvas = FigureCanvasAgg(fig)
            canvas.draw()
            return cls(np.array(canvas.buffer_rgba()), name)
        finally:
            fig.set_dpi(dpi_before)
            fig.set_canvas(canvas_before)

    @classmethod
    def pack_image_nest(cls, nested: Any) -> Image | None:
        """All images of a nest as one, in the order of the nest, in rows that make it about square.

        Args:
            nested: a nest; leaves that are no `Image` are left out.

        Returns:
            `None` if there is no image.
        """
        images = [leaf for leaf in flatten(nested) if isinstance(leaf, Image)]
        if not images:
            return None
        columns = math.ceil(math.sqrt(len(images)))
        rows = [images[i : i + columns] for i in range(0, len(images), columns)]
        return cls.stack_images([cls.stack_images(row) for row in rows], horizontal=False)

    @classmethod
    def stack_images(cls, images: Sequence[Image], horizontal: bool = True) -> Image:
        """Images side by side, or, with `horizontal=False`, one below the other.

        The smaller ones keep their size and get paper at the right or below.

        Raises:
            RenderError: if `images` is empty.
        """
        if not images:
            raise RenderError("stack_images needs at least one image, but the list is empty.")
        along = 1 if horizontal else 0
        across = max(image.shape[1 - along] for image in images)
        if all(image.shape[1 - along] == across for image in images):
            return cls.owning(np.concatenate([image.data for image in images], along))
        total = sum(image.shape[along] for image in images)
        sheet = np.empty((across, total, 3) if horizontal else (total, across, 3), np.uint8)
        sheet[:] = theme.PAPER
        start = 0
        for image in images:
            height, width, _ = image.shape
            if horizontal:
                sheet[:height, start : start + width] = image.data
            else:
                sheet[start : start + height, :width] = image.data
            start += image.shape[along]
        return cls(sheet)


def _to_rgb(pixels: NDArray) -> NDArray[np.uint8]:
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.size == 0:
        raise RenderError(
            "An image is an array [H, W, 3], [H, W, 4] or [H, W], but its shape is "
            f"{list(pixels.shape)}. Move the channels to the end, and take one image of a batch."
        )
    if np.issubdtype(pixels.dtype, np.floating):
        pixels = np.clip(np.nan_to_num(pixels, nan=0.0) * 255 + 0.5, 0, 255)
    if pixels.shape[2] == 4:
        coverage = pixels[..., 3:].astype(np.float64) / 255
        pixels = pixels[..., :3] * coverage + np.asarray(_WHITE) * (1 - coverage) + 0.5
    return np.ascontiguousarray(pixels.astype(np.uint8))
