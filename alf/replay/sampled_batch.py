"""What is drawn from a replay buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from alf.replay.replay_buffer import ReplayBuffer

Indices = NDArray[np.int64]


class SampledBatch:
    """Sequences of consecutive time steps from a replay buffer.

    Args:
        buffer: what they were drawn from.
        experience: the nest that was added, `[length, batch, ...]`.
        records: the block of memory that its tensors lie in.
        target: how the storage is to gather into `records`.

    Attributes:
        experience: the nest that was added, `[length, batch, ...]`. Its tensors are strided views
            of one block of memory.
        weights: float32 `[batch]`, on the buffer's device: what the loss of each sequence is to be
            multiplied with; `()` if the draw was uniform.
    """

    __slots__ = ("_buffer", "_first", "_records", "_slots", "_target", "experience", "weights")

    def __init__(self, buffer: ReplayBuffer, experience: Any, records: torch.Tensor, target: Any):
        self.experience = experience
        self.weights: Any = ()
        self._buffer = buffer
        self._records = records
        self._target = target
        self._slots: Indices = np.empty((0, 0), np.int64)
        self._first = 0

    @property
    def buffer(self) -> ReplayBuffer:
        """What the sequences were drawn from."""
        return self._buffer

    @property
    def env_ids(self) -> torch.Tensor:
        """Int64 `[batch]`, on the CPU: the environment of each sequence."""
        return torch.from_numpy(self._slots[0] % self._buffer.num_environments)

    @property
    def positions(self) -> torch.Tensor:
        """Int64 `[batch]`, on the CPU: the time of each sequence's first step.

        Times count the rows since the buffer was made or cleared, from 0.
        """
        rows = self._slots[0] // self._buffer.num_environments
        return torch.from_numpy((rows - self._first) % self._buffer.max_length + self._first)
