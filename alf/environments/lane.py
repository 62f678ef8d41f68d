"""One environment of a batch: it writes its steps into row `i` of shared arrays.

A lane knows no tensors and no batch, so that N of them can be stepped in a loop, in this process
or in workers, at the cost of the environments alone.

- `GymLane`: a gymnasium environment.
- `AlfLane`: an `AlfEnvironment` of batch size 1, for wrappers and environments written for alf.
"""

import abc
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

from alf.data_structures import StepType, TimeStep
from alf.environments.alf_environment import DEFAULT_RENDER_FPS, AlfEnvironment
from alf.environments.gym_spaces import ActionMap, ObservationMap
from alf.environments.simulator_state import capture, restore
from alf.environments.step_arrays import StepArrays
from alf.errors import EnvError
from alf.nest import flatten, pack_sequence_as
from alf.tensor_specs import TensorSpec

_MAX_INFO_ELEMENTS = 256  # an info array beyond this is data of its own, not a fact about a step


class Lane(abc.ABC):
    """One environment that writes into rows of `StepArrays`.

    Attributes:
        name: what messages call it.
        observation_spec: nest of specs.
        action_spec: nest of specs.
        reward_spec: spec of the reward.
    """

    name: str
    observation_spec: Any
    action_spec: Any
    reward_spec: TensorSpec

    @property
    @abc.abstractmethod
    def env_info_spec(self) -> Any:
        """Nest of specs of the extra facts."""

    def use_env_info_spec(self, spec: Any) -> None:  # noqa: B027 - not all find out
        """Take over what another lane of the same environment found its facts to be."""

    @abc.abstractmethod
    def write_reset(self, out: StepArrays, row: int, seed: int | None) -> None:
        """Start an episode and write its `FIRST` step."""

    @abc.abstractmethod
    def write_step(self, out: StepArrays, row: int, action: Sequence[Any]) -> None:
        """Step with the leaves of one action; after a `LAST` step, reset instead."""

    @abc.abstractmethod
    def render(self) -> npt.NDArray[np.uint8]:
        """A picture `[H, W, 3]`."""

    @property
    @abc.abstractmethod
    def render_fps(self) -> float:
        """Pictures a second at which it is meant to be watched."""

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any] | None:
        """Like `AlfEnvironment.state_dict`."""

    @abc.abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Like `AlfEnvironment.load_state_dict`."""

    @abc.abstractmethod
    def close(self) -> None:
        """Free what it holds."""


class GymLane(Lane):
    """A gymnasium environment.

    `env_info` holds the numbers and small arrays that the environment's `info` has at its first
    step (found by one `reset` and one `step` before the first episode), or those that an
    attribute `env_info_spec: dict[str, TensorSpec]` of the environment declares. A fact that is
    missing at a step is 0 there; others are dropped, and so is anything that is no number.

    Args:
        env: the environment.
        discount: multiplies the discount of `MID` steps.
        image_channel_first: turn `[H, W, C]` images into `[C, H, W]`.
        clip_action: clip continuous actions to the environment's bounds.
        normalize_action: see `ActionMap`.
        name: default the id of the environment.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        discount: float = 1.0,
        image_channel_first: bool = True,
        clip_action: bool = True,
        normalize_action: bool = False,
        name: str | None = None,
    ):
        self.env = env
        self.name = name or (env.spec.id if env.spec else type(env.unwrapped).__name__)
        self.discount = discount
        self.clips, self.normalizes = clip_action, normalize_action
        self.observation_map = ObservationMap(env.observation_space, image_channel_first)
        self.action_map = ActionMap(env.action_space, clip_action, normalize_action)
        self.observation_spec = self.observation_map.spec
        self.action_spec = self.action_map.spec
        self.reward_spec = reward_spec_of(env)
        self._info_spec: dict[str, TensorSpec] | tuple[()] | None = None
        self._done = False

    @property
    def env_info_spec(self) -> Any:
        """Nest of specs of the extra facts."""
        if self._info_spec is None:
            self.use_env_info_spec(self._declared_info() or self._probe_info())
        return self._info_spec

    def use_env_info_spec(self, spec: Any) -> None:
        """See `Lane`."""
        self._info_spec = spec or ()
        self._info_keys = sorted(spec) if spec else []

    def _declared_info(self) -> dict[str, TensorSpec] | None:
        if not self.env.has_wrapper_attr("env_info_spec"):
            return None
        return self.env.get_wrapper_attr("env_info_spec")

    def _probe_info(self) -> dict[str, TensorSpec]:
        self.env.reset()
        zeros = [spec.numpy_zeros() for spec in flatten(self.action_spec)]
        info = self.env.step(self.action_map.to_env(zeros))[4]
        self._done = False
        specs = {key: _info_spec(value) for key, value in info.items() if isinstance(key, str)}
        return {key: spec for key, spec in specs.items() if spec is not None}

    def write_reset(self, out: StepArrays, row: int, seed: int | None) -> None:
        """See `Lane`."""
        observation, info = self.env.reset(seed=seed)
        self._done = False
        out.write_first(row)
        self.observation_map.write(observation, out.observation, row)
        if out.info:
            self._write_info(info, out, row)

    def write_step(self, out: StepArrays, row: int, action: Sequence[Any]) -> None:
        """See `Lane`."""
        if self._done:
            self.write_reset(out, row, None)
            return
        observation, reward, terminated, truncated, info = self.env.step(
            self.action_map.to_env(action)
        )
        self._done = bool(terminated or truncated)
        out.step_type[row] = StepType.LAST if self._done else StepType.MID
        out.reward[row] = reward
        out.discount[row] = 0.0 if terminated else 1.0 if truncated else self.discount
        self.observation_map.write(observation, out.observation, row)
        if out.info:
            self._write_info(info, out, row)

    def _write_info(self, info: dict[str, Any], out: StepArrays, row: int) -> None:
        for key, array in zip(self._info_keys, out.info, strict=True):
            value = info.get(key)
            array[row] = 0 if value is None else value

    def render(self) -> npt.NDArray[np.uint8]:
        """See `Lane`."""
        try:
            frame = self.env.render()
        except Exception as error:
            raise EnvError(_cannot_draw(self.name, error)) from error
        return as_picture(frame, self.name, self.env.render_mode)

    @property
    def render_fps(self) -> float:
        """See `Lane`."""
        return float(self.env.metadata.get("render_fps") or DEFAULT_RENDER_FPS)

    def state_dict(self) -> dict[str, Any] | None:
        """See `Lane`."""
        state = capture(self.env)
        return None if state is None else {"done": self._done, "simulator": state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Lane`."""
        restore(self.env, state["simulator"])
        self._done = state["done"]

    def close(self) -> None:
        """See `Lane`."""
        self.env.close()


class AlfLane(Lane):
    """An `AlfEnvironment` of batch size 1.

    Raises:
        EnvError: if the batch size is another.
    """

    def __init__(self, env: AlfEnvironment):
        if env.batch_size != 1:
            raise EnvError(
                f"{env.name} has batch size {env.batch_size}: env_load_fn must make one environment"
                " at a time; set how many with create_environment.num_parallel_environments"
            )
        self.env = env
        self.name = env.name
        self.observation_spec = env.observation_spec()
        self.action_spec = env.action_spec()
        self.reward_spec = env.reward_spec()

    @property
    def env_info_spec(self) -> Any:
        """Nest of specs of the extra facts."""
        return self.env.env_info_spec()

    def write_reset(self, out: StepArrays, row: int, seed: int | None) -> None:
        """See `Lane`."""
        self._write(self.env.reset(seed), out, row)

    def write_step(self, out: StepArrays, row: int, action: Sequence[Any]) -> None:
        """See `Lane`."""
        leaves = [torch.from_numpy(np.array(leaf)[np.newaxis]) for leaf in action]
        self._write(self.env.step(pack_sequence_as(self.action_spec, leaves)), out, row)

    def _write(self, time_step: TimeStep, out: StepArrays, row: int) -> None:
        out.step_type[row] = time_step.step_type[0].item()
        out.reward[row] = time_step.reward[0].numpy()
        out.discount[row] = time_step.discount[0].item()
        for array, leaf in zip(out.observation, flatten(time_step.observation), strict=True):
            array[row] = leaf[0].numpy()
        for array, leaf in zip(out.info, flatten(time_step.env_info), strict=True):
            array[row] = leaf[0].numpy()

    def render(self) -> npt.NDArray[np.uint8]:
        """See `Lane`."""
        return self.env.render()

    @property
    def render_fps(self) -> float:
        """See `Lane`."""
        return self.env.render_fps

    def state_dict(self) -> dict[str, Any] | None:
        """See `Lane`."""
        return self.env.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Lane`."""
        self.env.load_state_dict(state)

    def close(self) -> None:
        """See `Lane`."""
        self.env.close()


def reward_spec_of(env: Any) -> TensorSpec:
    """A float32 scalar, or `[k]` where the environment declares a vector `reward_space`."""
    space = getattr(env.unwrapped, "reward_space", None)
    return TensorSpec(space.shape) if isinstance(space, spaces.Box) else TensorSpec(())


def as_picture(frame: Any, name: str, render_mode: str | None) -> npt.NDArray[np.uint8]:
    """What `render()` gave, as `[H, W, 3]` uint8.

    Raises:
        EnvError: if it is no picture, saying how to make the environment.
    """
    if isinstance(frame, list) and frame:
        frame = frame[0]
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3:
        raise EnvError(
            f"{name} gave no picture with render_mode={render_mode!r}: create it with "
            "render_mode='rgb_array'"
        )
    return frame.astype(np.uint8, copy=False)


def _cannot_draw(name: str, error: Exception) -> str:
    message = f"{name} cannot draw: {type(error).__name__}: {error}"
    if type(error).__module__.partition(".")[0] in ("mujoco", "glfw", "OpenGL"):
        return message + (
            ". MuJoCo draws with OpenGL: without a display it needs EGL (on Debian: apt install "
            "libegl1 libgl1-mesa-dri), or MUJOCO_GL=osmesa (libosmesa6); or play with --norender "
            "and without --record_file"
        )
    return message


def _info_spec(value: Any) -> TensorSpec | None:
    """The spec of a number or a small array, `None` for anything else."""
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        return None
    array = np.asarray(value)
    dtypes = {"b": torch.bool, "i": torch.int64, "u": torch.int64, "f": torch.float32}
    dtype = dtypes.get(array.dtype.kind)
    if dtype is None or array.size > _MAX_INFO_ELEMENTS:
        return None
    return TensorSpec(array.shape, dtype)
