"""What a long recorded play takes in memory over a short one: all recordings at once.

    python -m benchmarks.play_memory [--long 100000] [--short 1000] [--panels]

Plays one episode of each length by real `alf play` commands that record mp4, gif, html and npz,
and reads the highest resident memory of each process until its end. The last line is JSON;
`growth_mb` is the difference. Exits with 1 if that is above `--limit_mb`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

CONF = '''
"""A policy in an environment without end, whose picture is a moving bar."""

from functools import partial

import gymnasium
import numpy as np

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm


class Endless(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action):
        self.steps += 1
        seen = np.sin(np.arange(1, 5) * self.steps / 50).astype(np.float32)
        return seen, 1.0, False, False, {}

    def render(self):
        frame = np.full((48, 304, 3), 230, np.uint8)
        frame[:, self.steps % 280 :][:, :24] = (40, 110, 200)
        return frame


gymnasium.register("Endless-v0", entry_point=Endless)
alf.config(
    "create_environment", env_name="Endless-v0", num_parallel_environments=1, nonparallel=True
)
alf.config("suite_gym.load", max_episode_steps=50)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    unroll_length=4,
    num_iterations=1,
    num_checkpoints=1,
    random_seed=1,
)
'''

# `VmHWM` counts for this program alone; what `getrusage` says is handed down by the parent.
PLAY = """
import re, sys
from pathlib import Path
from alf.bin.play import main
code = main(sys.argv[1:])
status = Path("/proc/self/status").read_text()
print("peak", re.search(r"VmHWM:\\s*(\\d+) kB", status)[1])
sys.exit(code)
"""


def main() -> int:
    """Play short and long; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", type=int, default=1_000)
    parser.add_argument("--long", type=int, default=100_000)
    parser.add_argument("--limit_mb", type=float, default=50.0)
    parser.add_argument("--panels", action="store_true", help="with all panels, much slower")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job = train(Path(folder))
        short, long = (
            play(job, steps, Path(folder) / str(steps), panels=arguments.panels)
            for steps in (arguments.short, arguments.long)
        )
    growth = round(long["peak_mb"] - short["peak_mb"], 1)
    print(json.dumps({"growth_mb": growth, "short": short, "long": long}))
    return int(growth > arguments.limit_mb)


def train(folder: Path) -> Path:
    """A job, trained as briefly as can be; returns its root dir."""
    conf = folder / "endless_conf.py"
    conf.write_text(CONF)
    run("-m", "alf.bin.train", "--root_dir", folder / "job", "--conf", conf)
    return folder / "job"


def play(job: Path, steps: int, folder: Path, *, panels: bool) -> dict[str, float]:
    """Record one episode of so many steps; returns what it took."""
    record = [f"--record_file={folder / 'play'}.{suffix}" for suffix in SUFFIXES]
    limit = f"--conf_param=suite_gym.load.max_episode_steps={steps}"
    flags = ["--root_dir", job, "--num_episodes", "1", "--norender", limit, *record]
    started = time.perf_counter()
    said = run("-c", PLAY, *flags, *(["--alg_render"] if panels else []))
    seconds = time.perf_counter() - started
    if f"{steps + 1} frames" not in said:
        sys.exit(f"not every step was recorded:\n{said}")
    peak = int(said.split()[-1]) / 1e3
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(f"{steps} steps: {peak:.1f} MB at most, {size:.1f} MB of files, {seconds:.0f} s")
    return {"steps": steps, "peak_mb": round(peak, 1), "seconds": round(seconds, 1)}


SUFFIXES = ("mp4", "gif", "html", "npz")


def run(*argv: object) -> str:
    """Run Python without a display; returns what it printed."""
    kept = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    done = subprocess.run(
        [sys.executable, *map(str, argv)],
        cwd=REPOSITORY,
        env={**kept, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nexit code {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
