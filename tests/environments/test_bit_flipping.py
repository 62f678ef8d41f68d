"""BitFlipping does what its docstring says."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from alf.environments.bit_flipping import BitFlippingEnv, bits_discount, bits_reward
from alf.environments.creation import create_environment


def test_gymnasiums_own_checker_finds_nothing():
    """It is an environment as gymnasium wants one."""
    check_env(BitFlippingEnv(5), skip_render_check=True)


def test_flipping_the_wrong_bits_reaches_the_goal():
    """Reward -1 until the last of them is flipped; then 0, and the episode ends."""
    env = BitFlippingEnv(6)
    observation, info = env.reset(seed=1)
    wrong = np.flatnonzero(observation["observation"] != observation["desired_goal"])
    assert len(wrong) > 1
    assert {"is_success": 0.0} == info

    for bit in wrong[:-1]:
        assert (-1.0, False, False) == env.step(bit)[1:4]
    observation, reward, terminated, truncated, info = env.step(wrong[-1])

    assert (0.0, True, False) == (reward, terminated, truncated)
    assert {"is_success": 1.0} == info
    assert np.array_equal(observation["achieved_goal"], observation["desired_goal"])


def test_time_ends_an_episode():
    """After as many steps as there are bits."""
    env = BitFlippingEnv(4)
    observation, _ = env.reset(seed=2)
    right = np.flatnonzero(observation["observation"] == observation["desired_goal"])[0]

    ends = [env.step(right)[2:4] for _ in range(4)]

    assert [(False, False)] * 3 + [(False, True)] == ends


def test_start_is_never_the_goal():
    """Not even with one bit."""
    env = BitFlippingEnv(1)
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        assert observation["achieved_goal"] != observation["desired_goal"]
    with pytest.raises(ValueError, match="at least one bit"):
        BitFlippingEnv(0)


def test_rewards_and_ends_of_batches_are_those_of_the_environment():
    """What hindsight computes is what `step` gives, in torch and in numpy."""
    achieved = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    desired = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])

    assert [[0.0, -1.0]] == bits_reward(achieved, desired).tolist()
    assert [[0.0, 1.0]] == bits_discount(achieved, desired).tolist()
    in_numpy = BitFlippingEnv(2).compute_reward(achieved.numpy(), desired.numpy())
    assert [[0.0, -1.0]] == in_numpy.tolist()


def test_it_is_registered():
    """By the name that the examples use."""
    env = create_environment(
        env_name="alf.environments.bit_flipping:BitFlipping-v0", num_parallel_environments=2, seed=0
    )
    time_step = env.reset()
    assert (2, 16) == time_step.observation["desired_goal"].shape
    env.close()


def test_picture_frames_what_is_wrong():
    """Red is seen while a bit is wrong, and not at the goal."""
    env = gymnasium.make(
        "BitFlipping-v0", bits=3, render_mode="rgb_array", disable_env_checker=True
    ).unwrapped
    assert isinstance(env, BitFlippingEnv)
    observation, _ = env.reset(seed=0)

    def red():
        picture = env.render()
        assert picture is not None
        assert (320, 320, 3) == picture.shape
        return bool((picture == (222, 82, 62)).all(-1).any())

    assert red()
    for bit in np.flatnonzero(observation["observation"] != observation["desired_goal"]):
        env.step(bit)
    assert not red()
    assert BitFlippingEnv().render() is None
