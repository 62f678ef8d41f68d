"""Makes the pictures of the page on panels: `python docs/render_gallery.py`, some seconds.

images/render/<function>.png        what each `render_*` function draws
images/panels_and_matplotlib.png    the same data, drawn by ours (left) and by matplotlib (right)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from PIL import Image

from alf.distributions import Categorical, DiagNormal
from alf.summary import render
from alf.tensor_specs import BoundedTensorSpec

IMAGES = Path(__file__).resolve().parent / "images"
SIDE = 300
DPI = 150
COLUMNS = 3  # pairs of pictures in a row

Pixels = npt.NDArray[np.uint8]
Plot = Callable[[Any], Any]

STEPS = np.linspace(0, 6, 60)
WAVES = np.stack([np.sin(STEPS), np.cos(STEPS)])
NOISE = np.cumsum(np.random.default_rng(1).normal(size=240))
POINTS = np.random.default_rng(2).normal(size=(120, 2)) + np.repeat([[0, 0], [2.5, 1.5]], 60, 0)
FEATURES = np.array([[3.0, 1.5, -2.2], [2.0, 2.6, 0.8]])
CHOICE = BoundedTensorSpec((), torch.int64, 0, 3)
TORQUE = BoundedTensorSpec((2,), torch.float32, -2, 2)
CHOICES = Categorical(torch.tensor([[0.2, 1.4, 0.6, -0.5]]))
NORMAL = DiagNormal(torch.tensor([[0.6, -1.0]]), torch.tensor([[0.3, 0.5]]))
SENSED = np.array([0.4, -1.2, 0.05, 2.1, -0.6])
SENSES = ("cart position", "cart velocity", "pole angle", "pole velocity", "force")


def relief(size: int) -> npt.NDArray[np.float64]:
    """Hills and valleys `[size, size]`."""
    x, y = np.meshgrid(np.linspace(-2, 2, size), np.linspace(-2, 2, size))
    return np.sin(2 * x) * np.exp(-(y**2)) + 0.3 * y


def spiral() -> npt.NDArray[np.float64]:
    """A rising spiral `[80, 3]`."""
    angle = np.linspace(0, 4 * np.pi, 80)
    return np.stack([np.cos(angle), np.sin(angle), angle / 6], 1)


def scene() -> Pixels:
    """A small picture: a red and a green square on grey, `[16, 16, 3]`."""
    picture = np.full((16, 16, 3), 70, np.uint8)
    picture[2:14, 2:14] = 200
    picture[3:6, 4:7], picture[9:12, 8:11] = (222, 82, 62), (46, 174, 96)
    return picture


def attention() -> npt.NDArray[np.float64]:
    """Weights `[8, 8]`, high at the green square."""
    rows, columns = np.mgrid[:8, :8]
    return np.exp(-((rows - 4.8) ** 2 + (columns - 4.3) ** 2) / 3)


def draw_all() -> dict[str, Pixels]:
    """One panel of each function by the function's name, `[300, 300, 3]` each."""
    images: dict[str, render.Image | None] = {
        "render_action": render.render_action("action", torch.tensor([[0.6, -1.0]]), TORQUE),
        "render_action_distribution": render.render_action_distribution("policy", NORMAL, TORQUE),
        "render_bar": render.render_bar("features", FEATURES, legends=("now", "before")),
        "render_curve": render.render_curve(
            "waves", WAVES, (0, 6), legends=("sin", "cos"), x_label="seconds"
        ),
        "render_time_series": render.render_time_series("return", NOISE, window=200),
        "render_scatter": render.render_scatter(
            "embedding", POINTS, np.repeat([0, 1], 60), legends=("left", "right")
        ),
        "render_meters": render.render_meters(
            "sensors", SENSED, SENSES, [-1, -3, -0.5, -3, -1], [1, 3, 0.5, 3, 1]
        ),
        "render_heatmap": render.render_heatmap("attention", relief(5)),
        "render_contour": render.render_contour("value_function", relief(40)),
        "render_image": render.render_image("saliency", scene(), attention(), val_label="weight"),
        "render_3d_curve": render.render_3d_curve("path", spiral()),
        "render_text": render.render_text(
            "plan", "reach the door\nopen it\ngo through", img_width=SIDE, img_height=SIDE
        ),
        "render_heatmap_fast": render.render_heatmap_fast(
            [relief(12), relief(12).T], -1.5, 1.5, pixel_size=10, name="layers"
        ),
        "render_action_distribution, choices": render.render_action_distribution(
            "choices", CHOICES, CHOICE
        ),
    }
    return {name: fitted(image) for name, image in images.items()}


