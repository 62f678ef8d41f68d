"""How long one waits before anything happens: imports, help, listings, and a job of one iteration.

    python -m benchmarks.startup [--rounds 5]

Each is a process of its own, from its start to its end, in turn; medians in seconds. Peers are
measured where they are installed. The last line is JSON.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONF = Path(__file__).parent.parent / "alf" / "examples" / "ac_cart_pole_conf.py"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        found = {name: [] for name in commands(Path(folder), 0)}
        seconds(commands(Path(folder), -1)["one iteration"])  # fills the file system's cache
        for number in range(rounds):
            for name, command in commands(Path(folder), number).items():
                found[name].append(seconds(command))
    medians = {name: round(statistics.median(times), 3) for name, times in found.items()}
    for name, median in medians.items():
        print(f"{name:<28}{median:>8.3f} s")
    print(json.dumps({"benchmark": "startup", "seconds": medians}))


def commands(folder: Path, number: int) -> dict[str, list[str]]:
    """What is measured, by name; each round trains a job of its own."""
    python, alf = [sys.executable, "-c"], [sys.executable, "-m", "alf"]
    job, first = folder / f"job{number}", folder / "job-1"
    short = "--conf_param=TrainerConfig.num_iterations=1"
    found = {
        "python": [*python, ""],
        "import alf": [*python, "import alf"],
        "import torch": [*python, "import torch"],
        "alf train --help": [*alf, "train", "--help"],
        "one iteration": [*alf, "train", "--root_dir", str(job), "--conf", str(CONF), short],
        "alf snapshot list": [*alf, "snapshot", "list", "--root_dir", str(first)],
        "alf config show": [*alf, "config", "show", str(first)],
    }
    for peer in ("stable_baselines3", "sbx"):
        if importlib.util.find_spec(peer) is not None:
            found[f"import {peer}"] = [*python, f"import {peer}"]
    return found


def seconds(command: list[str]) -> float:
    """How long a command takes."""
    start = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
