"""What panels cost a recorded play: the same play without panels, with two, and with all, in turn.

    python -m benchmarks.recording [--rounds 3]

Trains `ac_render_conf`, then records whole episodes of CartPole to mp4 by real `alf play`
commands. The last line is JSON; `ratio` is the frames per second with the two panels that the
policy draws itself over those without, `ratio_all` with those that are drawn for it too.

`reference` is the loop that most people write, with the same two panels: a matplotlib figure for
each, 2 x 2 inches at 300 dpi with its margins cut off, saved as PNG and decoded, packed beside the
frame, and written with the same encoder. `ratio_reference` is the two panels of `alf play` over it.
`small` and `ratio_small` are the same with figures of the size of our panels, 150 dpi.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import matplotlib
import numpy as np
from matplotlib import pyplot
from PIL import Image

from alf.player.video import VideoWriter

CONF = Path(__file__).parent.parent / "alf" / "examples" / "tutorial" / "ac_render_conf.py"


def main() -> None:
    """Train once, then record in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    matplotlib.use("Agg")
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        alf("train", "--root_dir", job, "--conf", CONF)
        rates: dict[str, list[float]] = {"plain": [], "two": [], "all": []}
        rates |= {"reference": [], "small": []}
        for _ in range(rounds):
            rates["plain"].append(record(job))
            rates["two"].append(record(job, "--alg_render", "--conf_param=PanelSettings.kinds=()"))
            rates["all"].append(record(job, "--alg_render"))
            for name, dpi in (("reference", 300), ("small", 150)):
                rates[name].append(reference_loop(Path(folder) / "reference.mp4", dpi))
            print(", ".join(f"{k} {v[-1]:.0f} frames/s" for k, v in rates.items()), flush=True)
    medians = {name: round(statistics.median(rate), 1) for name, rate in rates.items()}
    ratios = {
        key: round(
            statistics.median(b / a for a, b in zip(rates[base], rates[name], strict=True)), 3
        )
        for key, name, base in (
            ("ratio", "two", "plain"),
            ("ratio_all", "all", "plain"),
            ("ratio_reference", "two", "reference"),
            ("ratio_small", "two", "small"),
        )
    }
    print(json.dumps({**medians, **ratios}))


def record(job: Path, *flags: str) -> float:
    """Frames per second of one recorded play, imports not counted."""
    report = job.parent / "report.json"
    out = ["--record_file", job.parent / "play.mp4", "--report_file", report]
    alf("play", "--root_dir", job, "--num_episodes", 3, "--random_seed", 1, *out, *flags)
    return json.loads(report.read_text())["steps_per_s"]


def reference_loop(path: Path, dpi: int, steps: int = 60) -> float:
    """Frames per second of drawing panels as figures, on one thread, beside CartPole's frames."""
    env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
    env.reset(seed=1)
    draws = np.random.default_rng(1)
    sheet: np.ndarray | None = None
    with VideoWriter(path) as film:
        start = time.perf_counter()
        for _ in range(steps):
            probabilities = draws.dirichlet([1.0, 1.0])
            action = int(probabilities.argmax())
            panels = [bars(np.eye(2)[action], dpi), bars(probabilities, dpi)]
            picture = packed(np.asarray(env.render()), panels)
            if sheet is None:  # cut margins make figures of slightly different sizes
                sheet = np.full_like(picture, 255)
            height, width = np.minimum(sheet.shape, picture.shape)[:2]
            sheet[:height, :width] = picture[:height, :width]
            film.write(sheet)
            if any(env.step(action)[2:4]):
                env.reset()
        elapsed = time.perf_counter() - start
    env.close()
    return steps / elapsed


def bars(heights: np.ndarray, dpi: int) -> np.ndarray:
    """A figure of bars with their values, by way of a PNG."""
    fig, axes = pyplot.subplots(figsize=(2.0, 2.0))
    axes.bar_label(axes.bar(np.arange(len(heights)), heights), fmt="%.2f", fontsize=7)
    axes.set_ylim(0, 1)
    axes.set_title("panel", fontsize=7)
    png = io.BytesIO()
    fig.savefig(png, format="png", dpi=dpi, bbox_inches="tight")
    pyplot.close(fig)
    return np.asarray(Image.open(png).convert("RGB"))


def packed(frame: np.ndarray, panels: list[np.ndarray]) -> np.ndarray:
    """The frame, and the panels one below the other at its right."""
    column = np.concatenate(panels)
    height = max(len(frame), len(column))
    sheet = np.full((height, frame.shape[1] + column.shape[1], 3), 255, np.uint8)
    sheet[: len(frame), : frame.shape[1]] = frame
    sheet[: len(column), frame.shape[1] :] = column
    return sheet


def alf(*args: object) -> None:
    """Run a command of alf."""
    subprocess.run(
        [sys.executable, "-m", "alf", *map(str, args)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


if __name__ == "__main__":
    main()