def fitted(image: render.Image | None) -> Pixels:
    """A panel's pixels in the middle of `[300, 300, 3]`."""
    if image is None:
        raise RuntimeError("a panel is missing although rendering is on")
    cell = np.full((SIDE, SIDE, 3), 255, np.uint8)
    height, width = min(image.shape[0], SIDE), min(image.shape[1], SIDE)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    cell[top : top + height, left : left + width] = image.data[:height, :width]
    return cell


def plots() -> dict[str, Plot]:
    """For each function, how matplotlib draws the same data."""
    x = np.linspace(-2, 2, 200)
    densities = [np.exp(-0.5 * ((x - m) / s) ** 2) for m, s in ((0.6, 0.3), (-1.0, 0.5))]
    probs = CHOICES.probs[0].numpy()
    return {
        "render_action": lambda a: a.bar(("0", "1"), (0.6, -1.0)),
        "render_action_distribution": lambda a: [a.plot(x, d) for d in densities],
        "render_action_distribution, choices": lambda a: a.bar(range(4), probs),
        "render_bar": lambda a: [
            a.bar(np.arange(3) + 0.4 * i, row, 0.4) for i, row in enumerate(FEATURES)
        ],
        "render_curve": lambda a: a.plot(STEPS, WAVES.T),
        "render_time_series": lambda a: a.plot(np.arange(-200, 1), NOISE[-201:]),
        "render_scatter": lambda a: [a.scatter(*p.T, s=5) for p in np.split(POINTS, 2)],
        "render_meters": lambda a: a.barh(SENSES, SENSED),
        "render_heatmap": _heatmap,
        "render_contour": lambda a: a.contourf(relief(40), 10),
        "render_image": lambda a: (
            a.imshow(scene(), extent=(0, 8, 8, 0)),
            a.imshow(attention(), extent=(0, 8, 8, 0), alpha=0.5, cmap="inferno"),
        ),
        "render_3d_curve": lambda a: a.plot(*spiral().T),
    }


def _heatmap(axes: Any) -> None:
    axes.imshow(relief(5))
    for (i, j), value in np.ndenumerate(relief(5)):
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=4)


def figure(name: str, plot: Plot) -> Pixels:
    """Matplotlib's picture, as large as a panel."""
    drawn = Figure(figsize=(SIDE / DPI, SIDE / DPI), layout="constrained")
    axes = drawn.add_subplot(projection="3d" if "3d" in name else None)
    plot(axes)
    axes.set_title(name.removeprefix("render_"), fontsize=7)
    axes.tick_params(labelsize=6)
    return render.Image.from_pyplot_fig(drawn, DPI).data[:SIDE, :SIDE]


def side_by_side(ours: dict[str, Pixels]) -> Pixels:
    """All pairs, ours at the left of each."""
    pairs = [np.concatenate([ours[name], figure(name, plot)], 1) for name, plot in plots().items()]
    gap = 12
    rows = -(-len(pairs) // COLUMNS)
    sheet = np.full((rows * (SIDE + gap), COLUMNS * (2 * SIDE + gap), 3), 225, np.uint8)
    for i, pair in enumerate(pairs):
        row, column = divmod(i, COLUMNS)
        top, left = row * (SIDE + gap) + gap // 2, column * (2 * SIDE + gap) + gap // 2
        sheet[top : top + SIDE, left : left + 2 * SIDE] = pair
    return sheet


def save(pixels: Pixels, path: Path) -> None:
    """As a small PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if len(np.unique(pixels.reshape(-1, 3), axis=0)) <= 256:
        image = image.quantize(256, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def main() -> None:
    """Make every picture."""
    with render.rendering():
        ours = draw_all()
    for name, pixels in ours.items():
        if "," not in name:
            save(pixels, IMAGES / "render" / f"{name}.png")
    save(side_by_side(ours), IMAGES / "panels_and_matplotlib.png")


if __name__ == "__main__":
    main()
