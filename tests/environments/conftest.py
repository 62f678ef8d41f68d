"""Environments whose every number is known by hand."""

import time
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces


class Countdown(gymnasium.Env[Any, Any]):
    """Observation `[t, index of episode]`; reward `t`; ends at `length` in the way of `ending`.

    `info` holds `t` (int), `half` (float) and things that are no numbers.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = spaces.Box(0, 1000, (2,), np.float64)
    action_space = spaces.Discrete(3)

    def __init__(
        self,
        length: int = 3,
        ending: str = "terminated",
        break_at: int | None = None,
        render_mode: str | None = None,
    ):
        self.length = length
        self.ending = ending
        self.break_at = break_at
        self.render_mode = render_mode
        self.t = 0
        self.episode = -1
        self.actions: list[int] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        self.episode += 1
        return np.array([0.0, self.episode]), {"name": "start"}

    def step(self, action: Any) -> Any:
        self.t += 1
        self.actions.append(int(action))
        if self.t == self.break_at:
            raise RuntimeError("the gearbox fell out")
        done = self.t >= self.length
        terminated = done and self.ending in ("terminated", "both")
        truncated = done and self.ending in ("truncated", "both")
        info = {"t": self.t, "half": self.t / 2, "name": "x", "big": np.zeros(1000), "nested": {}}
        if done:
            info["late"] = 1.0
        return np.array([float(self.t), self.episode]), float(self.t), terminated, truncated, info

    def render(self) -> Any:
        return np.full((4, 5, 3), self.t, np.uint8) if self.render_mode else None


class Noise(gymnasium.Env[Any, Any]):
    """Observation: a draw from the environment's generator; ends at random; action is ignored."""

    observation_space = spaces.Box(0, 1, (3,), np.float32)
    action_space = spaces.Box(np.array([-2, 0], np.float32), np.array([2, 1], np.float32))

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds

    def _observe(self) -> Any:
        return self.np_random.random(3).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        if self.seconds:
            time.sleep(self.seconds)
        ends = self.np_random.random() < 0.3
        stops = self.np_random.random() < 0.2
        return self._observe(), float(np.sum(action)), bool(ends), bool(stops), {}


class Echo(gymnasium.Env[Any, Any]):
    """Dict observation with an image; keeps the action that it got."""

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (8, 6, 3), np.uint8),
            "both": spaces.Tuple([spaces.Discrete(4, start=2), spaces.MultiBinary(3)]),
        }
    )

    def __init__(self, action_space: spaces.Space[Any]):
        self.action_space = action_space
        self.got: Any = None

    def _observe(self) -> Any:
        image = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)
        return {"image": image, "both": (np.int64(5), np.array([1, 0, 1], np.int8))}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action: Any) -> Any:
        self.got = action
        return self._observe(), 0.0, False, False, {}


@pytest.fixture
def tiny() -> SimpleNamespace:
    """The classes above: test modules do not import each other."""
    return SimpleNamespace(Countdown=Countdown, Noise=Noise, Echo=Echo)
