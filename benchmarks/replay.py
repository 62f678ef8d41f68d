"""Storing and drawing transitions: `python -m benchmarks.replay`.

Full buffers of stable-baselines3's default size, batches of 256 transitions of CartPole-v1 and
Pendulum-v1. One cycle stores one row (a step of each environment) and draws one batch; the figures
are the best of several runs, all taken in turn. `out` draws into the memory of the batch before, as
training does. On a machine that does other work too, costs and ratios are larger than on a quiet
one: caches are shared, and the operations that touch the most memory lose most. The last line is
JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch

from alf.data_structures import TimeStep
from alf.nest import map_structure
from alf.replay import PrioritizedReplayBuffer, ReplayBuffer, SampledBatch

BATCH = 256
RUN_MICROSECONDS = 500.0
SPACES = {
    "CartPole-v1": (4, gymnasium.spaces.Discrete(2)),
    "Pendulum-v1": (3, gymnasium.spaces.Box(-2.0, 2.0, (1,))),
}
Operations = dict[str, Callable[[], Any]]


def ours(buffer: ReplayBuffer, name: str) -> Operations:
    """Store and draw with one of our buffers, filled."""
    size, action_space = SPACES[name]
    batch = buffer.num_environments
    discrete = isinstance(action_space, gymnasium.spaces.Discrete)
    step = TimeStep(
        step_type=torch.ones(batch, dtype=torch.int32),
        reward=torch.rand(batch),
        discount=torch.ones(batch),
        observation=torch.rand(batch, size),
        prev_action=torch.zeros(batch, dtype=torch.int64) if discrete else torch.rand(batch, 1),
        env_id=torch.arange(batch, dtype=torch.int32),
    )
    fill(buffer, step)
    last: list[SampledBatch] = [buffer.sample(BATCH, 2)]

    def draw_out() -> None:
        last[0] = buffer.sample(BATCH, 2, out=last[0])

    operations: Operations = {
        "insert": lambda: buffer.add(step),
        "sample": lambda: buffer.sample(BATCH, 2),
        "sample out": draw_out,
    }
    if isinstance(buffer, PrioritizedReplayBuffer):
        errors = torch.rand(BATCH)
        operations["update"] = lambda: buffer.update_priorities(
            last[0].env_ids, last[0].positions, errors
        )
    return operations


def fill(buffer: ReplayBuffer, step: TimeStep) -> None:
    """Store until it is full, a thousand rows at a time."""
    rows = map_structure(lambda x: x.expand(1000, *x.shape), step)
    while buffer.num_steps < buffer.max_length:
        buffer.add_rows(rows)


def stable_baselines3(name: str, num_environments: int, capacity: int) -> Operations:
    """The same with stable-baselines3's buffer."""
    from stable_baselines3.common.buffers import ReplayBuffer as TheirBuffer

    size, action_space = SPACES[name]
    space = gymnasium.spaces.Box(-1.0, 1.0, (size,))
    buffer = TheirBuffer(capacity, space, action_space, "cpu", n_envs=num_environments)
    observation = np.random.rand(num_environments, size).astype(np.float32)
    action = np.zeros((num_environments, *action_space.shape), action_space.dtype)
    reward = np.random.rand(num_environments).astype(np.float32)
    done = np.zeros(num_environments, np.float32)
    infos: list[dict[str, Any]] = [{} for _ in range(num_environments)]
    for array in (buffer.observations, buffer.next_observations, buffer.rewards, buffer.actions):
        array[:] = 1  # touched, as in a buffer in use
    buffer.full = True

    def store() -> None:
        buffer.add(observation, observation, action, reward, done, infos)

    return {"insert": store, "sample": lambda: buffer.sample(BATCH)}


def microseconds(operations: list[Operations], seconds: float) -> list[dict[str, float]]:
    """The cost of every operation alone after one another, the best of many short runs.

    All runs take about as long, whatever the operation: on a machine that does other work too, long
    ones are interrupted more often, and slow operations would look slower than they are.
    """
    best = [dict.fromkeys(each, float("inf")) for each in operations]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for each, costs in zip(operations, best, strict=True):
            for name, operation in each.items():
                count = max(2, int(RUN_MICROSECONDS / min(costs[name], RUN_MICROSECONDS)))
                start = time.perf_counter()
                for _ in range(count):
                    operation()
                costs[name] = min(costs[name], (time.perf_counter() - start) / count * 1e6)
    return best


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each table")
    parser.add_argument("--capacity", type=int, default=1_000_000, help="steps in a buffer")
    parser.add_argument("--environments", type=int, nargs="+", default=[1, 8])
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    try:
        import stable_baselines3 as theirs
    except ImportError:
        raise SystemExit("stable-baselines3 is missing: pip install 'alf[bench]'") from None
    rows: list[dict[str, Any]] = []
    for name in SPACES:
        for count in args.environments:
            length = args.capacity // count
            costs = microseconds(
                [
                    stable_baselines3(name, count, args.capacity),
                    ours(ReplayBuffer(count, length), name),
                    ours(PrioritizedReplayBuffer(count, length), name),
                ],
                args.seconds,
            )
            rows.append({"task": name, "environments": count, **compared(*costs)})
            print(f"{name}, {count} environment(s), microseconds")
            for title, figures in zip(("SB3", "alf", "alf prioritized"), costs, strict=True):
                print(f"  {title:16}" + "  ".join(f"{k} {v:6.1f}" for k, v in figures.items()))
            for key, value in compared(*costs).items():
                print(f"  {key:44} {value:5.2f}")
    print(json.dumps({"replay": rows, "stable_baselines3": theirs.__version__}))


def compared(
    sb3: dict[str, float], uniform: dict[str, float], prioritized: dict[str, float]
) -> dict[str, float]:
    """The ratios that count."""
    theirs = sb3["insert"] + sb3["sample"]
    ratios = {
        "SB3 / alf, insert + sample": theirs / (uniform["insert"] + uniform["sample out"]),
        "SB3 / alf, insert + sample, new memory": theirs / (uniform["insert"] + uniform["sample"]),
        "prioritized / uniform, insert + sample": (
            (prioritized["insert"] + prioritized["sample out"])
            / (uniform["insert"] + uniform["sample out"])
        ),
        "prioritized / uniform, sample": prioritized["sample"] / uniform["sample"],
        "prioritized / uniform, sample out": prioritized["sample out"] / uniform["sample out"],
    }
    return {name: round(ratio, 2) for name, ratio in ratios.items()}


if __name__ == "__main__":
    main()
