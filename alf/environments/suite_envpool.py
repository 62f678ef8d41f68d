"""Environments of EnvPool: a batch of them, stepped by C++ threads in one call.

Weng et al., "EnvPool: A Highly Parallel Reinforcement Learning Environment Execution Engine",
https://arxiv.org/abs/2206.10558 (`pip install 'alf[envpool]'`). Where gymnasium's own environments
take workers, as Atari games do, this steps them without.
"""

import difflib
import importlib
import warnings
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from alf._config import configurable
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.vector_environment import VectorEnvironment
from alf.errors import ConfigError


@configurable
def load(
    environment_name: str,
    batch_size: int = 1,
    seed: int | None = None,
    discount: float = 1.0,
    max_episode_steps: int | None = None,
    num_threads: int = 0,
    **env_kwargs: Any,
) -> AlfEnvironment:
    """Make a batch of one of EnvPool's environments.

    It is a `create_environment.env_load_fn` that makes all environments in one piece. Its state
    cannot be read, so that a resumed job starts new episodes; it draws no pictures, so that play
    needs another `eval_env_load_fn`. An episode that ends at its very limit is told as cut off,
    not as ended.

    Args:
        environment_name: one of `envpool.list_all_envs()`, for example `"Breakout-v5"`.
        batch_size: `B`.
        seed: environment `i` has `seed + i`; `None` draws one from the system.
        discount: multiplies the discount of `MID` steps.
        max_episode_steps: after so many steps an episode stops with discount 1; `None` is the
            environment's own limit.
        num_threads: of the pool; 0 for as many as there are processors.
        **env_kwargs: arguments of the environment, for Atari for example `episodic_life=True`,
            `use_fire_reset=True` and `stack_num=1`.

    Raises:
        ConfigError: if EnvPool is not installed, has no such environment, or does not take an
            argument.
    """
    envpool = _envpool(environment_name)
    if max_episode_steps is not None:
        env_kwargs = {**env_kwargs, "max_episode_steps": max_episode_steps}
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0] >> 2)  # it takes 31 bits
    numbers = {"num_envs": batch_size, "num_threads": num_threads, "seed": seed}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of bounds that it rounds itself
            pool = envpool.make(environment_name, env_type="gymnasium", **numbers, **env_kwargs)
            env = _Pool(pool, environment_name, batch_size)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"EnvPool cannot make {environment_name} with {env_kwargs}: {error}; see "
            f"`envpool.make_spec({environment_name!r})`"
        ) from error
    return VectorEnvironment(env, discount, normalize_action=True)


class _Pool(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """A pool as a vector environment; it is seeded when it is made, and no more."""

    def __init__(self, pool: Any, name: str, num_envs: int):
        self._pool = pool
        self.num_envs = num_envs
        self.single_observation_space = pool.observation_space
        self.single_action_space = pool.action_space
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.spec = EnvSpec(name)
        self._dtype = pool.action_space.dtype

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        """New episodes."""
        return self._pool.reset()

    def step(self, actions: Any) -> Any:
        """One call of the pool."""
        return self._pool.step(actions.astype(self._dtype, copy=False))

    def close(self, **kwargs: Any) -> None:
        """End its threads."""
        self._pool.close()


def _envpool(environment_name: str) -> Any:
    """The package, if it has an environment.

    Raises:
        ConfigError: it is not installed, or has none of this name.
    """
    try:
        envpool = importlib.import_module("envpool")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"suite_envpool.load makes {environment_name!r} with EnvPool, which is not installed: "
            f"pip install 'alf[envpool]'"
        ) from error
    names = envpool.list_all_envs()
    if environment_name not in names:
        close = ", ".join(difflib.get_close_matches(environment_name, names, n=3))
        raise ConfigError(
            f"EnvPool has no environment {environment_name!r}"
            + (f"; did you mean {close}?" if close else ": see envpool.list_all_envs()")
        )
    return envpool


load.makes_batches = True  # type: ignore[attr-defined]
