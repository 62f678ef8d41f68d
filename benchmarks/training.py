"""How fast training is, and what it learns, ours and a peer in turn.

    python -m benchmarks.training --task ppo --peer sb3 [--rounds 3] [--scale 1] [--compile]

Ours is a real `alf train` with the conf of the task in `benchmarks/training_confs`, which writes
summaries now and then as a long job does, and not at each of the first iterations, then a real
`alf play`; the peer is `benchmarks.training_peers` with the same hyperparameters, environments,
networks and gradient steps. Both run on one core (JAX takes all that it is let have), from the
first environment step to the last update, start-up not counted, and play 20 episodes greedily from
the same seeds. With `--compile`, the seconds that compiling took are given beside, and not counted
either: see what a long job gets by. The last line is JSON: medians over the rounds, of the ratios
too.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.training_peers import EPISODES, PLAY_SEED, TASKS

CONFS = Path(__file__).parent / "training_confs"
Row = dict[str, float]


def main() -> None:
    """Run the rounds and print a line for each run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", choices=list(TASKS), required=True)
    parser.add_argument("--peer", choices=["sb3", "sbx", "loop"], required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the task's steps")
    parser.add_argument("--compile", action="store_true", help="compile our updates")
    args = parser.parse_args()
    stay_on_one_core()
    rows: list[tuple[Row, Row]] = []
    for seed in range(args.rounds):
        ours, peer = train(args, seed), peers(args, seed)
        rows.append((ours, peer))
        print(f"seed {seed}  ours {ours}  {args.peer} {peer}", flush=True)
    summary = {
        "task": args.task,
        "peer": args.peer,
        "compile": args.compile,
        "ours_steps_per_s": median(ours["steps_per_s"] for ours, _ in rows),
        "peer_steps_per_s": median(peer["steps_per_s"] for _, peer in rows),
        "ratio": median(ours["steps_per_s"] / peer["steps_per_s"] for ours, peer in rows),
        "ours_return": median(ours["return"] for ours, _ in rows),
        "peer_return": median(peer["return"] for _, peer in rows),
    }
    print(json.dumps(summary))


def stay_on_one_core() -> None:
    """This process and those that it starts, where the system can say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def median(values: Iterable[float]) -> float:
    """Rounded to what can be told."""
    return round(statistics.median(values), 2)


def train(args: argparse.Namespace, seed: int) -> Row:
    """One run of ours."""
    task, settings = args.task, TASKS[args.task]
    steps = int(settings["steps"] * args.scale)
    per_iteration = settings["envs"] * settings.get("unroll", 4 if task == "dqn" else 1)
    iterations = max((steps - settings.get("start", 0)) // per_iteration, 1)
    with tempfile.TemporaryDirectory() as folder:
        root_dir = Path(folder) / "job"
        params = {"random_seed": seed, "num_iterations": iterations, "compile": args.compile}
        told = alf(
            *("train", "--root_dir", root_dir, "--conf", CONFS / f"{task}_conf.py"),
            *(f"--conf_param=TrainerConfig.{name}={value}" for name, value in params.items()),
        )
        report = root_dir / "report.json"
        alf(
            *("play", "--root_dir", root_dir, "--norender", "--report_file", report),
            *("--num_episodes", EPISODES, "--parallel_play", EPISODES, "--random_seed", PLAY_SEED),
        )
        result = json.loads((root_dir / "train" / "result.json").read_text())
        mean = json.loads(report.read_text())["mean_return"]
    compiling = sum(map(float, re.findall(r"Compiled the update of \w+ in ([\d.]+) s", told)))
    rate = result["env_steps"] / (result["wall_s"] - compiling)
    row = {"steps_per_s": round(rate, 1), "return": round(mean, 1)}
    return {**row, "compiling_s": round(compiling, 1)} if args.compile else row


def peers(args: argparse.Namespace, seed: int) -> Row:
    """One run of the peer."""
    command = [args.peer, args.task, "--scale", args.scale, "--seed", seed]
    told = run("benchmarks.training_peers", *command)
    return json.loads(told.stdout.splitlines()[-1])


def alf(*args: object) -> str:
    """Run a command of alf; what it printed."""
    done = run("alf", *args)
    return done.stdout + done.stderr


def run(module: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run a module on one thread."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, args)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return done


if __name__ == "__main__":
    main()
