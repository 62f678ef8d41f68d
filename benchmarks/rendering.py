"""How many panels a second are drawn, by `alf.summary.render` and by way of a matplotlib figure.

    python -m benchmarks.rendering [--seconds 2]

The reference does what is usual: it makes a figure, saves it as PNG, and decodes that. Both draw
the same data at the same size, on one thread, with new data for each panel. They take turns, and
the best of five rounds counts, so that other work on the machine falls on neither. At the end, six
panels are drawn and composed with a frame, and what is drawn for any policy. The last line is JSON.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from typing import Any

import cv2
import matplotlib
import numpy as np
import torch
from PIL import Image as PilImage

from alf.data_structures import AlgStep, TimeStep
from alf.distributions import Categorical
from alf.player.auto_panels import AutoPanels
from alf.player.episodes import Moment
from alf.player.layout import Layout
from alf.player.showing import FACTS
from alf.summary import render
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

SIZE_INCHES = (2.0, 2.0)
DPI = 200
PANELS = 64

DISCRETE = BoundedTensorSpec((), torch.int64, 0, 3)
CONTINUOUS = BoundedTensorSpec((1,), torch.float32, -2, 2)


def main() -> None:
    """Measure and print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description="Compare panels with figures.")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    matplotlib.use("Agg")
    render.enable_rendering()

    results: dict[str, dict[str, float]] = {}
    print(f"{'panel':<28}{'ours/s':>10}{'ms':>8}{'figure/s':>10}{'ratio':>9}")
    for name, (ours, reference) in make_cases().items():
        rounds = [(rate(ours, seconds / 5), rate(reference, seconds / 5)) for _ in range(5)]
        fast, slow = max(r[0] for r in rounds), max(r[1] for r in rounds)
        ratio = fast / slow
        results[name] = {
            "ours_per_s": round(fast, 1),
            "figure_per_s": round(slow, 2),
            "ratio": round(ratio, 1),
        }
        print(f"{name:<28}{fast:>10.0f}{1000 / fast:>8.3f}{slow:>10.1f}{ratio:>8.0f}x")
    composed = {name: round(best_of_five(draw, seconds), 1) for name, draw in make_films().items()}
    for name, fps in composed.items():
        print(f"{name:<28}{fps:>10.0f} frames/s")
    print(json.dumps({"benchmark": "rendering", "results": results, "frames_per_s": composed}))


def best_of_five(draw: Callable[[int], Any], seconds: float) -> float:
    """Calls a second in the best of five rounds."""
    return max(rate(draw, seconds / 5) for _ in range(5))


