import itertools

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from alf.environments.creation import create_environment
from alf.environments.vector_environment import VectorEnvironment
from alf.errors import EnvError
from alf.nest import flatten


class Clock(gymnasium.vector.VectorEnv):
    """Environment i ends at step i + 1: even ones terminate, odd ones are truncated.

    It writes into one observation array all the time, and pays a reward at resets too.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.single_observation_space = gymnasium.spaces.Box(0, 99, (1,), np.float32)
        self.single_action_space = gymnasium.spaces.Discrete(2, start=1)
        self.buffer = np.zeros((num_envs, 1), np.float32)
        self.done = np.zeros(num_envs, bool)

    def reset(self, *, seed=None, options=None):
        self.buffer[:] = 0
        self.done[:] = False
        return self.buffer, {}

    def step(self, actions):
        self.got = actions
        self.buffer += 1
        self.buffer[self.done] = 0
        ends = self.buffer[:, 0] == np.arange(self.num_envs) + 1
        even = np.arange(self.num_envs) % 2 == 0
        self.done = ends
        return self.buffer, np.full(self.num_envs, 5.0), ends & even, ends & ~even, {}


def cart_poles(seed, steps=60):
    env = create_environment("CartPole-v0", num_parallel_environments=4, seed=seed)
    actions = torch.Generator().manual_seed(0)
    trace = [env.reset()]
    trace += [env.step(torch.randint(0, 2, (4,), generator=actions)) for _ in range(steps)]
    return env, trace


class TestClock:
    def test_ends(self):
        """Step types, rewards and discounts of ends of both kinds, side by side."""
        env = VectorEnvironment(Clock(3), discount=0.5)
        steps = [env.reset(), *(env.step(torch.zeros(3, dtype=torch.int64)) for _ in range(4))]

        assert [[0, 0, 0], [2, 1, 1], [0, 2, 1], [2, 0, 2], [0, 1, 0]] == [
            s.step_type.tolist() for s in steps
        ]
        assert [[1, 1, 1], [0, 0.5, 0.5], [1, 1, 0.5], [0, 1, 0], [1, 0.5, 1]] == [
            s.discount.tolist() for s in steps
        ]
        assert [[0, 0, 0], [5, 5, 5], [0, 5, 5], [5, 0, 5], [0, 5, 0]] == [
            s.reward.tolist() for s in steps
        ]
        assert [[0, 0, 0], [1, 1, 1], [0, 2, 2], [1, 0, 3], [0, 1, 0]] == [
            s.observation[:, 0].tolist() for s in steps
        ]

    def test_actions(self):
        """Discrete actions are shifted; prev_action is zeros where an episode begins."""
        clock = Clock(2)
        env = VectorEnvironment(clock)
        env.reset()
        env.step(torch.tensor([1, 1]))
        second = env.step(torch.tensor([1, 1]))

        assert [2, 2] == clock.got.tolist()
        assert [0, 1] == second.prev_action.tolist()

    def test_other_autoreset(self):
        """An environment that resets itself within a step is refused."""
        clock = Clock(2)
        clock.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

        with pytest.raises(EnvError, match="NEXT_STEP"):
            VectorEnvironment(clock)


class TestCartPole:
    def test_chosen(self):
        """The vectorised implementation serves a batch of CartPoles, with the limit of v0."""
        env, trace = cart_poles(0)

        assert isinstance(env, VectorEnvironment)
        assert any(step.is_last().any() for step in trace)
        assert 200 == vars(env._env.unwrapped)["max_episode_steps"]

    def test_seed(self):
        """The same seed gives the same steps, another one others."""
        traces = [flatten(cart_poles(seed)[1]) for seed in (5, 5, 6)]

        assert all(torch.equal(a, b) for a, b in zip(traces[0], traces[1], strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(traces[0], traces[2], strict=True))

    def test_environments_differ(self):
        """No two environments of a batch play the same episode."""
        first = cart_poles(0)[1][0].observation

        assert 4 == len(torch.unique(first, dim=0))

    def test_first_follows_last(self):
        """Every end is followed by a beginning with reward 0."""
        _, trace = cart_poles(1)

        for before, after in itertools.pairwise(trace):
            assert torch.equal(before.is_last(), after.is_first())
            assert (after.reward[after.is_first()] == 0).all()
            assert (before.discount[before.is_last()] == 0).all()

    def test_resumes_exactly(self, tmp_path):
        """A stored state goes on with the very same steps, resets included."""
        env, _ = cart_poles(3)
        torch.save(env.state_dict(), tmp_path / "state.pt")
        action = torch.ones(4, dtype=torch.int64)
        expected = [env.step(action) for _ in range(30)]
        other, _ = cart_poles(4)
        other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        got = [other.step(action) for _ in range(30)]

        for a, b in zip(flatten(expected), flatten(got), strict=True):
            assert torch.equal(a, b)
