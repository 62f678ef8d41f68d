from functools import partial

import gymnasium
import pytest
import torch

from alf._config import config
from alf.environments import suite_gym
from alf.environments.creation import create_environment
from alf.environments.in_process_environment import InProcessEnvironment
from alf.environments.process_environment import ProcessEnvironment
from alf.environments.vector_environment import VectorEnvironment
from alf.environments.wrappers import TimeLimit
from alf.errors import ConfigError
from alf.nest import flatten


class TestChoice:
    @pytest.mark.parametrize(
        ("kwargs", "expected"),
        [
            ({}, VectorEnvironment),
            ({"num_parallel_environments": 1}, InProcessEnvironment),
            ({"env_load_fn": partial(suite_gym.load, discount=0.9)}, VectorEnvironment),
            ({"env_load_fn": partial(suite_gym.load, max_episode_steps=7)}, VectorEnvironment),
            ({"env_load_fn": partial(suite_gym.load, max_episode_steps=0)}, InProcessEnvironment),
            (
                {"env_load_fn": partial(suite_gym.load, gym_env_wrappers=[lambda env: env])},
                InProcessEnvironment,
            ),
            (
                {
                    "env_load_fn": partial(
                        suite_gym.load, alf_env_wrappers=[partial(TimeLimit, duration=2)]
                    )
                },
                InProcessEnvironment,
            ),
            ({"render_mode": "rgb_array"}, InProcessEnvironment),
            ({"env_name": "Pendulum-v1", "nonparallel": True}, InProcessEnvironment),
        ],
    )
    def test_kind(self, kwargs, expected):
        """What shapes the single environment keeps the vectorised implementation away."""
        kwargs = {"num_parallel_environments": 2, "seed": 0, **kwargs}
        with create_environment(**kwargs) as env:
            assert expected is type(env)
            assert kwargs["num_parallel_environments"] == env.reset().step_type.shape[0]

    def test_configured_load(self):
        """Values that a conf sets for suite_gym.load count in the choice and in the result."""
        config("suite_gym.load", max_episode_steps=3)
        env = create_environment(num_parallel_environments=2, seed=0)
        env.reset()
        kinds = [env.step(torch.tensor([0, 1])).step_type.tolist() for _ in range(4)]

        assert isinstance(env, VectorEnvironment)
        assert [[1, 1], [1, 1], [2, 2], [0, 0]] == kinds

    def test_results_do_not_depend_on_it(self):
        """In process and in workers, a seed gives the same time steps."""
        traces = []
        load = partial(suite_gym.load, max_episode_steps=5)
        for batch in (
            create_environment("Pendulum-v1", load, num_parallel_environments=3, seed=4),
            ProcessEnvironment([partial(load, "Pendulum-v1", i) for i in range(3)], seed=4),
        ):
            with batch as env:
                trace = [env.reset(), *(env.step(torch.ones(3, 1)) for _ in range(12))]
            traces.append(flatten(trace))

        assert all(torch.equal(a, b) for a, b in zip(*traces, strict=True))

    def test_parallel_ctor(self):
        """A conf can say how dear environments are made."""
        calls = []

        def ctor(env_ctors, **kwargs):
            calls.append((len(env_ctors), kwargs))
            return env_ctors[0]()

        class Slow(gymnasium.Env):
            observation_space = action_space = gymnasium.spaces.Discrete(2)

            def reset(self, *, seed=None, options=None):
                return 0, {}

            def step(self, action):
                self.product = torch.rand(400, 400) @ torch.rand(400, 400)
                return 0, 0.0, False, False, {}

        create_environment(
            "Slow",
            lambda name: Slow(),
            num_parallel_environments=2,
            parallel_environment_ctor=ctor,
            torch_num_threads_per_env=3,
            seed=9,
        )

        ((count, kwargs),) = calls
        assert (2, 9, 3) == (count, kwargs["seed"], kwargs["torch_num_threads"])


class TestLoading:
    def test_own_function(self, tiny):
        """env_id and render_mode are passed to a function that takes them."""
        ids = []

        def load(name, env_id, render_mode=None):
            ids.append((name, env_id, render_mode))
            return tiny.Countdown(render_mode=render_mode)

        with create_environment(
            "Mine", load, num_parallel_environments=2, render_mode="rgb_array", nonparallel=True
        ) as env:
            env.reset()
            assert (4, 5, 3) == env.render().shape

        assert [("Mine", 0, "rgb_array"), ("Mine", 1, None)] == ids[-2:]

    def test_evaluation(self, tiny):
        """Evaluation has its own load function, and falls back to that of training."""
        made = []

        def load(name, kind):
            made.append(kind)
            return tiny.Countdown()

        kwargs = {"env_load_fn": partial(load, kind="train"), "num_parallel_environments": 1}
        create_environment(
            "x", eval_env_load_fn=partial(load, kind="eval"), for_evaluation=True, **kwargs
        )
        create_environment("x", eval_env_load_fn=partial(load, kind="eval"), **kwargs)
        create_environment("x", for_evaluation=True, **kwargs)

        assert ["eval", "train", "train"] == made

    def test_batched_wrappers(self, tiny):
        """They get the batch, in order."""
        seen = []

        def wrapper(env):
            seen.append(env.batch_size)
            return env

        create_environment(
            "x",
            lambda name: tiny.Countdown(),
            num_parallel_environments=3,
            batched_wrappers=[wrapper, wrapper],
        )

        assert [3, 3] == seen

    def test_seed_is_for_the_first_reset(self, tiny):
        """Later resets go on with the random numbers."""

        def make():
            return create_environment(
                "x", lambda name: tiny.Noise(), num_parallel_environments=2, seed=3
            )

        one, two = make(), make()

        a, b = one.reset().observation, one.reset().observation

        assert torch.equal(a, two.reset().observation)
        assert not torch.equal(a, b)


class TestRefusals:
    def test_no_environment(self):
        """A batch has at least one."""
        with pytest.raises(ConfigError, match="num_parallel_environments must be at least 1"):
            create_environment(num_parallel_environments=0)

    def test_wrong_result(self):
        """A load function that makes something else is named."""
        with pytest.raises(ConfigError, match="made a str of 'x'"):
            create_environment("x", lambda name: "nothing", num_parallel_environments=1)

    def test_batch_in_a_batch(self, tiny):
        """A load function makes one environment at a time."""

        def load(name):
            return create_environment(
                "x", lambda name: tiny.Countdown(), num_parallel_environments=2
            )

        with pytest.raises(ConfigError, match="made a batch of 2"):
            create_environment("x", load, num_parallel_environments=2)

    def test_settled(self):
        """What would change nothing may be set; what is not possible is refused with a lesson."""
        config("create_environment", batch_size_per_env=2, num_spare_envs=1, flatten=True)
        with pytest.raises(ConfigError, match="a batch has one dimension"):
            config("create_environment", flatten=False)
