"""An environment whose pictures tell their step, for everything that plays."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from alf.data_structures import AlgStep, StepType, TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.player.episodes import Moment, episodes, evaluate_episodes
from alf.player.results import EpisodeResult
from alf.tensor_specs import BoundedTensorSpec, TensorSpec


class PaintedEnv(AlfEnvironment):
    """Environment `b` plays episodes of `lengths[b]` steps; its picture is as bright as its step.

    Args:
        lengths: steps per episode, one list for each environment, repeated at its end.
        size: of the picture.
        truncate: whether episodes end by a time limit.
    """

    def __init__(
        self, lengths: list[list[int]], size: tuple[int, int] = (48, 64), truncate: bool = False
    ):
        spec = BoundedTensorSpec((), torch.int64, 0, 1)
        super().__init__(len(lengths), TensorSpec((1,)), spec, name="Painted")
        self._lengths = lengths
        self._size = size
        self._truncate = truncate
        self._steps = np.zeros(len(lengths), np.int64)
        self._episodes = np.zeros(len(lengths), np.int64)
        self._done = np.zeros(len(lengths), bool)
        self.seeds: list[int | None] = []
        self.actions: list[Any] = []

    def _reset(self, seed: int | None) -> TimeStep:
        self.seeds.append(seed)
        self._steps[:] = 0
        self._done[:] = False
        return self._now(np.full(self.batch_size, StepType.FIRST, np.int32))

    def _step(self, action: Any) -> TimeStep:
        self.actions.append(action)
        first = self._done.copy()
        self._steps = np.where(first, 0, self._steps + 1)
        goal = [of[e % len(of)] for of, e in zip(self._lengths, self._episodes, strict=True)]
        self._done = ~first & (self._steps >= goal)
        self._episodes += self._done
        kinds = np.where(first, StepType.FIRST, np.where(self._done, StepType.LAST, StepType.MID))
        return self._now(kinds.astype(np.int32))

    def _now(self, kinds: np.ndarray) -> TimeStep:
        batch = self.batch_size
        ends = (kinds == StepType.LAST) & (not self._truncate)
        return TimeStep(
            step_type=torch.from_numpy(kinds),
            reward=torch.from_numpy((kinds != StepType.FIRST) * self._steps).float(),
            discount=torch.from_numpy(1.0 - ends).float(),
            observation=torch.from_numpy(self._steps).float().reshape(batch, 1),
            prev_action=torch.zeros(batch, dtype=torch.int64),
            env_id=torch.arange(batch, dtype=torch.int32),
        )

    def render(self) -> np.ndarray:
        return np.full((*self._size, 3), brightness(int(self._steps[0])), np.uint8)


def brightness(step: int) -> int:
    """The grey of the picture of a step; far enough apart to survive a lossy film."""
    return 20 + 12 * step


def count_up(time_step: TimeStep, state: Any) -> AlgStep:
    """A policy that counts in its state, and shows the count in its info."""
    count = state + 1
    return AlgStep(output=(count % 2).reshape(-1), state=count, info={"count": count})


@pytest.fixture
def painted_env() -> Callable[..., PaintedEnv]:
    return PaintedEnv


@pytest.fixture
def played() -> Callable[..., Iterator[Moment]]:
    """`(env, num_episodes, ...)` -> the moments of the policy that counts."""

    def play(env: PaintedEnv, num_episodes: int, **settings: Any) -> Iterator[Moment]:
        start = torch.zeros(1, 1, dtype=torch.int64)
        return episodes(env, count_up, start, num_episodes, **settings)

    return play


@pytest.fixture
def counted() -> Callable[..., list[EpisodeResult]]:
    """`(env, num_episodes, ...)` -> the results of the policy that counts, in a batch."""

    def evaluate(env: PaintedEnv, num_episodes: int, **settings: Any) -> list[EpisodeResult]:
        start = torch.zeros(env.batch_size, 1, dtype=torch.int64)
        return evaluate_episodes(env, count_up, start, num_episodes, **settings)

    return evaluate


@pytest.fixture
def grey() -> Callable[[int], int]:
    return brightness
