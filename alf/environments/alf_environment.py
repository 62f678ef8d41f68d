"""The contract of an environment: always a batch, time steps in, actions out."""

import abc
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from alf.data_structures import TimeStep, time_step_spec
from alf.errors import EnvError
from alf.nest import flatten, map_structure, pack_sequence_as
from alf.tensor_specs import TensorSpec, numpy_dtype

Array = npt.NDArray[Any]
"""An array of any dtype."""


DEFAULT_RENDER_FPS = 30.0
"""Frames a second where an environment does not say."""


class AlfEnvironment(abc.ABC):
    """A batch of `B` environments that are stepped together.

    `reset()` gives the first time step, `step(action)` each next one, with tensors `[B, ...]` on
    the CPU. An environment that ends gives a `LAST` step: `discount` 0 if the task itself ended,
    1 if a time limit stopped it. At the next `step` its action is ignored and the `FIRST` step of
    a new episode comes back, with reward 0 and discount 1.

    A returned time step is the caller's own: later steps do not write into it. Only `env_id` is
    one tensor for all of them.

    Subclasses write `_reset` and `_step`, and `render`, `close`, `state_dict` and
    `load_state_dict` where they have them.

    Args:
        batch_size: `B`, at least 1.
        observation_spec: nest of specs, without the batch dimension.
        action_spec: nest of specs, without the batch dimension.
        reward_spec: default a float32 scalar; `[k]` for a vector reward.
        env_info_spec: nest of specs of `TimeStep.env_info`, `()` without any.
        name: what messages call the environment, e.g. `"CartPole-v1"`.
        seed: what the first `reset()` without a seed is seeded with; environment `i` gets
            `seed + i`. `None` draws from the system.
    """

    def __init__(
        self,
        batch_size: int,
        observation_spec: Any,
        action_spec: Any,
        reward_spec: TensorSpec | None = None,
        env_info_spec: Any = (),
        name: str = "environment",
        seed: int | None = None,
    ):
        if batch_size < 1:
            raise EnvError(f"{name}: a batch has at least 1 environment; batch_size={batch_size}")
        self._batch_size = batch_size
        self._observation_spec = observation_spec
        self._action_spec = action_spec
        self._reward_spec = reward_spec or TensorSpec(())
        self._env_info_spec = env_info_spec
        self._name = name
        self._seed = seed
        self._current: TimeStep | None = None
        self._closed = False
        self._action_dtypes = [numpy_dtype(spec.dtype) for spec in flatten(action_spec)]

    @property
    def batch_size(self) -> int:
        """The number of environments, `B`."""
        return self._batch_size

    @property
    def name(self) -> str:
        """What messages call the environment."""
        return self._name

    def observation_spec(self) -> Any:
        """Nest of specs of one environment's observation."""
        return self._observation_spec

    def action_spec(self) -> Any:
        """Nest of specs of one environment's action."""
        return self._action_spec

    def reward_spec(self) -> TensorSpec:
        """Spec of one environment's reward."""
        return self._reward_spec

    def env_info_spec(self) -> Any:
        """Nest of specs of `TimeStep.env_info`; `()` without any."""
        return self._env_info_spec

    def time_step_spec(self) -> TimeStep:
        """Specs of one environment's time step."""
        spec = time_step_spec(self.observation_spec(), self.action_spec(), self.reward_spec())
        return spec._replace(env_info=self.env_info_spec())

    def reset(self, seed: int | None = None) -> TimeStep:
        """Start a new episode in every environment.

        Args:
            seed: seeds environment `i` with `seed + i`; `None` goes on with the random numbers
                where they stand, or, the first time, uses the seed of the constructor.

        Returns:
            A time step `[B, ...]`, all `FIRST`.
        """
        self._check_open()
        if seed is None:
            seed = self._seed
        self._seed = None
        self._current = self._reset(seed)
        return self._current

    def step(self, action: Any) -> TimeStep:
        """Step every environment.

        Args:
            action: nest of `[B, ...]` tensors, on any device. The action of an environment that
                stands at its `LAST` step is ignored.

        Returns:
            A time step `[B, ...]`.

        Raises:
            EnvError: if `reset` was never called, or an environment breaks.
        """
        if self._current is None:
            raise EnvError(f"{self._name}: step() was called before the first reset()")
        self._check_open()
        self._current = self._step(action)
        return self._current

    def current_time_step(self) -> TimeStep:
        """The time step that `reset` or `step` gave last; resets if there is none yet."""
        return self.reset() if self._current is None else self._current

    @abc.abstractmethod
    def _reset(self, seed: int | None) -> TimeStep:
        """Start new episodes; see `reset`."""

    @abc.abstractmethod
    def _step(self, action: Any) -> TimeStep:
        """Step; see `step`."""

    def render(self) -> npt.NDArray[np.uint8]:
        """A picture `[H, W, 3]` of environment 0.

        Raises:
            EnvError: if the environment was not made for it.
        """
        raise EnvError(
            f"{self._name} draws no pictures: create it with render_mode='rgb_array', or, for an "
            "environment of your own, write render()"
        )

    @property
    def render_fps(self) -> float:
        """Pictures a second at which the environment is meant to be watched."""
        return DEFAULT_RENDER_FPS

    def state_dict(self) -> dict[str, Any] | None:
        """Everything needed to go on exactly here: the simulators and their random numbers.

        Returns:
            Tensors, numbers and strings in dicts and lists, or `None` where an environment
            cannot give its state. After `None` a resumed job starts new episodes.
        """
        return None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; `current_time_step` is that step again.

        Raises:
            EnvError: if the environment cannot take a state.
        """
        raise EnvError(f"{self._name} cannot be put into a stored state")

    def close(self) -> None:
        """Free windows, processes and memory. Closing twice is allowed."""
        if not self._closed:
            self._closed = True
            self._close()

    def _close(self) -> None:  # noqa: B027 - not all hold something
        """Free what a subclass holds; called once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r}, batch_size={self._batch_size})"

    def _check_open(self) -> None:
        if self._closed:
            raise EnvError(f"{self._name} was closed: create a new one")

    def _action_arrays(self, action: Any) -> list[Array]:
        """The leaves `[B, ...]` of an action as arrays of the specs' dtypes.

        They may share the memory of `action`.

        Raises:
            EnvError: if the number of leaves or the batch size is not ours.
        """
        leaves = [action] if isinstance(action, torch.Tensor) else flatten(action)
        if len(leaves) != len(self._action_dtypes):
            raise self._misfit(action)
        arrays: list[Array] = []
        for leaf, dtype in zip(leaves, self._action_dtypes, strict=True):
            array = _as_array(leaf)
            if not array.ndim or len(array) != self._batch_size:
                raise self._misfit(action)
            arrays.append(array if array.dtype == dtype else array.astype(dtype))
        return arrays

    def _misfit(self, action: Any) -> EnvError:
        shapes = map_structure(lambda leaf: tuple(leaf.shape), action)
        return EnvError(
            f"{self._name}: an action of shapes {shapes} does not fit the action spec "
            f"{self._action_spec} with a batch of {self._batch_size}"
        )

    def _prev_action(self, arrays: Sequence[Array], is_first: Array | None) -> Any:
        """Fresh tensors of an action, with zeros where a new episode starts.

        Args:
            arrays: what `_action_arrays` gave.
            is_first: bool `[B]`, or `None` if no episode starts.
        """
        leaves: list[torch.Tensor] = []
        for array in arrays:
            copy = array.copy()
            if is_first is not None:
                copy[is_first] = 0
            leaves.append(torch.from_numpy(copy))
        spec = self._action_spec
        return leaves[0] if isinstance(spec, TensorSpec) else pack_sequence_as(spec, leaves)


def _as_array(tensor: torch.Tensor) -> Array:
    if tensor.requires_grad:
        tensor = tensor.detach()
    return (tensor if tensor.is_cpu else tensor.cpu()).numpy()
