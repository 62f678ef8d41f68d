"""Small worlds that are learnt in seconds, and a trainer for them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from alf.environments.alf_environment import AlfEnvironment
from alf.environments.creation import create_environment
from alf.player.episodes import evaluate_episodes
from alf.trainers.policy_trainer import Trainer
from alf.trainers.random_states import seed_everything
from alf.trainers.trainer_config import TrainerConfig

_BATCH_SIZE = 16


class Identity(gymnasium.Env[Any, Any]):
    """Do what you see, 8 times: the best return is 8.

    A discrete one shows one of four numbers as a one-hot vector and gives 1 for the same action;
    a continuous one shows a number in `[-1, 1]` and gives 1 minus the squared distance.
    """

    def __init__(self, discrete: bool):
        self.action_space = spaces.Discrete(4) if discrete else spaces.Box(-1, 1, (1,), np.float32)
        self.observation_space = spaces.Box(-1, 1, (4 if discrete else 1,), np.float32)
        self._discrete = discrete
        self._shown: Any = 0
        self._t = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._t = 0
        return self._show(), {}

    def step(self, action: Any) -> Any:
        if self._discrete:
            reward = float(action == self._shown)
        else:
            reward = 1.0 - float((action[0] - self._shown) ** 2)
        self._t += 1
        return self._show(), reward, self._t == 8, False, {}

    def _show(self) -> Any:
        if self._discrete:
            self._shown = self.np_random.integers(4)
            return np.eye(4, dtype=np.float32)[self._shown]
        self._shown = self.np_random.uniform(-1, 1)
        return np.array([self._shown], np.float32)


class Aim(gymnasium.Env[Any, Any]):
    """Choose the target that you see and meet its number, 8 times: the best return is 8.

    One of three targets is shown as a one-hot vector, and where to hit it as a number in
    `[-1, 1]`. The right choice gives 1 minus the squared distance of the amount from that number,
    for target 1 from its negative; a wrong choice gives 0, however good the amount.
    """

    observation_space = spaces.Box(-1, 1, (4,), np.float32)

    def __init__(self):
        self.action_space = spaces.Dict(
            choice=spaces.Discrete(3), amount=spaces.Box(-1, 1, (1,), np.float32)
        )
        self._target = 0
        self._number = 0.0
        self._t = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._t = 0
        return self._show(), {}

    def step(self, action: Any) -> Any:
        reward = 0.0
        if action["choice"] == self._target:
            wanted = -self._number if self._target == 1 else self._number
            reward = 1.0 - float((action["amount"][0] - wanted) ** 2)
        self._t += 1
        return self._show(), reward, self._t == 8, False, {}

    def _show(self) -> Any:
        self._target = int(self.np_random.integers(3))
        self._number = self.np_random.uniform(-1, 1)
        return np.array([*np.eye(3)[self._target], self._number], np.float32)


class Salary(gymnasium.Env[Any, Any]):
    """Reward 1 a step for 5 steps, whatever is done.

    Where the time limit stops it, one moment is like another, and so is what is observed. Where it
    really ends, the observation tells the time as a one-hot vector.
    """

    action_space = spaces.Discrete(2)

    def __init__(self, ends: bool):
        self.observation_space = spaces.Box(0, 1, (6 if ends else 1,), np.float32)
        self._ends = ends
        self._t = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._t = 0
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        self._t += 1
        done = self._t == 5
        return self._observe(), 1.0, done and self._ends, done and not self._ends, {}

    def _observe(self) -> Any:
        if self._ends:
            return np.eye(6, dtype=np.float32)[self._t]
        return np.ones(1, np.float32)


class Recall(gymnasium.Env[Any, Any]):
    """Do for 4 steps what the first one showed: the best return is 4, without a memory 2.5."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self):
        self._shown = 0
        self._t = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._shown, self._t = int(self.np_random.integers(2)), 0
        return np.eye(2, dtype=np.float32)[self._shown], {}

    def step(self, action: Any) -> Any:
        self._t += 1
        reward = float(action == self._shown)
        return np.zeros(2, np.float32), reward, self._t == 4, False, {}


WORLDS: dict[str, Callable[[], gymnasium.Env[Any, Any]]] = {
    "discrete identity": lambda: Identity(discrete=True),
    "continuous identity": lambda: Identity(discrete=False),
    "aim": Aim,
    "recall": Recall,
    "salary to the end": lambda: Salary(ends=True),
    "salary to the limit": lambda: Salary(ends=False),
}


def make_world(name: str, seed: int) -> AlfEnvironment:
    """A batch of one of `WORLDS`."""
    return create_environment(
        env_name=name,
        env_load_fn=lambda name: WORLDS[name](),
        num_parallel_environments=_BATCH_SIZE,
        nonparallel=True,
        seed=seed,
    )


@pytest.fixture
def train(tmp_path) -> Callable[..., SimpleNamespace]:
    """Train an algorithm in a world: `(name, algorithm_ctor, iterations=, seed=)`.

    Gives the `trainer`, its `config` and `env`, the `policy`, and `greedy_return()`, the average
    over 64 episodes.
    """

    def run(name: str, ctor: Any, iterations: int = 1, seed: int = 0, job: str = "job") -> Any:
        config = TrainerConfig(
            root_dir=str(tmp_path / job),
            algorithm_ctor=ctor,
            random_seed=seed,
            unroll_length=8,
            num_iterations=iterations,
            num_checkpoints=1,
        )
        env = make_world(name, seed)
        seed_everything(seed)
        trainer = Trainer(config, env, seed)
        trainer.train()
        trainer.close()
        policy = trainer.policy.eval()

        def greedy_return() -> float:
            initial = policy.initial_state(_BATCH_SIZE)
            played = evaluate_episodes(
                make_world(name, 1000), policy.predict_step, initial, 64, seed=1000
            )
            return sum(result.ret for result in played) / len(played)

        return SimpleNamespace(
            trainer=trainer, config=config, env=env, policy=policy, greedy_return=greedy_return
        )

    return run
