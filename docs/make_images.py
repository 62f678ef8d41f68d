"""Makes the pictures of these pages: `python docs/make_images.py`, a minute or two.

images/play.png     what a film of `play --alg_render` looks like
images/panels.png   one panel of each kind
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from alf.distributions import DiagNormal
from alf.summary import render
from alf.tensor_specs import BoundedTensorSpec

IMAGES = Path(__file__).resolve().parent / "images"
POLE_COLOR = (202, 152, 101)
PLOT_WIDTH = 600  # columns of the environment's picture, left of the panels


def main() -> None:
    """Make every picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        make_play(Path(folder))
    make_panels()


def make_play(folder: Path) -> None:
    """Train CartPole, record four episodes, and keep the frame in which the pole leans most."""
    job = ["--root_dir", str(folder / "job")]
    conf = ["--conf", "alf/examples/tutorial/ac_render_conf.py"]
    run("train", *job, *conf, "--conf_param=TrainerConfig.random_seed=0")
    # Sampled actions: the mode alone keeps the pole so upright that a picture shows little.
    sampled = "--conf_param=TrainerConfig.epsilon_greedy=1.0"
    record = ["--record_file", str(folder / "frames"), "--alg_render"]
    run("play", *job, *record, sampled, "--num_episodes=4", "--random_seed=3")
    frames = sorted((folder / "frames").glob("*.png"))
    middle = [frame for number, frame in enumerate(frames) if 20 <= number % 201 <= 180]
    best = max(middle, key=lean)
    Image.open(best).convert("RGB").quantize(128).save(IMAGES / "play.png", optimize=True)


def run(command: str, *arguments: str) -> None:
    """Run a command of ours from the checkout; its failure ends this script."""
    root = Path(__file__).resolve().parent.parent
    subprocess.run([sys.executable, "-m", f"alf.bin.{command}", *arguments], check=True, cwd=root)


def lean(frame: Path) -> float:
    """The pole's angle against the vertical, in degrees, read from the picture; 0 if not seen."""
    pixels = np.asarray(Image.open(frame).convert("RGB")).astype(int)[:, :PLOT_WIDTH]
    rows, columns = np.nonzero(np.abs(pixels - POLE_COLOR).sum(-1) < 30)
    if len(rows) < 100:
        return 0.0
    along = np.linalg.eigh(np.cov(columns, rows))[1][:, 1]  # the longest axis of its pixels
    return float(np.degrees(np.arctan2(abs(along[0]), abs(along[1]))))


def make_panels() -> None:
    """A sheet with one panel of each kind."""
    steps = np.linspace(0, 6, 60)
    torque = BoundedTensorSpec((2,), torch.float32, -2, 2)
    policy = DiagNormal(torch.tensor([[0.6, -1.0]]), torch.tensor([[0.3, 0.5]]))
    with render.rendering():
        rows = [
            [
                render.render_bar("features", np.array([[3.0, 1.5, 2.2], [2.0, 2.6, 0.8]])),
                render.render_curve("values", np.stack([np.sin(steps), np.cos(steps)])),
                render.render_heatmap("attention", relief(5)),
                render.render_contour("value_function", relief(40)),
            ],
            [
                render.render_action("torques", torch.tensor([[0.6, -1.0]]), torque),
                render.render_action_distribution("policy", policy, torque),
                render.render_3d_curve("path", spiral()),
                render.render_text("plan", "reach the door\nopen it\ngo through"),
            ],
        ]
    sheet = np.concatenate([np.concatenate([fitted(image) for image in row], 1) for row in rows])
    Image.fromarray(sheet).quantize(128).save(IMAGES / "panels.png", optimize=True)


def fitted(image: render.Image | None) -> npt.NDArray[np.uint8]:
    """A panel's pixels in the middle of a cell `[308, 308, 3]`."""
    if image is None:
        raise RuntimeError("a panel is missing although rendering is on")
    cell = np.full((308, 308, 3), 240, np.uint8)
    height, width = min(image.shape[0], 304), min(image.shape[1], 304)
    top, left = (308 - height) // 2, (308 - width) // 2
    cell[top : top + height, left : left + width] = image.data[:height, :width]
    return cell


def relief(size: int) -> npt.NDArray[np.float64]:
    """Hills and valleys `[size, size]`."""
    x, y = np.meshgrid(np.linspace(-2, 2, size), np.linspace(-2, 2, size))
    return np.sin(2 * x) * np.exp(-(y**2)) + 0.3 * y


def spiral() -> npt.NDArray[np.float64]:
    """A rising spiral `[80, 3]`."""
    angle = np.linspace(0, 4 * np.pi, 80)
    return np.stack([np.cos(angle), np.sin(angle), angle / 6], 1)


if __name__ == "__main__":
    main()
