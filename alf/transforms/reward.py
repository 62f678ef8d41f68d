"""Transforms of the reward."""

from typing import Any

import torch

from alf._config import configurable
from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.transforms.base import StatelessTransformer


class RewardTransformer(StatelessTransformer):
    """Changes the reward alone: subclasses define `forward(reward)`.

    Args:
        observation_spec: nest of specs; the observation passes unchanged.
    """

    def __init__(self, observation_spec: Any = ()):
        super().__init__(observation_spec, observation_spec)

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The time step with the changed reward."""
        return timestep._replace(reward=self.forward(timestep.reward))

    def forward(self, reward: torch.Tensor) -> torch.Tensor:
        """The changed reward, of the same shape."""
        raise NotImplementedError


@configurable
class RewardScaling(RewardTransformer):
    """`scale * reward`.

    Args:
        scale: the factor.
        observation_spec: nest of specs.
    """

    def __init__(self, scale: float, observation_spec: Any = ()):
        super().__init__(observation_spec)
        self._scale = scale

    def forward(self, reward: torch.Tensor) -> torch.Tensor:
        """The scaled reward."""
        return reward * self._scale


@configurable
class RewardShifting(RewardTransformer):
    """`reward + bias`.

    Args:
        bias: what is added.
        observation_spec: nest of specs.
    """

    def __init__(self, bias: float, observation_spec: Any = ()):
        super().__init__(observation_spec)
        self._bias = bias

    def forward(self, reward: torch.Tensor) -> torch.Tensor:
        """The shifted reward."""
        return reward + self._bias


@configurable
class RewardClipping(RewardTransformer):
    """The reward clipped to a range.

    Args:
        observation_spec: nest of specs.
        minmax: the range, both ends included.

    Raises:
        ConfigError: if the range is empty.
    """

    def __init__(self, observation_spec: Any = (), minmax: tuple[float, float] = (-1, 1)):
        super().__init__(observation_spec)
        self._min, self._max = minmax
        if self._min > self._max:
            raise ConfigError(f"RewardClipping.minmax is {minmax}: give (lower, upper)")

    def forward(self, reward: torch.Tensor) -> torch.Tensor:
        """The clipped reward."""
        return reward.clamp(self._min, self._max)
