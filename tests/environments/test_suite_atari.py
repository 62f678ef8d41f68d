"""Atari games: frames, pictures, lives and the state of the console."""

from functools import partial
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from alf.environments import suite_atari, suite_gym
from alf.environments.atari_game import AtariGame
from alf.environments.creation import create_environment
from alf.environments.suite_gym import GymEnvironment
from alf.errors import ConfigError
from alf.tensor_specs import BoundedTensorSpec

pytestmark = pytest.mark.skipif(find_spec("ale_py") is None, reason="ale_py is not installed here")

FIRE, RIGHT, LEFT = 1, 2, 3


def console(name: str = "ALE/Breakout-v5") -> Any:
    settings = {"frameskip": 1, "repeat_action_probability": 0.0, "obs_type": "grayscale"}
    return suite_gym.make_gym(suite_gym.find_spec(name), None, None, settings)


def play(env: Any, steps: int, seed: int = 0) -> list[Any]:
    """Time steps of a batch that is pushed about at random."""
    generator = torch.Generator().manual_seed(seed)
    shape = (env.batch_size,)
    return [env.step(torch.randint(0, 4, shape, generator=generator)) for _ in range(steps)]


def test_specs():
    """One grey picture, channel first, in bytes; the actions that the game knows."""
    env = suite_atari.load("Breakout")

    assert BoundedTensorSpec((1, 84, 84), torch.uint8, 0, 255) == env.observation_spec()
    assert BoundedTensorSpec((), torch.int64, 0, 3) == env.action_spec()
    assert "ALE/Breakout-v5" == env.name


def test_a_step_is_four_frames_of_which_the_last_two_are_seen():
    """Against the console stepped by hand."""
    game, raw = AtariGame(console(), noop_max=0), console()
    seen, _ = game.reset(seed=5)
    raw.reset(seed=5)
    frames = [raw.step(FIRE)[0]]
    assert np.array_equal(seen[..., 0], small(frames[0]))
    for action in (RIGHT, LEFT, LEFT, RIGHT):
        seen, reward, *_ = game.step(action)
        steps = [raw.step(action) for _ in range(4)]
        frames = [step[0] for step in steps]
        assert np.array_equal(seen[..., 0], small(np.maximum(*frames[-2:])))
        assert reward == sum(step[1] for step in steps)


def small(frame: Any) -> Any:
    return cv2.resize(frame, (84, 84), interpolation=cv2.INTER_AREA)


def test_games_begin_with_different_idle_frames():
    """Between 1 and `noop_max` of them, by the seed."""
    game = AtariGame(console(), noop_max=30, fire=False)
    lengths = set()
    for seed in range(5):
        game.reset(seed=seed)
        lengths.add(game._ale.getEpisodeFrameNumber())

    assert len(lengths) > 2
    assert lengths <= set(range(1, 31))


class TestLives:
    def test_a_lost_life_ends_an_episode_of_training(self):
        """Five episodes make a game; the next one goes on where it stands."""
        env = suite_atari.load("Breakout", terminal_on_life_loss=True)
        assert isinstance(env, GymEnvironment)
        game: Any = env.gym
        env.reset(seed=0)
        lives = []
        while len(lives) < 6:
            (step,) = play(env, 1, seed=len(lives))
            if step.is_last():
                assert 0.0 == float(step.discount)
                lives.append(game._ale.lives())
        assert [4, 3, 2, 1, 0, 4] == lives

    def test_a_game_goes_on_elsewhere(self):
        """A lost life is no end, and the fire button brings the next ball by itself."""
        env = suite_atari.load("Breakout")
        assert isinstance(env, GymEnvironment)
        game: Any = env.gym
        step = env.reset(seed=0)
        for _ in range(100):
            step = env.step(torch.zeros(1, dtype=torch.int64))
            assert not step.is_last()
            if game._ale.lives() < 5:
                break
        assert 4 == game._ale.lives()
        while not step.is_last():
            step = env.step(torch.zeros(1, dtype=torch.int64))
        assert 0 == game._ale.lives()


def test_goes_on_exactly(tmp_path):
    """Games that are put back, lives and idle frames included, give the same steps."""
    make = partial(
        create_environment,
        env_name="ALE/Breakout-v5",
        env_load_fn=partial(suite_atari.load, terminal_on_life_loss=True),
        num_parallel_environments=2,
        nonparallel=True,
    )
    env, other = make(seed=0), make(seed=9)
    env.reset()
    play(env, 30)
    torch.save(env.state_dict(), tmp_path / "state.pt")
    expected = play(env, 60, seed=1)
    other.reset()
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))

    assert any(bool(step.is_last().any()) for step in expected)
    for got, wanted in zip(play(other, 60, seed=1), expected, strict=True):
        assert torch.equal(got.observation, wanted.observation)
        assert torch.equal(got.reward, wanted.reward)
        assert torch.equal(got.step_type, wanted.step_type)


def test_what_is_wrong_is_told():
    """Another environment, an unknown game, a number that makes no sense."""
    with pytest.raises(ConfigError, match="'CartPole-v1' is no Atari game: name one like"):
        suite_atari.load("CartPole-v1")
    with pytest.raises(ConfigError, match="did you mean ALE/Breakout-v5"):
        suite_atari.load("ALE/Brakeout-v5")
    with pytest.raises(ConfigError, match=r"load.frame_skip is 0: give a number of at least 1"):
        suite_atari.load("Pong", frame_skip=0)
