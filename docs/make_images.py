"""Makes the picture of a play for these pages: `python docs/make_images.py`, a minute or two.

images/play.png     what a film of `play --alg_render` looks like
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES = Path(__file__).resolve().parent / "images"
POLE_COLOR = (202, 152, 101)
PLOT_WIDTH = 600  # columns of the environment's picture, left of the panels


def main() -> None:
    """Make every picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        make_play(Path(folder))


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


if __name__ == "__main__":
    main()
