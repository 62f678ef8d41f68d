"""Wrappers of single gymnasium environments, for `suite_gym.load.gym_env_wrappers`."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from alf.errors import ConfigError


class KeepElements(gymnasium.ObservationWrapper[NDArray[Any], Any, NDArray[Any]]):
    """Hides the other elements of an observation, so that a policy has to remember.

    `partial(KeepElements, elements=(0, 2))` leaves CartPole's position and angle, and hides its
    speeds.

    Args:
        env: its observations are vectors.
        elements: indices of those that are seen, in order.

    Raises:
        ConfigError: the observation is no vector, or has no such element.
    """

    def __init__(self, env: gymnasium.Env[NDArray[Any], Any], elements: Sequence[int]):
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ConfigError(
                f"KeepElements keeps elements of a vector, and the observations of {env} are "
                f"{space}: leave it out, or flatten them first (gymnasium.wrappers."
                f"FlattenObservation)"
            )
        size = space.shape[0]
        if not elements or not all(0 <= i < size for i in elements):
            raise ConfigError(
                f"KeepElements.elements is {tuple(elements)}, and an observation of {env} has the "
                f"elements 0 to {size - 1}: give some of these"
            )
        self._elements = list(elements)
        low, high = space.low[self._elements], space.high[self._elements]
        self.observation_space = spaces.Box(low, high, dtype=space.dtype.type)

    def observation(self, observation: NDArray[Any]) -> NDArray[Any]:
        """The elements that are seen."""
        return np.asarray(observation)[self._elements]
