"""What hides parts of an observation."""

import gymnasium
import numpy as np
import pytest

from alf.environments.gym_wrappers import KeepElements
from alf.errors import ConfigError


def test_other_elements_are_hidden():
    """Those that are asked for are left, in their order, with their bounds."""
    whole = gymnasium.make("CartPole-v1")
    hidden = KeepElements(gymnasium.make("CartPole-v1"), elements=(2, 0))
    expected, _ = whole.reset(seed=3)
    seen, _ = hidden.reset(seed=3)

    assert np.array_equal(seen, expected[[2, 0]])
    assert hidden.observation_space.contains(hidden.step(1)[0])
    assert np.array_equal(hidden.observation_space.high, whole.observation_space.high[[2, 0]])  # type: ignore[attr-defined]


def test_what_cannot_be_kept_is_told():
    """Elements that are not there, and observations that are no vectors."""
    with pytest.raises(ConfigError, match=r"elements is \(4,\), and .* elements 0 to 3"):
        KeepElements(gymnasium.make("CartPole-v1"), elements=(4,))
    with pytest.raises(ConfigError, match="keeps elements of a vector"):
        KeepElements(gymnasium.make("CliffWalking-v1"), elements=(0,))  # type: ignore[arg-type]
