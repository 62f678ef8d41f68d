"""Train one peer on one task of `benchmarks.training`; the last line is JSON.

    python -m benchmarks.training_peers {sb3,sbx,loop} {a2c,ppo,ppowide,sac,dqn} [--scale 1]

`loop` is a loop written by hand for its task, with nothing in it but torch and Gymnasium's vector
environment: what eager PyTorch can reach on this machine.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

TASKS: dict[str, dict[str, Any]] = {
    "a2c": {
        "env": "CartPole-v1", "envs": 8, "unroll": 8, "gamma": 0.98, "lambda": 1.0, "lr": 1e-3,
        "hidden": [64, 64], "steps": 60_000,
    },
    "ppo": {
        "env": "CartPole-v1", "envs": 8, "unroll": 32, "batch": 256, "epochs": 20, "gamma": 0.98,
        "lambda": 0.8, "lr": 1e-3, "hidden": [64, 64], "steps": 100_000,
    },
    "ppowide": {
        "env": "CartPole-v1", "envs": 1024, "unroll": 16, "batch": 4096, "epochs": 4, "gamma": 0.98,
        "lambda": 0.8, "lr": 1e-3, "hidden": [64, 64], "steps": 1_000_000,
    },
    "sac": {
        "env": "Pendulum-v1", "envs": 1, "batch": 256, "gamma": 0.99, "lr": 1e-3, "start": 100,
        "hidden": [256, 256], "steps": 5_000,
    },
    "dqn": {
        "env": "CartPole-v1", "envs": 1, "batch": 64, "gamma": 0.99, "lr": 2.3e-3, "start": 1_000,
        "hidden": [256, 256], "steps": 20_000,
    },
}  # fmt: skip
EPISODES = 20
PLAY_SEED = 10_000
Act = Callable[[np.ndarray], Any]


def main() -> None:
    """Train, play, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("peer", choices=["sb3", "sbx", "loop"])
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    task: dict[str, Any] = {**TASKS[args.task]}
    task["steps"] = int(task["steps"] * args.scale)
    if args.peer == "loop":
        from benchmarks.training_loop import train_by_hand

        steps, wall, act = train_by_hand(args.task, task, args.seed)
    else:
        warnings.filterwarnings("ignore")
        steps, wall, act = library(args.peer, args.task, task, args.seed)
    rate, mean = round(steps / wall, 1), round(mean_return(task["env"], act), 1)
    print(json.dumps({"steps_per_s": rate, "return": mean}))


def library(peer: str, name: str, task: dict[str, Any], seed: int) -> tuple[int, float, Act]:
    """Train with stable-baselines3 or sbx: steps, seconds, greedy policy."""
    from stable_baselines3.common.env_util import make_vec_env

    env = make_vec_env(task["env"], n_envs=task["envs"], seed=seed)
    algorithm = {"a2c": "A2C", "sac": "SAC", "dqn": "DQN"}.get(name, "PPO")
    settings = {"seed": seed, "gamma": task["gamma"], "learning_rate": task["lr"]}
    settings |= off_policy(name, task) if name in ("sac", "dqn") else on_policy(peer, name, task)
    if peer == "sbx":
        import sbx

        model = getattr(sbx, algorithm)("MlpPolicy", env, **settings)
    else:
        import stable_baselines3

        model = getattr(stable_baselines3, algorithm)("MlpPolicy", env, device="cpu", **settings)
    start = time.perf_counter()
    model.learn(task["steps"])
    wall = time.perf_counter() - start
    return model.num_timesteps, wall, lambda seen: model.predict(seen, deterministic=True)[0]


def on_policy(peer: str, name: str, task: dict[str, Any]) -> dict[str, Any]:
    """Settings of A2C and PPO."""
    hidden = task["hidden"]
    if peer == "sbx":
        import flax.linen

        policy: dict[str, Any] = {"net_arch": hidden, "activation_fn": flax.linen.tanh}
    else:
        import torch

        policy = {"net_arch": {"pi": hidden, "vf": hidden}, "activation_fn": torch.nn.Tanh}
    settings = {
        "n_steps": task["unroll"],
        "gae_lambda": task["lambda"],
        "ent_coef": 0.0,
        "policy_kwargs": policy,
    }
    if name == "a2c":
        return settings | {"use_rms_prop": False}
    return settings | {"batch_size": task["batch"], "n_epochs": task["epochs"], "clip_range": 0.2}


def off_policy(name: str, task: dict[str, Any]) -> dict[str, Any]:
    """Settings of SAC and DQN."""
    settings = {
        "batch_size": task["batch"],
        "learning_starts": task["start"],
        "buffer_size": 100_000,
        "policy_kwargs": {"net_arch": task["hidden"]},
    }
    if name == "sac":
        return settings | {"train_freq": 1, "gradient_steps": 1, "tau": 0.005}
    return settings | {
        "train_freq": 4,
        "gradient_steps": 1,
        "target_update_interval": 500,
        "exploration_fraction": 0.2,
    }


def mean_return(env_name: str, act: Act) -> float:
    """The greedy return, averaged over 20 episodes, the same for everybody."""
    env, returns = gymnasium.make(env_name), []
    for episode in range(EPISODES):
        seen, _ = env.reset(seed=PLAY_SEED + episode)
        total, is_over = 0.0, False
        while not is_over:
            seen, reward, terminated, truncated, _ = env.step(act(seen))
            total, is_over = total + float(reward), terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


if __name__ == "__main__":
    main()
