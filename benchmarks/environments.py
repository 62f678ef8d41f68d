"""Environment steps per second: `python -m benchmarks.environments`.

Ours are measured to the time step of tensors; gymnasium's own vector environment to its arrays.
The last line is the same as JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import torch

from alf.environments import suite_gym
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.creation import create_environment
from alf.environments.process_environment import ProcessEnvironment
from alf.metrics import StandardMetrics


def steps_per_second(step: Callable[[], Any], batch_size: int, seconds: float) -> float:
    """The best of three runs of a third of the time each."""
    for _ in range(5):
        step()
    best = 0.0
    for _ in range(3):
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds / 3:
            step()
            count += 1
        best = max(best, count * batch_size / (time.perf_counter() - start))
    return best


def measure(env: AlfEnvironment, seconds: float) -> float:
    """Of one of our batches."""
    with env:
        env.reset()
        size = env.batch_size
        action = env.action_spec().zeros((size,))
        return steps_per_second(lambda: env.step(action), size, seconds)


def bare(name: str, batch_size: int, mode: str, seconds: float) -> float:
    """Of gymnasium's own vector environment."""
    env = gymnasium.make_vec(name, num_envs=batch_size, vectorization_mode=mode)
    env.reset(seed=0)
    action = env.action_space.sample()
    rate = steps_per_second(lambda: env.step(action), batch_size, seconds)
    env.close()
    return rate


def in_process(name: str, batch_size: int) -> AlfEnvironment:
    """A batch stepped in a loop, also where gymnasium has a vectorised implementation."""
    wrapped = partial(suite_gym.load, gym_env_wrappers=[lambda env: env])
    return create_environment(
        name, wrapped, num_parallel_environments=batch_size, nonparallel=True, seed=0
    )


def in_workers(name: str, batch_size: int) -> AlfEnvironment:
    """A batch in workers."""
    ctors = [partial(suite_gym.load, name, i) for i in range(batch_size)]
    return ProcessEnvironment(ctors, seed=0)


def cost_of_metrics(batch_size: int) -> float:
    """Microseconds of `StandardMetrics` for a time step amid an episode."""
    env = create_environment("CartPole-v1", num_parallel_environments=batch_size, seed=0)
    metrics = StandardMetrics(env.reset())
    middle = env.step(torch.zeros(batch_size, dtype=torch.int64))
    return 1e6 / steps_per_second(lambda: metrics(middle), 1, 0.6)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.9, help="for each figure")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 8, 64, 1024])
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for size in args.sizes:
        make = partial(create_environment, num_parallel_environments=size, seed=0)
        figures = {
            "CartPole": measure(make("CartPole-v1"), args.seconds),
            "CartPole loop": measure(in_process("CartPole-v1", size), args.seconds),
            "gym CartPole": bare("CartPole-v1", size, "vector_entry_point", args.seconds),
            "gym CartPole sync": bare("CartPole-v1", size, "sync", args.seconds),
            "Pendulum": measure(make("Pendulum-v1"), args.seconds),
            "gym Pendulum sync": bare("Pendulum-v1", size, "sync", args.seconds),
            "metrics us": cost_of_metrics(size),
        }
        if size <= 64:
            figures["Pendulum workers"] = measure(in_workers("Pendulum-v1", size), args.seconds)
        if size <= 8:  # one process an environment
            figures["gym Pendulum async"] = bare("Pendulum-v1", size, "async", args.seconds)
        rows.append({"batch_size": size, **figures})
        print(f"B={size}")
        for name, figure in figures.items():
            print(f"  {name:20} {figure:12,.0f}" + (" steps/s" if "us" not in name else ""))
    print(json.dumps({"environments": rows}))


if __name__ == "__main__":
    main()
