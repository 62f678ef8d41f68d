"""How long CartPole-v0 takes from pressing Enter to an average return of 195, seed by seed.

    python -m benchmarks.solve [--seeds 5]

Each seed is a real `alf train`, start-up included; the clock stops at the first line of
`metrics.jsonl` whose average training return reaches 195. Then `alf play` runs the last checkpoint
greedily over 100 episodes. The last line is JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONF = Path(__file__).parent.parent / "alf" / "examples" / "ac_cart_pole_conf.py"
TARGET = 195.0
EPISODES = 100


def main() -> None:
    """Run the seeds and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"seed": seed, **solve(Path(folder) / "job", seed)})
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    solved = sorted(row["seconds_to_195"] or float("inf") for row in rows)
    summary = {
        "median_seconds_to_195": solved[len(solved) // 2],
        "worst_seconds_to_195": solved[-1],
        "worst_greedy_return": min(row["greedy_return"] for row in rows),
    }
    print(json.dumps({**summary, "seeds": seeds}))


def solve(root_dir: Path, seed: int) -> dict[str, float | None]:
    """Train and play one seed."""
    start = time.perf_counter()
    command = ["train", "--root_dir", root_dir, "--conf", CONF]
    with alf(*command, f"--conf_param=TrainerConfig.random_seed={seed}") as training:
        reached = None
        while training.poll() is None:
            if reached is None and best_return(root_dir) >= TARGET:
                reached = round(time.perf_counter() - start, 2)
            time.sleep(0.02)
    check(training)
    wall = round(time.perf_counter() - start, 2)
    report = root_dir / "report.json"
    flags = ["--norender", "--num_episodes", EPISODES, "--parallel_play", 20, "--random_seed", 1000]
    with alf("play", "--root_dir", root_dir, *flags, "--report_file", report) as playing:
        playing.wait()
    check(playing)
    mean = json.loads(report.read_text())["mean_return"]
    return {"seconds_to_195": reached, "seconds_in_all": wall, "greedy_return": mean}


def best_return(root_dir: Path) -> float:
    """The best average return that training has written down so far."""
    path = root_dir / "train" / "metrics.jsonl"
    if not path.exists():
        return 0.0
    lines = path.read_text().split("\n")[:-1]  # what stands after the last newline is half written
    return max((json.loads(line).get("Metrics/AverageReturn", 0.0) for line in lines), default=0.0)


def check(process: subprocess.Popen[bytes]) -> None:
    """Stop the benchmark if a command failed."""
    if process.returncode:
        raise SystemExit(f"{process.args} failed with exit code {process.returncode}")


def alf(*args: object) -> subprocess.Popen[bytes]:
    """Start a command of alf."""
    return subprocess.Popen(
        [sys.executable, "-m", "alf", *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


if __name__ == "__main__":
    main()
