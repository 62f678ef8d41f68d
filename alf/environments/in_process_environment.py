"""Environments stepped one after the other in this process: the fastest way for cheap ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alf.data_structures import TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.lane import AlfLane, Lane
from alf.environments.step_arrays import StepArrays
from alf.errors import AlfError, EnvError
from alf.nest import map_structure


class InProcessEnvironment(AlfEnvironment):
    """A batch of lanes, stepped in a loop that writes straight into NumPy arrays.

    Args:
        lanes: environments of the same specs; the first one is what `render` shows.
        seed: see `AlfEnvironment`.

    Raises:
        EnvError: if the lanes have different specs.
    """

    def __init__(self, lanes: Sequence[Lane], seed: int | None = None):
        if not lanes:
            raise EnvError("a batch has at least 1 environment; none was given")
        first = lanes[0]
        super().__init__(
            len(lanes),
            first.observation_spec,
            first.action_spec,
            first.reward_spec,
            first.env_info_spec,
            first.name,
            seed,
        )
        for i, lane in enumerate(lanes[1:], 1):
            lane.use_env_info_spec(self._env_info_spec)
            check_same_specs(lane, first, i)
        self._lanes = list(lanes)
        self._arrays = StepArrays(
            len(lanes), self._observation_spec, self._reward_spec, self._env_info_spec
        )

    @property
    def lanes(self) -> list[Lane]:
        """The environments, for a batch that takes them over."""
        return self._lanes

    def _reset(self, seed: int | None) -> TimeStep:
        for i, lane in enumerate(self._lanes):
            try:
                lane.write_reset(self._arrays, i, None if seed is None else seed + i)
            except AlfError:
                raise
            except Exception as error:
                raise broken(self, i, "reset()", error) from error
        return self._arrays.time_step(self._zero_action())

    def _step(self, action: Any) -> TimeStep:
        arrays, leaves = self._arrays, self._action_arrays(action)
        for i, lane in enumerate(self._lanes):
            row = [leaf[i] for leaf in leaves]
            try:
                lane.write_step(arrays, i, row)
            except AlfError:
                raise
            except Exception as error:
                raise broken(self, i, f"step({row})", error) from error
        return arrays.time_step(self._prev_action(leaves, arrays.first_rows()))

    def _zero_action(self) -> Any:
        return map_structure(lambda spec: spec.zeros((self.batch_size,)), self._action_spec)

    def render(self) -> npt.NDArray[np.uint8]:
        """A picture `[H, W, 3]` of environment 0; see `AlfEnvironment.render`."""
        return self._lanes[0].render()

    @property
    def render_fps(self) -> float:
        """See `AlfEnvironment.render_fps`."""
        return self._lanes[0].render_fps

    def state_dict(self) -> dict[str, Any] | None:
        """The states of all environments and the current time step."""
        states = [lane.state_dict() for lane in self._lanes]
        if self._current is None or any(state is None for state in states):
            return None
        return {"lanes": states, "time_step": tuple(self._current)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `AlfEnvironment.load_state_dict`."""
        check_state(self, len(state["lanes"]))
        for lane, lane_state in zip(self._lanes, state["lanes"], strict=True):
            lane.load_state_dict(lane_state)
        self._current = TimeStep(*state["time_step"])

    def _close(self) -> None:
        for lane in self._lanes:
            lane.close()


def take_lanes(env: AlfEnvironment) -> list[Lane]:
    """The lane of an environment of batch size 1, for a batch that steps it itself.

    A class that steps or resets in its own way is kept whole, as it is the way that counts.
    """
    kind = type(env)
    if (
        isinstance(env, InProcessEnvironment)
        and env.batch_size == 1
        and (
            (kind.step, kind.reset, kind._step, kind._reset)
            == (
                AlfEnvironment.step,
                AlfEnvironment.reset,
                InProcessEnvironment._step,
                InProcessEnvironment._reset,
            )
        )
    ):
        return env.lanes
    return [AlfLane(env)]


def check_same_specs(lane: Lane, first: Lane, index: int) -> None:
    """Refuse a batch of different environments.

    Raises:
        EnvError: naming the environment and both specs.
    """
    for what in ("observation_spec", "action_spec", "reward_spec", "env_info_spec"):
        mine, theirs = getattr(lane, what), getattr(first, what)
        if mine != theirs:
            raise EnvError(
                f"environment {index} ({lane.name}) has the {what} {mine}, but environment 0 "
                f"({first.name}) has {theirs}: all environments of a batch must look the same"
            )


def check_state(env: AlfEnvironment, count: int) -> None:
    """Refuse a stored state of another number of environments.

    Raises:
        EnvError: naming both numbers.
    """
    if count != env.batch_size:
        raise EnvError(
            f"{env.name}: the stored state has {count} environments and this batch "
            f"{env.batch_size}: create it with the same num_parallel_environments"
        )


def broken(env: AlfEnvironment, index: int, call: str, error: Exception) -> EnvError:
    """The error of an environment that raised."""
    return EnvError(
        f"environment {index} of {env.batch_size} ({env.name}) broke in {call}: "
        f"{type(error).__name__}: {error}"
    )
