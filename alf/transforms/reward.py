"""Transforms of the reward."""

from typing import Any

import torch

from alf._config import configurable
from alf._config.settled import Settled, settled
from alf.data_structures import TimeStep
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.transforms.base import StatelessTransformer
from alf.transforms.normalizer import Normalizer


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


@configurable
@settled(
    update_mode=Settled(
        "replay",
        "give 'rollout' or 'replay'; the statistics follow the steps of the rollout either way",
        lambda value: value == "rollout",
    )
)
class RewardNormalizer(RewardTransformer):
    """Rewards with mean 0 and variance 1, by running statistics of the rewards before it.

    Statistics move in training mode alone and are saved with the model. The first step of an
    episode has no reward, and is not counted. To keep the sign of rewards, scale them only:
    `normalizer=Normalizer((), zero_mean=False)`. Rewards in a replay buffer stay as they were
    normalized when they came.

    Args:
        observation_spec: nest of specs; the observation passes unchanged.
        normalizer: keeps the statistics, of the reward's shape; `None` for
            `Normalizer(())`, whose weight of new rewards falls while it learns.
        update_max_calls: so many batches are counted, then the statistics stand still; 0 for no
            limit.
        clip_value: the largest absolute value that comes out; not above 0 for no limit.

    Raises:
        ConfigError: if there is another kind of normalizer, or a negative `update_max_calls`.
    """

    def __init__(
        self,
        observation_spec: Any = (),
        normalizer: Normalizer | None = None,
        update_max_calls: int = 0,
        clip_value: float = -1.0,
    ):
        super().__init__(observation_spec)
        if normalizer is not None and not isinstance(normalizer, Normalizer):
            raise ConfigError(
                f"RewardNormalizer.normalizer is {normalizer!r}: give an "
                f"alf.transforms.Normalizer, for example Normalizer((), mode='ema')"
            )
        if update_max_calls < 0:
            raise ConfigError(
                f"RewardNormalizer.update_max_calls is {update_max_calls}: give the number of "
                f"batches to count, or 0 for no limit"
            )
        self._normalizer = Normalizer(()) if normalizer is None else normalizer
        self._update_max_calls = update_max_calls
        self._clip_value = clip_value
        self.to(get_default_device())

    @property
    def normalizer(self) -> Normalizer:
        """Keeps the statistics."""
        return self._normalizer

    @property
    def clip_value(self) -> float:
        """The largest absolute value that comes out; not above 0 for no limit."""
        return self._clip_value

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The time step with a normalized reward; in training mode it is counted first."""
        if self.training and self._still_counts():
            self._normalizer.update(timestep.reward[~timestep.is_first()])
        return super().transform(timestep)

    def forward(self, reward: torch.Tensor) -> torch.Tensor:
        """The normalized reward, float32 of the same shape; nothing is counted."""
        normalized = self._normalizer.normalize(reward)
        if self._clip_value > 0:
            normalized = normalized.clamp(-self._clip_value, self._clip_value)
        return normalized

    def _still_counts(self) -> bool:
        limit = self._update_max_calls
        return limit == 0 or int(self._normalizer.count) < limit