def make_films() -> dict[str, Callable[[int], Any]]:
    """What composes a frame of 600 x 400 with six panels, and with those of an actor-critic."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (400, 600, 3), dtype=np.uint8)
    logits = torch.tensor(rng.normal(size=(PANELS, 1, 2)), dtype=torch.float32)
    observations = torch.tensor(rng.normal(size=(PANELS, 1, 4)), dtype=torch.float32)
    curves = np.cumsum(rng.normal(size=(PANELS, 200)), axis=-1)
    cells = rng.random((PANELS, 8, 8))
    choice = BoundedTensorSpec((), torch.int64, 0, 1)
    policies = [Categorical(x) for x in logits]

    def six(i: int) -> dict[str, Any]:
        return {
            "action": render.render_action("action", policies[i].mode, choice),
            "policy": render.render_action_distribution("policy", policies[i], choice),
            "value": render.render_time_series("value", curves[i], y_range=(-50, 50)),
            "observation": render.render_meters("observation", observations[i, 0]),
            "attention": render.render_heatmap("attention", cells[i], annotate_format="", vmin=0),
            "curve": render.render_curve("curve", curves[i], y_range=(-50, 50)),
        }

    auto = AutoPanels(choice, TensorSpec((4,)))

    def drawn(i: int) -> dict[str, Any]:
        info = {"action_distribution": policies[i], "value": logits[i, :, 0]}
        inputs = TimeStep(observation=observations[i], reward=torch.ones(1))
        step = AlgStep(policies[i].mode, (), info)
        return dict(auto.draw(Moment(0, 1, 0, i, frame, inputs, step, {}, 1.0, float(i), None)))

    def composing(panels: Callable[[int], dict[str, Any]]) -> Callable[[int], Any]:
        sizes = {name: image.shape[:2] for name, image in panels(0).items()}
        layout = Layout((400, 600), sizes, FACTS)
        return lambda i: layout.compose(frame, panels(i), {"step": str(i), "return": f"{i}.00"})

    return {"frame and six panels": composing(six), "frame and auto panels": composing(drawn)}


def rate(draw: Callable[[int], Any], seconds: float) -> float:
    """Calls a second of `draw(i)`, after a first call that fills caches."""
    draw(0)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        draw(count % PANELS)
        count += 1
    return count / elapsed


def make_cases() -> dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]]:
    """For each panel the function that draws ours, and the one that draws the reference."""
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(PANELS, 1, 4)), dtype=torch.float32)
    actions = torch.tensor(rng.integers(0, 4, size=(PANELS, 1)))
    categoricals = [torch.distributions.Categorical(logits=x) for x in logits]
    probs = logits.softmax(-1)[:, 0].numpy()
    one_hot = np.eye(4)[actions[:, 0].numpy()]
    normals = [
        torch.distributions.Independent(torch.distributions.Normal(m, s), 1)
        for m, s in zip(torch.randn(PANELS, 1, 1), torch.rand(PANELS, 1, 1) + 0.1, strict=True)
    ]
    cells = rng.random((PANELS, 8, 8))
    curves = np.cumsum(rng.normal(size=(PANELS, 2, 100)), axis=-1)
    return {
        "action, 4 choices": (
            lambda i: render.render_action("action", actions[i], DISCRETE, dpi=DPI),
            lambda i: figure(bars, one_hot[i]),
        ),
        "distribution, 4 choices": (
            lambda i: render.render_action_distribution("dist", categoricals[i], DISCRETE, dpi=DPI),
            lambda i: figure(bars, probs[i]),
        ),
        "distribution, normal": (
            lambda i: render.render_action_distribution("dist", normals[i], CONTINUOUS, dpi=DPI),
            lambda i: figure(sampled_density, normals[i]),
        ),
        "heatmap 8x8": (
            lambda i: render.render_heatmap("heatmap", cells[i], vmin=0, vmax=1, dpi=DPI),
            lambda i: figure(heatmap, cells[i]),
        ),
        "curve 2x100": (
            lambda i: render.render_curve("curve", curves[i], y_range=(-30, 30), dpi=DPI),
            lambda i: figure(lines, curves[i]),
        ),
    }


def figure(draw: Callable[[Any, Any], None], data: Any) -> np.ndarray:
    """Pixels of a figure with one plot, by way of a PNG."""
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(figsize=SIZE_INCHES)
    draw(axes, data)
    axes.set_title("panel", fontsize=7)
    axes.tick_params(labelsize=7)
    png = io.BytesIO()
    fig.savefig(png, format="png", dpi=DPI, bbox_inches="tight")
    pyplot.close(fig)
    return np.asarray(PilImage.open(png).convert("RGB"))


def bars(axes: Any, data: np.ndarray) -> None:
    """Bars with their values."""
    axes.bar_label(axes.bar(np.arange(len(data)), data), fmt="%.2f", fontsize=7)
    axes.set_ylim(0, 1)


def sampled_density(axes: Any, dist: Any) -> None:
    """A histogram of draws as a line."""
    draws = dist.sample((500,)).reshape(500).numpy()
    counts, edges = np.histogram(draws, bins=20, range=(-2, 2), density=True)
    axes.plot((edges[1:] + edges[:-1]) / 2, counts)


def heatmap(axes: Any, data: np.ndarray) -> None:
    """Cells with their values and a colour bar."""
    shown = axes.imshow(data)
    axes.figure.colorbar(shown)
    for (i, j), value in np.ndenumerate(data):
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=4)


def lines(axes: Any, data: np.ndarray) -> None:
    """Lines."""
    axes.plot(data.T)


if __name__ == "__main__":
    main()
