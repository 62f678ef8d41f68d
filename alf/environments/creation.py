"""The batch of environments of a job, in the fastest way that gives the same results."""

import inspect
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium
from absl import logging

from alf._config import configurable
from alf._config.settled import Settled, no_matter, settled
from alf.environments import suite_gym
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.in_process_environment import InProcessEnvironment, take_lanes
from alf.environments.process_environment import ProcessEnvironment
from alf.errors import ConfigError
from alf.nest import map_structure

# Below this a step in a loop beats waking a worker and waiting for it.
_CHEAP_STEP_SECONDS = 150e-6
_TIMED_STEPS = 20
_TIMING_BUDGET_SECONDS = 0.2


@configurable
@settled(
    batch_size_per_env=no_matter(None),  # num_parallel_environments counts all of them
    eval_batch_size_per_env=no_matter(None),
    flatten=Settled(True, "a batch has one dimension; leave it out"),
    start_serially=no_matter(True),
    num_spare_envs=no_matter(0),
)
def create_environment(
    env_name: str = "CartPole-v0",
    env_load_fn: Callable[..., Any] = suite_gym.load,
    eval_env_load_fn: Callable[..., Any] | None = None,
    for_evaluation: bool = False,
    num_parallel_environments: int = 30,
    nonparallel: bool = False,
    torch_num_threads_per_env: int = 1,
    parallel_environment_ctor: Callable[..., AlfEnvironment] = ProcessEnvironment,
    seed: int | None = None,
    first_environment: int = 0,
    batched_wrappers: Sequence[Callable[[AlfEnvironment], AlfEnvironment]] = (),
    render_mode: str | None = None,
) -> AlfEnvironment:
    """Make the batch of environments.

    How they are stepped is chosen here: by gymnasium's vectorised implementation where there is
    one and nothing but `suite_gym.load` shapes the environment; else in this process if a step is
    cheap, and in worker processes if it is dear. The last two give the same time steps for the
    same seed, whatever the number of workers; the first depends on no measurement. So a job's
    results do not depend on the choice.

    Args:
        env_name: what to make, given to `env_load_fn`.
        env_load_fn: `(env_name, env_id=...)` -> one `AlfEnvironment` of batch size 1 or one
            `gymnasium.Env`. `env_id` and `render_mode` are passed if it takes them. One with a true
            attribute `makes_batches` makes all of them: `(env_name, batch_size=, seed=)`.
        eval_env_load_fn: the same, for evaluation; default `env_load_fn`.
        for_evaluation: use `eval_env_load_fn`.
        num_parallel_environments: the batch size `B`.
        nonparallel: step them one by one in this process, whatever they cost.
        torch_num_threads_per_env: threads of torch in each worker.
        parallel_environment_ctor: makes the batch of dear environments:
            `ctor(env_ctors, seed=..., torch_num_threads=..., time_step_spec=...)`; e.g.
            `partial(ProcessEnvironment, num_workers=4)`.
        seed: environment `i` is seeded with `seed + i` at the first `reset()`; `None` draws from
            the system.
        first_environment: number of the first environment of this batch among those of a job whose
            processes have a batch each; `env_load_fn` and seeds count from there.
        batched_wrappers: applied to the batch, in order.
        render_mode: of environment 0, e.g. `"rgb_array"`.

    Raises:
        ConfigError: if the environment is unknown or cannot be made as asked.
        EnvError: if it fails while it is made.
    """
    if num_parallel_environments < 1:
        raise ConfigError(
            "create_environment.num_parallel_environments must be at least 1; it is "
            f"{num_parallel_environments}"
        )
    if seed is not None:
        seed += first_environment
    load = eval_env_load_fn if for_evaluation and eval_env_load_fn else env_load_fn
    if _makes_batches(load):
        env = load(env_name, batch_size=num_parallel_environments, seed=seed)
        return _wrapped(env, batched_wrappers)
    ctors = [
        partial(_load_one, load, env_name, first_environment + i, render_mode if i == 0 else None)
        for i in range(num_parallel_environments)
    ]
    parallel = partial(parallel_environment_ctor, torch_num_threads=torch_num_threads_per_env)
    return _wrapped(_make_batch(ctors, nonparallel, parallel, seed), batched_wrappers)


