"""Environments of EnvPool: time steps like all others, in one piece."""

from functools import partial
from importlib.util import find_spec

import pytest
import torch

from alf.data_structures import StepType
from alf.environments import suite_envpool
from alf.environments.creation import create_environment
from alf.environments.vector_environment import VectorEnvironment
from alf.errors import ConfigError

HAS_ENVPOOL = find_spec("envpool") is not None
needs_envpool = pytest.mark.skipif(not HAS_ENVPOOL, reason="EnvPool is not installed here")


def make(seed, **arguments):
    return create_environment(
        env_name="CartPole-v1",
        env_load_fn=partial(suite_envpool.load, **arguments),
        num_parallel_environments=3,
        seed=seed,
    )


def ones(env):
    return env.step(torch.ones(3, dtype=torch.int64))


@needs_envpool
def test_episodes_end_and_begin_as_elsewhere():
    """FIRST after LAST, without a reward; the end is real, and a time limit is none."""
    env = make(0, max_episode_steps=10)
    assert isinstance(env, VectorEnvironment)
    before, discounts = env.reset(), set()
    for _ in range(40):
        step = ones(env)
        was_last, last = before.is_last(), step.is_last()
        assert torch.equal(was_last, step.step_type == StepType.FIRST)
        assert not step.reward[was_last].any()
        assert (step.reward[~was_last] == 1).all()
        discounts |= set(step.discount[last].tolist())
        before = step

    assert {0.0, 1.0} == discounts
    assert env.state_dict() is None


@needs_envpool
def test_a_seed_gives_the_same_steps():
    """Twice the same, and others with another."""

    def play(seed):
        env = make(seed)
        env.reset()
        return torch.stack([ones(env).observation for _ in range(30)])

    assert torch.equal(play(1), play(1))
    assert not torch.equal(play(1), play(2))


@needs_envpool
def test_what_is_wrong_is_told():
    """Unknown names and arguments."""
    with pytest.raises(ConfigError, match=r"no environment 'CartPoel-v1'; did you mean CartPole-v"):
        suite_envpool.load("CartPoel-v1")
    with pytest.raises(ConfigError, match="EnvPool cannot make CartPole-v1 with"):
        suite_envpool.load("CartPole-v1", wheels=3)


@pytest.mark.skipif(HAS_ENVPOOL, reason="EnvPool is installed here")
def test_a_missing_package_is_told():
    """The message names the extra."""
    with pytest.raises(ConfigError, match=r"pip install 'alf\[envpool\]'"):
        suite_envpool.load("CartPole-v1")
