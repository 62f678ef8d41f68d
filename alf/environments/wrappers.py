"""Wrappers of `AlfEnvironment`s: `alf_env_wrappers` of one, or `batched_wrappers` of a batch.

What changes a single gymnasium environment is better done by gymnasium's own wrappers, through
`suite_gym.load.gym_env_wrappers`. Here is what needs more:

- `AlfWrapper`: the base, passes everything on.
- `TimeLimit`: stops episodes after a number of steps.
- `ActionRepeat`: lets each action count for several steps.
- `NonEpisodic`: makes the end of an episode a time limit.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alf._config import configurable
from alf.data_structures import StepType, TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.errors import ConfigError


class AlfWrapper(AlfEnvironment):
    """Passes everything on to another environment; subclasses change what they need.

    Args:
        env: of any batch size.
    """

    def __init__(self, env: AlfEnvironment):
        super().__init__(
            env.batch_size,
            env.observation_spec(),
            env.action_spec(),
            env.reward_spec(),
            env.env_info_spec(),
            env.name,
        )
        self.env = env

    def _reset(self, seed: int | None) -> TimeStep:
        return self.env.reset(seed)

    def _step(self, action: Any) -> TimeStep:
        return self.env.step(action)

    def render(self) -> npt.NDArray[np.uint8]:
        """See `AlfEnvironment.render`."""
        return self.env.render()

    @property
    def render_fps(self) -> float:
        """See `AlfEnvironment.render_fps`."""
        return self.env.render_fps

    def state_dict(self) -> dict[str, Any] | None:
        """The state of the environment and of this wrapper."""
        inner = self.env.state_dict()
        if inner is None or self._current is None:
            return None
        return {"env": inner, "own": self._own_state(), "time_step": tuple(self._current)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `AlfEnvironment.load_state_dict`."""
        self.env.load_state_dict(state["env"])
        self._load_own_state(state["own"])
        self._current = TimeStep(*state["time_step"])

    def _own_state(self) -> dict[str, Any]:
        """What this wrapper remembers."""
        return {}

    def _load_own_state(self, state: dict[str, Any]) -> None:
        """Take what `_own_state` gave."""
        assert not state, "a wrapper that has a state must also load it"

    def _close(self) -> None:
        self.env.close()


@configurable
class TimeLimit(AlfWrapper):
    """Stops an episode with discount 1 after a number of steps.

    The environment below does not know that its episode was stopped, so that it must be one that
    can be reset alone: batch size 1 (use it in `alf_env_wrappers`).

    Args:
        env: of batch size 1.
        duration: the number of steps, at least 1.

    Raises:
        ConfigError: if the batch is larger or the duration smaller than 1.
    """

    def __init__(self, env: AlfEnvironment, duration: int):
        _require_single(env, "TimeLimit")
        if duration < 1:
            raise ConfigError(f"TimeLimit.duration must be at least 1; it is {duration}")
        super().__init__(env)
        self._duration = duration
        self._steps = 0
        self._stopped = False

    def _reset(self, seed: int | None) -> TimeStep:
        self._steps, self._stopped = 0, False
        return self.env.reset(seed)

    def _step(self, action: Any) -> TimeStep:
        if self._stopped:
            return self._reset(None)
        time_step = self.env.step(action)
        if time_step.step_type[0] == StepType.FIRST:
            self._steps = 0
            return time_step
        self._steps += 1
        if self._steps >= self._duration and time_step.step_type[0] == StepType.MID:
            self._stopped = True
            return time_step._replace(
                step_type=torch.full((1,), StepType.LAST, dtype=torch.int32),
                discount=torch.ones(1),
            )
        return time_step

    def _own_state(self) -> dict[str, Any]:
        return {"steps": self._steps, "stopped": self._stopped}

    def _load_own_state(self, state: dict[str, Any]) -> None:
        self._steps, self._stopped = state["steps"], state["stopped"]


@configurable
class ActionRepeat(AlfWrapper):
    """Repeats each action; rewards add up, and an end stops the repetition.

    Args:
        env: of batch size 1 (use it in `alf_env_wrappers`).
        times: how often, at least 1.

    Raises:
        ConfigError: if the batch is larger or `times` smaller than 1.
    """

    def __init__(self, env: AlfEnvironment, times: int):
        _require_single(env, "ActionRepeat")
        if times < 1:
            raise ConfigError(f"ActionRepeat.times must be at least 1; it is {times}")
        super().__init__(env)
        self._times = times

    def _step(self, action: Any) -> TimeStep:
        time_step = self.env.step(action)
        reward = time_step.reward
        for _ in range(self._times - 1):
            if time_step.step_type[0] != StepType.MID:
                break
            time_step = self.env.step(action)
            reward = reward + time_step.reward
        return time_step._replace(reward=reward)


@configurable
class NonEpisodic(AlfWrapper):
    """Makes every end a time limit: discount 1, so that values reach beyond it.

    Args:
        env: of any batch size.
    """

    def _step(self, action: Any) -> TimeStep:
        time_step = self.env.step(action)
        return time_step._replace(
            discount=torch.where(time_step.is_last(), 1.0, time_step.discount)
        )


def _require_single(env: AlfEnvironment, wrapper: str) -> None:
    if env.batch_size != 1:
        raise ConfigError(
            f"{wrapper} wraps one environment at a time, and {env.name} has batch size "
            f"{env.batch_size}: put it into alf_env_wrappers of the load function instead of "
            "create_environment.batched_wrappers"
        )
