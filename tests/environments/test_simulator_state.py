from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest
import torch

from alf.environments.simulator_state import capture, restore
from alf.environments.suite_gym import wrap_env
from alf.errors import EnvError


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "MountainCar-v0", "Acrobot-v1"])
def test_exact_resume(name, tmp_path):
    """A classic environment goes on with the same numbers, through its next reset too."""
    env = gymnasium.make(name)
    env.reset(seed=1)
    action = env.action_space.sample()
    env.step(action)
    torch.save(capture(env), tmp_path / "state.pt")

    def go_on(env):
        steps = [env.step(action)[0] for _ in range(5)]
        return np.stack([*steps, env.reset()[0]])

    expected = go_on(env)
    other = gymnasium.make(name)
    other.reset(seed=2)
    restore(other, torch.load(tmp_path / "state.pt", weights_only=True))

    assert np.array_equal(expected, go_on(other))


@pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is not installed here")
@pytest.mark.parametrize("name", ["HalfCheetah-v5", "Ant-v5"])
def test_exact_resume_of_mujoco(name, tmp_path):
    """Joints, contacts and forces go on with the same numbers, through the next reset too."""
    numbers = np.random.default_rng(0)
    env = gymnasium.make(name)
    env.reset(seed=1)
    low, high = env.action_space.low, env.action_space.high  # type: ignore[attr-defined]
    actions = [numbers.uniform(low, high).astype(np.float32) for _ in range(40)]
    for action in actions[:20]:
        env.step(action)
    torch.save(capture(env), tmp_path / "state.pt")

    def go_on(env):
        steps = [np.append(*env.step(action)[:2]) for action in actions[20:]]
        return np.stack([*steps, np.append(env.reset()[0], 0)])

    expected = go_on(env)
    other = gymnasium.make(name)
    other.reset(seed=2)
    restore(other, torch.load(tmp_path / "state.pt", weights_only=True))

    assert np.array_equal(expected, go_on(other))


def test_no_plain_data(tiny):
    """An environment that holds something else has no state, and its batch says None."""

    class Native(tiny.Countdown):
        handle = None

        def reset(self, *, seed=None, options=None):
            self.handle = object()
            return super().reset(seed=seed)

    env = wrap_env(Native())
    env.reset()

    assert env.state_dict() is None


def test_own_methods(tiny):
    """get_state and set_state of the environment come first."""

    class Own(tiny.Countdown):
        handle = object()

        def get_state(self):
            return {"t": self.t, "episode": self.episode}

        def set_state(self, state):
            self.t, self.episode = state["t"], state["episode"]

    one, two = Own(), Own()
    one.reset()
    one.step(0)
    restore(two, capture(one) or {})

    assert (1, 0) == (two.t, two.episode)


def test_other_wrappers(tiny):
    """The state of an environment with other wrappers is refused."""
    state = capture(gymnasium.wrappers.TimeLimit(tiny.Countdown(), 5))
    assert state is not None

    with pytest.raises(EnvError, match="1 layers and the stored state 2"):
        restore(tiny.Countdown(), state)


@pytest.mark.parametrize(
    "name", ["step", "reset", "__class__", "action_space", "spec", "get_state"]
)
def test_names_that_are_no_state(tiny, name):
    """A state puts data in the place of data; methods and spaces stay."""
    env = tiny.Countdown()
    state = capture(env)
    assert state is not None
    state["layers"][0]["dict"][name] = 3

    with pytest.raises(EnvError, match=f"'{name}' of .* is no state"):
        restore(env, state)
    assert callable(env.step)
