"""How training speed changes as work grows: `python -m benchmarks.scaling [--picture x.png]`.

Real `alf train` jobs of `benchmarks/training_confs/a2c_conf.py` and `ppo_conf.py` on one thread, by
the number of environments and by the width of the networks' two hidden layers; environment steps a
second, updates included, start-up not counted. The last line is JSON.
"""

import argparse
import json
import tempfile
from pathlib import Path

import matplotlib
from matplotlib import pyplot

from benchmarks.training import CONFS, alf

ENVIRONMENTS = (1, 8, 64, 512, 4096)
WIDTHS = (64, 128, 256, 512, 1024)
AT_ENVIRONMENTS, AT_WIDTH = 64, 64
UNROLL = 8
_COLORS = {"a2c": "#2a6fbb", "ppo": "#c8553d"}


def main() -> None:
    """Run the jobs and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each job runs")
    parser.add_argument("--picture", type=Path, help="write the two curves here")
    args = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = {}
    for task in _COLORS:
        figures[task] = {
            "environments": [speed(task, n, AT_WIDTH, args.seconds) for n in ENVIRONMENTS],
            "widths": [speed(task, AT_ENVIRONMENTS, w, args.seconds) for w in WIDTHS],
        }
        print(task, figures[task], flush=True)
    if args.picture is not None:
        draw(figures, args.picture)
    print(json.dumps({"environments": ENVIRONMENTS, "widths": WIDTHS, **figures}))


def speed(task: str, environments: int, width: int, seconds: float) -> float:
    """Environment steps a second of one job: a short one tells how long the next is to be."""
    rate = train(task, environments, width, iterations=4)
    iterations = int(rate * seconds / (environments * UNROLL))
    return round(train(task, environments, width, max(iterations, 4)))


def train(task: str, environments: int, width: int, iterations: int) -> float:
    """Environment steps a second."""
    batch = environments * UNROLL
    params: dict[str, object] = {
        "create_environment.num_parallel_environments": environments,
        "ActorDistributionNetwork.fc_layer_params": (width, width),
        "ValueNetwork.fc_layer_params": (width, width),
        "TrainerConfig.unroll_length": UNROLL,
        "TrainerConfig.num_iterations": iterations,
        "TrainerConfig.num_checkpoints": 0,
        "TrainerConfig.fingerprint_steps": 0,
        "TrainerConfig.summarize_first_interval": False,
    }
    if task == "ppo":
        params |= {"TrainerConfig.mini_batch_size": max(batch // 4, 8)}
        params |= {"TrainerConfig.num_updates_per_train_iter": 4}
    with tempfile.TemporaryDirectory() as folder:
        root_dir = Path(folder) / "job"
        alf(
            *("train", "--root_dir", root_dir, "--conf", CONFS / f"{task}_conf.py"),
            "--nostore_snapshot",
            *(f"--conf_param={name}={value}" for name, value in params.items()),
        )
        return json.loads((root_dir / "train" / "result.json").read_text())["steps_per_s"]


def draw(figures: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Both curves side by side, both axes logarithmic."""
    matplotlib.use("Agg")
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    panels = (
        (axes[0], "environments", ENVIRONMENTS, f"environments (hidden layers of {AT_WIDTH})"),
        (
            axes[1],
            "widths",
            WIDTHS,
            f"width of hidden layers ({AT_ENVIRONMENTS} environments)",
        ),
    )
    for ax, key, ticks, label in panels:
        for task, color in _COLORS.items():
            values = figures[task][key]
            ax.loglog(ticks, values, "o-", color=color, label=task.upper())
            for at, below in ((0, values[0] < values[-1]), (-1, values[0] > values[-1])):
                place = (ticks[at], values[at])
                ax.annotate(f"{values[at]:,.0f}", place, (0, -14 if below else 6), **_TEXT)
        ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
        ax.minorticks_off()
        ax.set_xlabel(label)
        ax.grid(visible=True, alpha=0.25)
        ax.margins(0.12)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("environment steps a second")
    axes[0].legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=150)


_TEXT = {"textcoords": "offset points", "ha": "center", "fontsize": 8}


if __name__ == "__main__":
    main()
