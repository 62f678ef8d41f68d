"""The arrays that single environments write their steps into, one row each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alf.data_structures import StepType, TimeStep
from alf.nest import flatten, pack_sequence_as
from alf.tensor_specs import TensorSpec, numpy_dtype

Array = npt.NDArray[Any]
_ALIGNMENT = 64  # a cache line, so that workers do not share one


class StepArrays:
    """One time step of `N` environments as NumPy arrays `[N, ...]`.

    Args:
        batch_size: `N`.
        observation_spec: nest of specs.
        reward_spec: spec of the reward.
        env_info_spec: nest of specs of the extra facts.
        buffer: memory to lie in (shared between processes), at least `byte_size` long; `None`
            takes fresh memory.

    Attributes:
        step_type: int32 `[N]`.
        reward: `[N]` or `[N, k]`.
        discount: float32 `[N]`.
        observation: the leaf arrays `[N, ...]` of the observation.
        info: the leaf arrays `[N, ...]` of the extra facts.
    """

    def __init__(
        self,
        batch_size: int,
        observation_spec: Any,
        reward_spec: TensorSpec,
        env_info_spec: Any = (),
        buffer: Any = None,
    ):
        self._observation_spec = observation_spec
        self._env_info_spec = env_info_spec
        specs = _all_specs(observation_spec, reward_spec, env_info_spec)
        if buffer is None:
            buffer = bytearray(byte_size(specs, batch_size))
        arrays = carve(buffer, specs, batch_size)
        count = len(flatten(observation_spec))
        self.step_type, self.discount, self.reward = arrays[:3]
        self.observation = arrays[3 : 3 + count]
        self.info = arrays[3 + count :]
        # The tensors see the same memory; a step costs one clone of each.
        self._tensors = [torch.from_numpy(array) for array in arrays]
        self._observation_count = count
        self._env_ids = torch.arange(batch_size, dtype=torch.int32)

    @staticmethod
    def byte_size(
        batch_size: int, observation_spec: Any, reward_spec: TensorSpec, env_info_spec: Any
    ) -> int:
        """How long `buffer` must be."""
        return byte_size(_all_specs(observation_spec, reward_spec, env_info_spec), batch_size)

    def time_step(self, prev_action: Any) -> TimeStep:
        """A copy of the arrays as a time step; `prev_action` is put in as it is."""
        step_type, discount, reward, *rest = map(torch.Tensor.clone, self._tensors)
        observation, info = rest[: self._observation_count], rest[self._observation_count :]
        return TimeStep(
            step_type=step_type,
            reward=reward,
            discount=discount,
            observation=_pack(self._observation_spec, observation),
            prev_action=prev_action,
            env_id=self._env_ids,
            env_info=_pack(self._env_info_spec, info),
        )

    def first_rows(self) -> Array | None:
        """Bool `[N]`, which rows hold a `FIRST` step; `None` if none does."""
        if np.count_nonzero(self.step_type) == len(self.step_type):
            return None  # FIRST is 0
        return self.step_type == StepType.FIRST

    def write_first(self, row: int) -> None:
        """Everything but the observation of a `FIRST` step."""
        self.step_type[row] = StepType.FIRST
        self.reward[row] = 0
        self.discount[row] = 1
        for array in self.info:
            array[row] = 0


def byte_size(specs: Sequence[TensorSpec], batch_size: int) -> int:
    """The bytes that `carve` needs."""
    return sum(_padded(spec, batch_size) for spec in specs)


def carve(buffer: Any, specs: Sequence[TensorSpec], batch_size: int) -> list[Array]:
    """Arrays `[batch_size, ...]`, one a spec, that lie one after the other in a buffer."""
    arrays: list[Array] = []
    offset = 0
    for spec in specs:
        shape = (batch_size, *spec.shape)
        count = batch_size * spec.numel
        dtype = numpy_dtype(spec.dtype)
        arrays.append(np.frombuffer(buffer, dtype, count, offset).reshape(shape))
        offset += _padded(spec, batch_size)
    return arrays


def _padded(spec: TensorSpec, batch_size: int) -> int:
    size = batch_size * spec.numel * numpy_dtype(spec.dtype).itemsize
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _all_specs(
    observation_spec: Any, reward_spec: TensorSpec, env_info_spec: Any
) -> list[TensorSpec]:
    return [
        TensorSpec((), torch.int32),
        TensorSpec(()),
        reward_spec,
        *flatten(observation_spec),
        *flatten(env_info_spec),
    ]


def _pack(spec: Any, leaves: list[torch.Tensor]) -> Any:
    if not leaves:
        return spec
    return leaves[0] if isinstance(spec, TensorSpec) else pack_sequence_as(spec, leaves)