def _makes_batches(load: Callable[..., Any]) -> bool:
    """Whether it says, by its attribute `makes_batches`, that it makes all in one piece."""
    while isinstance(load, partial):
        load = load.func
    return getattr(load, "makes_batches", False)


def _wrapped(
    env: AlfEnvironment, wrappers: Sequence[Callable[[AlfEnvironment], AlfEnvironment]]
) -> AlfEnvironment:
    for wrapper in wrappers:
        env = wrapper(env)
    return env


def _make_batch(
    ctors: Sequence[Callable[[], AlfEnvironment]],
    nonparallel: bool,
    parallel: Callable[..., AlfEnvironment],
    seed: int | None,
) -> AlfEnvironment:
    first, count = ctors[0](), len(ctors)
    vector = _vectorised(first, count, seed)
    if vector is not None:
        first.close()
        logging.info("%s: %d environments in one vectorised call", first.name, count)
        return vector
    if count == 1:
        return InProcessEnvironment(take_lanes(first), seed)
    why = _why_in_process(first, nonparallel)
    spec = first.time_step_spec()
    first.close()  # it was stepped to measure it, and so is not like the others any more
    if why is None:
        return parallel(ctors, seed=seed, time_step_spec=spec)
    logging.info("%s: %d environments in this process, %s", first.name, count, why)
    lanes = [lane for ctor in ctors for lane in take_lanes(ctor())]
    return InProcessEnvironment(lanes, seed)


def _load_one(
    load: Callable[..., Any], env_name: str, env_id: int, render_mode: str | None
) -> AlfEnvironment:
    try:
        accepted = inspect.signature(load).parameters
    except ValueError:  # it is written in C, and does not say
        accepted = {}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    kwargs: dict[str, Any] = {}
    if "env_id" in accepted:
        kwargs["env_id"] = env_id
    if render_mode is not None and ("render_mode" in accepted or takes_any):
        kwargs["render_mode"] = render_mode
    env = load(env_name, **kwargs)
    if isinstance(env, AlfEnvironment):
        if env.batch_size != 1:
            raise ConfigError(
                f"create_environment.env_load_fn={load} made a batch of {env.batch_size} "
                "environments: it must make one at a time; set how many with "
                "create_environment.num_parallel_environments"
            )
        return env
    if isinstance(env, gymnasium.Env):
        return suite_gym.wrap_env(env)
    raise ConfigError(
        f"create_environment.env_load_fn={load} made a {type(env).__name__} of {env_name!r}: it "
        "must return an AlfEnvironment or a gymnasium.Env"
    )


def _vectorised(first: AlfEnvironment, count: int, seed: int | None) -> AlfEnvironment | None:
    """A single environment is faster without arrays of length 1."""
    if count == 1 or not isinstance(first, suite_gym.GymEnvironment) or first.recipe is None:
        return None
    vector = suite_gym.load_vector(first.recipe, count, seed)
    if vector is None:
        return None
    if vector.time_step_spec() != first.time_step_spec():
        vector.close()
        return None
    return vector


def _why_in_process(first: AlfEnvironment, nonparallel: bool) -> str | None:
    """Why environments are stepped here, or `None` if workers are worth it."""
    if nonparallel:
        return "as asked for by nonparallel=True"
    if os.cpu_count() == 1:
        return "as there is one processor"
    seconds = _step_seconds(first)
    if seconds < _CHEAP_STEP_SECONDS:
        return f"as a step takes {seconds * 1e6:.0f} us"
    logging.info("%s: a step takes %.0f us, so workers step it", first.name, seconds * 1e6)
    return None


def _step_seconds(env: AlfEnvironment) -> float:
    """The median time of a step."""
    env.reset()
    action = map_structure(lambda spec: spec.zeros((1,)), env.action_spec())
    seconds: list[float] = []
    while len(seconds) < _TIMED_STEPS and sum(seconds) < _TIMING_BUDGET_SECONDS:
        start = time.perf_counter()
        env.step(action)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2]
