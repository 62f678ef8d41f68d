"""SAC and PPO on HalfCheetah-v5, ours against stable-baselines3: `python -m benchmarks.mujoco`.

Needs `pip install -e '.[bench,mujoco]'`. Both train with the settings of `sac_half_cheetah_conf`
and `ppo_half_cheetah_conf`, for the same number of steps, one after the other on one thread; then
the greedy policy plays 10 episodes, the same on both sides. Ours is a real `alf train`. The last
lines are the means over the seeds with their standard errors, and JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from benchmarks.box2d import Row, alf, children_seconds, mean_and_error, row

EXAMPLES = Path(__file__).parent.parent / "alf" / "examples"
ENV_NAME = "HalfCheetah-v5"
EPISODES = 10
PLAY_SEED = 1000
PPO_ENVIRONMENTS, PPO_UNROLL = 8, 256
SAC_INITIAL_STEPS = 10_000


def main() -> None:
    """Run the seeds and print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithm", choices=["sac", "ppo"], default="ppo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="default 100 000 for SAC, 301 056 for PPO")
    args = parser.parse_args()
    torch.set_num_threads(1)
    steps = args.steps or {"sac": 100_000, "ppo": 301_056}[args.algorithm]
    rows: dict[str, list[Row]] = {"ours": [], "stable-baselines3": []}
    for seed in args.seeds:
        for name, run in (("ours", ours), ("stable-baselines3", stable_baselines3)):
            rows[name].append({"seed": seed, **run(args.algorithm, seed, steps)})
            print(name, "  ".join(f"{k} {v}" for k, v in rows[name][-1].items()), flush=True)
    for name, runs in rows.items():
        print(name, "mean", mean_and_error([run["greedy_return"] for run in runs]))
    print(json.dumps({"algorithm": args.algorithm, "steps": steps, **rows}))


def ours(algorithm: str, seed: int, steps: int) -> Row:
    """Train and play with the commands of alf."""
    iterations = steps - SAC_INITIAL_STEPS
    if algorithm == "ppo":
        iterations = steps // (PPO_ENVIRONMENTS * PPO_UNROLL)
    with tempfile.TemporaryDirectory() as folder:
        root_dir, report = Path(folder) / "job", Path(folder) / "report.json"
        settings = {"random_seed": seed, "num_iterations": iterations}
        params = [f"--conf_param=TrainerConfig.{name}={value}" for name, value in settings.items()]
        conf = EXAMPLES / f"{algorithm}_half_cheetah_conf.py"
        started = children_seconds()
        alf("train", "--nostore_snapshot", "--root_dir", root_dir, "--conf", conf, *params)
        cpu = children_seconds() - started
        result = json.loads((root_dir / "train" / "result.json").read_text())
        episodes = ["--num_episodes", EPISODES, "--random_seed", PLAY_SEED]
        flags = ["--norender", "--parallel_play", EPISODES, "--report_file", report]
        alf("play", "--root_dir", root_dir, *episodes, *flags)
        played = json.loads(report.read_text())["mean_return"]
    return row(played, result["wall_s"], cpu, result["env_steps"])


def stable_baselines3(algorithm: str, seed: int, steps: int) -> Row:
    """Train and play with the same settings; what is not named here is the default of both."""
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import VecNormalize

    played_in: Any = make_vec_env(ENV_NAME, n_envs=EPISODES, seed=PLAY_SEED)
    model = (sac_model if algorithm == "sac" else ppo_model)(seed)
    start, started = time.perf_counter(), time.process_time()
    model.learn(steps)
    wall, cpu = time.perf_counter() - start, time.process_time() - started
    trained_in = model.get_vec_normalize_env()
    if trained_in is not None:
        played_in = VecNormalize(played_in, training=False, norm_reward=False)
        played_in.obs_rms = trained_in.obs_rms
    played, _ = evaluate_policy(model, played_in, n_eval_episodes=EPISODES, deterministic=True)
    return row(float(np.mean(played)), wall, cpu, model.num_timesteps)


def sac_model(seed: int) -> Any:
    """SAC as `sac_half_cheetah_conf` has it."""
    from stable_baselines3 import SAC

    env = gymnasium.make(ENV_NAME)
    return SAC("MlpPolicy", env, learning_starts=SAC_INITIAL_STEPS, seed=seed, device="cpu")


def ppo_model(seed: int) -> Any:
    """PPO as `ppo_half_cheetah_conf` has it."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    env = make_vec_env(
        ENV_NAME,
        n_envs=PPO_ENVIRONMENTS,
        seed=seed,
        env_kwargs={"render_mode": None},
        wrapper_class=gymnasium.wrappers.TransformReward,
        wrapper_kwargs={"func": lambda reward: 0.1 * reward},
    )
    return PPO(
        "MlpPolicy",
        VecNormalize(env, norm_reward=False),
        learning_rate=lambda progress_left: 3e-4 * progress_left,
        n_steps=PPO_UNROLL,
        batch_size=64,
        n_epochs=10,
        seed=seed,
        device="cpu",
    )


if __name__ == "__main__":
    main()
