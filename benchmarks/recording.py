"""What panels cost a recorded play: the same play without panels, with two, and with all, in turn.

    python -m benchmarks.recording [--rounds 3]

Trains `ac_render_conf`, then records whole episodes of CartPole to mp4 by real `alf play`
commands. The last line is JSON; `ratio` is the frames per second with the two panels that the
policy draws itself over those without, `ratio_all` with those that are drawn for it too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CONF = Path(__file__).parent.parent / "alf" / "examples" / "tutorial" / "ac_render_conf.py"


def main() -> None:
    """Train once, then record in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        alf("train", "--root_dir", job, "--conf", CONF)
        rates: dict[str, list[float]] = {"plain": [], "two": [], "all": []}
        for _ in range(rounds):
            rates["plain"].append(record(job))
            rates["two"].append(record(job, "--alg_render", "--conf_param=PanelSettings.kinds=()"))
            rates["all"].append(record(job, "--alg_render"))
            print(", ".join(f"{k} {v[-1]:.0f} frames/s" for k, v in rates.items()), flush=True)
    medians = {name: round(statistics.median(rate), 1) for name, rate in rates.items()}
    ratios = {
        key: round(
            statistics.median(b / a for a, b in zip(rates["plain"], rates[name], strict=True)), 3
        )
        for key, name in (("ratio", "two"), ("ratio_all", "all"))
    }
    print(json.dumps({**medians, **ratios}))


def record(job: Path, *flags: str) -> float:
    """Frames per second of one recorded play, imports not counted."""
    report = job.parent / "report.json"
    out = ["--record_file", job.parent / "play.mp4", "--report_file", report]
    alf("play", "--root_dir", job, "--num_episodes", 3, "--random_seed", 1, *out, *flags)
    return json.loads(report.read_text())["steps_per_s"]


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
