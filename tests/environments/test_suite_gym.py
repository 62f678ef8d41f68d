from functools import partial
from importlib.util import find_spec
from typing import Any

import gymnasium
import pytest
import torch

from alf.environments import suite_gym
from alf.environments.wrappers import TimeLimit
from alf.errors import ConfigError


class TestIds:
    def test_old_version_without_a_warning(self):
        """CartPole-v0 is what a conf asked for: 200 steps and no warning."""
        env = suite_gym.load("CartPole-v0")

        assert "CartPole-v0" == env.name
        assert 200 == suite_gym.find_spec("CartPole-v0").max_episode_steps

    def test_newest_version(self):
        """An id without a version is the newest one."""
        assert "CartPole-v1" == suite_gym.find_spec("CartPole").id

    def test_module(self):
        """module:Id-v0 imports the module first."""
        assert (3, 16, 16) == tuple(
            suite_gym.load("alf.environments.pixel_grid:PixelGrid-v0").observation_spec().shape
        )

    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("CartPoel-v1", r"did you mean CartPole-v1"),
            ("CartPole-v9", r"did you mean CartPole-v1"),
            ("nowhere/Thing-v0", r"env_name='package:nowhere/Thing-v0'"),
            ("Xyzzy-v3", r"module:Id-v0"),
            ("!!", r"there is no environment '!!'"),
            ("no_such_module:Thing-v0", r"cannot import 'no_such_module'"),
        ],
    )
    def test_unknown(self, name, advice):
        """The error says what is close, or what to install, and exits with 2."""
        with pytest.raises(ConfigError, match=advice) as caught:
            suite_gym.load(name)

        assert 2 == caught.value.exit_code

    @pytest.mark.parametrize(
        ("package", "extra", "name"),
        [
            ("mujoco", "mujoco", "HalfCheetah-v5"),
            ("Box2D", "box2d", "LunarLander-v3"),
            ("ale_py", "atari", "ALE/Pong-v5"),
            ("ale_py", "atari", "BreakoutNoFrameskip-v4"),
        ],
    )
    def test_missing_extra(self, package, extra, name):
        """What is registered but needs a package that is not installed names the extra."""
        if find_spec(package) is not None:
            pytest.skip(f"{package} is installed here")
        with pytest.raises(ConfigError, match=rf"pip install 'alf\[{extra}\]'"):
            suite_gym.load(name)

    def test_wrong_argument(self):
        """An argument that the environment does not take is named."""
        with pytest.raises(ConfigError, match="wheels"):
            suite_gym.load("CartPole-v1", wheels=3)


class TestArguments:
    @pytest.mark.parametrize(("limit", "expected"), [(3, 3), (None, 200), (0, 201)])
    def test_max_episode_steps(self, limit, expected):
        """So many steps; the registered limit of 200 by default; 0 is no limit."""
        env = suite_gym.load("Pendulum-v1", max_episode_steps=limit)
        time_step, steps = env.reset(), 0
        while not time_step.is_last() and steps < 201:
            time_step = env.step(torch.zeros(1, 1))
            steps += 1

        assert expected == steps
        assert 1.0 == time_step.discount.item()

    def test_environment_argument(self):
        """Further arguments go to the environment: a Pendulum without gravity hangs still."""
        env = suite_gym.load("Pendulum-v1", g=0.0)
        before = env.reset(seed=0).observation[0, 2]

        assert before == env.step(torch.zeros(1, 1)).observation[0, 2]

    def test_wrappers_in_order(self):
        """gymnasium's wrappers come first to last, then alf's."""
        order = []

        def note(name):
            def wrapper(env):
                order.append((name, type(env).__name__))
                return env

            return wrapper

        suite_gym.load(
            "CartPole-v1",
            gym_env_wrappers=[note("a"), note("b")],
            alf_env_wrappers=[note("c")],
        )

        assert [("a", "TimeLimit"), ("b", "TimeLimit"), ("c", "GymEnvironment")] == order

    def test_retired(self):
        """Parameters without a use say what to do instead."""
        from alf._config import config

        with pytest.raises(ConfigError, match="reset themselves"):
            config("wrap_env", auto_reset=False)

    def test_wrap_env_limit(self):
        """wrap_env can limit an environment of one's own."""
        from gymnasium.envs.classic_control import CartPoleEnv

        env = suite_gym.wrap_env(CartPoleEnv(), max_episode_steps=1)
        env.reset()

        assert env.step(torch.tensor([0])).is_last()


def test_vector_reward():
    """An environment that declares a reward space has a reward vector."""

    class Two(gymnasium.Env):
        observation_space = action_space = gymnasium.spaces.Discrete(2)
        reward_space = gymnasium.spaces.Box(0, 1, (2,))

        def reset(self, *, seed=None, options=None):
            return 0, {}

        def step(self, action) -> Any:
            return 0, [1.0, 2.0], False, False, {}

    env = suite_gym.wrap_env(Two())  # pyright: ignore[reportArgumentType]
    first, second = env.reset(), env.step(torch.tensor([0]))

    assert [[0.0, 0.0]] == first.reward.tolist()
    assert [[1.0, 2.0]] == second.reward.tolist()


def test_pictures_a_second_are_those_of_the_environment():
    """A film runs at the speed that the environment states, through wrappers too."""
    with suite_gym.load("CartPole-v1", alf_env_wrappers=(partial(TimeLimit, duration=3),)) as env:
        assert 50.0 == env.render_fps
