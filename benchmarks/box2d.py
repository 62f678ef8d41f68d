"""PPO on LunarLander-v3, ours against stable-baselines3: `python -m benchmarks.box2d`.

Needs `pip install -e '.[bench,box2d]'`. Both train with the settings of `ppo_lunar_lander_conf`,
for the same number of steps, one after the other on one thread; then the greedy policy plays 20
episodes, the same on both sides. Ours is a real `alf train`. Seconds are those of the training
loop; the processor's include, for ours, the start of the process. The last lines are the means over
the seeds with their standard errors, and JSON.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch

CONF = Path(__file__).parent.parent / "alf" / "examples" / "ppo_lunar_lander_conf.py"
ENVIRONMENTS = 16
UNROLL_LENGTH = 256
EPISODES = 20
PLAY_SEED = 1000
Row = dict[str, float]


def main() -> None:
    """Run the seeds and print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=98)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, list[Row]] = {"ours": [], "stable-baselines3": []}
    for seed in args.seeds:
        for name, run in (("ours", ours), ("stable-baselines3", stable_baselines3)):
            row = {"seed": seed, **run(seed, args.iterations)}
            rows[name].append(row)
            print(name, "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    for name, runs in rows.items():
        print(name, "mean", mean_and_error([run["greedy_return"] for run in runs]))
    print(json.dumps({"steps": args.iterations * ENVIRONMENTS * UNROLL_LENGTH, **rows}))


def ours(seed: int, iterations: int) -> Row:
    """Train and play with the commands of alf."""
    with tempfile.TemporaryDirectory() as folder:
        root_dir = Path(folder) / "job"
        settings = {"random_seed": seed, "num_iterations": iterations}
        params = [f"--conf_param=TrainerConfig.{name}={value}" for name, value in settings.items()]
        started = children_seconds()
        alf("train", "--root_dir", root_dir, "--conf", CONF, *params)
        cpu = children_seconds() - started
        result = json.loads((root_dir / "train" / "result.json").read_text())
        report = Path(folder) / "report.json"
        episodes = ["--num_episodes", EPISODES, "--random_seed", PLAY_SEED]
        flags = ["--norender", "--parallel_play", EPISODES, "--report_file", report]
        alf("play", "--root_dir", root_dir, *episodes, *flags)
        played = json.loads(report.read_text())["mean_return"]
    return row(played, result["wall_s"], cpu, result["env_steps"])


def stable_baselines3(seed: int, iterations: int) -> Row:
    """Train and play with the same settings; what is not named here is the default of both."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    env = make_vec_env(
        "LunarLander-v3",
        n_envs=ENVIRONMENTS,
        seed=seed,
        # Else it makes environments that can draw, which makes each step three times as dear.
        env_kwargs={"render_mode": None},
        wrapper_class=gymnasium.wrappers.TransformReward,
        wrapper_kwargs={"func": lambda reward: 0.05 * reward},
    )
    model = PPO(
        "MlpPolicy",
        env,
        learning_rate=lambda progress_left: 1e-3 * progress_left,
        n_steps=UNROLL_LENGTH,
        batch_size=128,
        n_epochs=4,
        gamma=0.995,
        gae_lambda=0.98,
        ent_coef=0.01,
        seed=seed,
        device="cpu",
    )
    start, started = time.perf_counter(), time.process_time()
    model.learn(iterations * ENVIRONMENTS * UNROLL_LENGTH)
    wall, cpu = time.perf_counter() - start, time.process_time() - started
    env = make_vec_env("LunarLander-v3", n_envs=EPISODES, seed=PLAY_SEED)
    played, _ = evaluate_policy(model, env, n_eval_episodes=EPISODES, deterministic=True)
    return row(float(np.mean(played)), wall, cpu, model.num_timesteps)


def row(greedy_return: float, wall: float, cpu: float, steps: int) -> Row:
    """The figures of one run."""
    return {
        "greedy_return": round(greedy_return, 1),
        "seconds": round(wall, 1),
        "processor_seconds": round(cpu, 1),
        "steps_per_second": round(steps / wall),
    }


def mean_and_error(values: list[float]) -> str:
    """The mean of independent runs, and how far it may be off: its standard error."""
    if len(values) == 1:
        return f"{values[0]:.1f}"
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.1f} +- {error:.1f}"


def children_seconds() -> float:
    """Processor time of the processes that this one has started and waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def alf(*args: object) -> None:
    """Run a command of alf; an error ends the benchmark."""
    subprocess.run(
        [sys.executable, "-m", "alf", *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )


if __name__ == "__main__":
    main()
