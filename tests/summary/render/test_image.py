"""Images: making, scaling, stacking, packing."""

import numpy as np
import pytest
import torch

from alf.errors import RenderError
from alf.summary.render import Image


def plain(height, width, value):
    return Image(np.full((height, width, 3), value, np.uint8))


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((2, 3, 3), 51, np.uint8),
        np.full((2, 3), 51, np.uint8),
        np.full((2, 3, 3), 0.2),
        torch.full((2, 3), 0.2, requires_grad=True, dtype=torch.float32),
        np.full((4, 6, 3), 51, np.uint8)[::2, ::2],
        np.dstack([np.zeros((2, 3, 3), np.uint8), np.full((2, 3), 204, np.uint8)]),
    ],
)
def test_pixels_of_every_kind(pixels):
    """Bytes, floats, grey, tensors, views, and colours with coverage become RGB bytes."""
    image = Image(pixels)

    assert image.shape == (2, 3, 3)
    assert image.data.dtype == np.uint8
    assert (image.data == 51).all()
    assert image.data.flags.c_contiguous


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (1, 2, 2, 3), (0, 2, 3)])
def test_what_is_no_image(shape):
    """Another shape is refused."""
    with pytest.raises(RenderError, match="H, W, 3"):
        Image(np.zeros(shape))


def test_resize_keeps_proportions():
    """With one side given the other follows; with both, both are taken; the image is the same."""
    image = plain(20, 40, 7)

    assert image.resize() is image
    assert image.resize(height=10) is image
    assert image.shape == (10, 20, 3)
    assert image.resize(width=50).shape == (25, 50, 3)
    assert image.resize(height=3, width=4).shape == (3, 4, 3)
    assert (image.data == 7).all()
    with pytest.raises(RenderError, match="at least 1"):
        image.resize(height=0)


def test_stacking_pads_with_white():
    """Images stand side by side or below each other; what is left over is white."""
    side = Image.stack_images([plain(2, 3, 1), plain(4, 5, 2)])
    below = Image.stack_images([plain(2, 3, 1), plain(4, 5, 2)], horizontal=False)

    assert (side.shape, below.shape) == ((4, 8, 3), (6, 5, 3))
    assert side.data[:, :, 0].sum() == 2 * 3 * 1 + 4 * 5 * 2 + 2 * 3 * 255
    assert below.data[:, :, 0].sum() == 2 * 3 * 1 + 4 * 5 * 2 + 2 * 2 * 255
    with pytest.raises(RenderError, match="empty"):
        Image.stack_images([])


def test_packing_takes_images_alone():
    """All images of a nest are packed, whatever else is in it; none gives `None`."""
    info = {"a": plain(2, 2, 1), "b": (torch.zeros(3), [plain(2, 2, 2), None]), "c": plain(2, 2, 3)}
    packed = Image.pack_image_nest(info)

    assert packed is not None
    assert packed.shape == (4, 4, 3)
    assert packed.data[::2, ::2, 0].tolist() == [[1, 2], [3, 255]]
    assert Image.pack_image_nest({"x": 1, "y": ()}) is None


def test_from_a_figure():
    """A matplotlib figure is drawn at its size times dpi, and is left as it was."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=77, facecolor="red")
    canvas = figure.canvas
    image = Image.from_pyplot_fig(figure, dpi=50)

    assert image.shape == (50, 100, 3)
    assert image.data[0, 0].tolist() == [255, 0, 0]
    assert figure.dpi == 77
    assert figure.canvas is canvas
