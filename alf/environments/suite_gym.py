"""Environments of gymnasium's registry, and gymnasium environments of your own."""

import copy
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, find_highest_version, get_env_id, parse_env_id
from gymnasium.error import DependencyNotInstalled

from alf._config import configurable, override_with
from alf._config.settled import Settled, settled
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.in_process_environment import InProcessEnvironment
from alf.environments.lane import GymLane
from alf.environments.vector_environment import VectorEnvironment, resets_at_next_step
from alf.errors import AlfError, ConfigError, EnvError
from alf.failures import last_places

GymWrapper = Callable[[Any], Any]
"""Takes a `gymnasium.Env` and returns one, as the classes of `gymnasium.wrappers` do."""
AlfWrapper = Callable[[AlfEnvironment], AlfEnvironment]
"""Takes an environment and returns one; see `alf.environments.wrappers`."""


@dataclass(frozen=True)
class GymRecipe:
    """How a plain gymnasium environment was made, so that N of them can be made in one piece.

    Attributes:
        spec: what gymnasium registered.
        max_episode_steps: `None` for the registered limit, -1 for no limit.
        kwargs: arguments of the environment.
        discount: of `MID` steps.
        image_channel_first: whether images are `[C, H, W]`.
        normalize_action: whether bounded continuous actions lie in `[-1, 1]`.
    """

    spec: EnvSpec
    max_episode_steps: int | None
    kwargs: dict[str, Any] = field(default_factory=dict)
    discount: float = 1.0
    image_channel_first: bool = True
    normalize_action: bool = True


class GymEnvironment(InProcessEnvironment):
    """One gymnasium environment, batch size 1.

    Args:
        lane: the environment.
        recipe: how it was made, where nothing but gymnasium's registry was needed.
    """

    def __init__(self, lane: GymLane, recipe: GymRecipe | None = None):
        super().__init__([lane])
        self.recipe = recipe

    @property
    def gym(self) -> gymnasium.Env[Any, Any]:
        """The wrapped gymnasium environment."""
        lane = self.lanes[0]
        assert isinstance(lane, GymLane)
        return lane.env


@configurable
def load(
    environment_name: str,
    env_id: int | None = None,
    discount: float = 1.0,
    max_episode_steps: int | None = None,
    gym_env_wrappers: Sequence[GymWrapper] = (),
    alf_env_wrappers: Sequence[AlfWrapper] = (),
    image_channel_first: bool = True,
    render_mode: str | None = None,
    **gym_kwargs: Any,
) -> AlfEnvironment:
    """Make one environment (batch size 1) by its gymnasium id.

    Args:
        environment_name: an id such as `"CartPole-v1"`, or, in a conf, `"module:Id-v0"` to import
            the module that registers it first. Old versions work; without a version the newest is
            taken.
        env_id: the index of the environment in its batch; unused here.
        discount: multiplies the discount of `MID` steps.
        max_episode_steps: after so many steps an episode stops with discount 1; `None` is the
            registered limit, 0 none.
        gym_env_wrappers: applied to the gymnasium environment, in order.
        alf_env_wrappers: applied to the `AlfEnvironment`, in order.
        image_channel_first: turn `[H, W, C]` images into `[C, H, W]`.
        render_mode: `"rgb_array"` for `render()`, `"human"` for the environment's own window.
        **gym_kwargs: arguments of the environment.

    Raises:
        ConfigError: if the id is unknown, a package is missing, or an argument does not fit.
        EnvError: if the environment fails while it is made.
    """
    del env_id
    spec = find_spec(environment_name)
    limit = -1 if max_episode_steps == 0 else max_episode_steps
    gym_env = make_gym(spec, limit, render_mode, gym_kwargs)
    env = wrap_env(
        gym_env,
        discount=discount,
        gym_env_wrappers=gym_env_wrappers,
        alf_env_wrappers=alf_env_wrappers,
        image_channel_first=image_channel_first,
    )
    plain = not gym_env_wrappers and render_mode is None
    lane = env.lanes[0] if plain and isinstance(env, GymEnvironment) else None
    if isinstance(lane, GymLane) and lane.clips:  # as `VectorEnvironment` does
        assert isinstance(env, GymEnvironment)
        env.recipe = GymRecipe(
            spec, limit, gym_kwargs, discount, image_channel_first, lane.normalizes
        )
    return env


def _is_time_limit(value: Any) -> bool:
    """Whether it is a wrapper of the usual name, which does what `max_episode_steps` does."""
    return getattr(value, "__name__", "") == "TimeLimit"


@configurable
@settled(
    auto_reset=Settled(
        True, "environments always reset themselves at the step after LAST; leave it out"
    ),
    time_limit_wrapper=Settled(
        None, "set max_episode_steps, or give your own wrapper in gym_env_wrappers", _is_time_limit
    ),
)
def wrap_env(
    gym_env: gymnasium.Env[Any, Any],
    env_id: int | None = None,
    discount: float = 1.0,
    max_episode_steps: int = 0,
    gym_env_wrappers: Sequence[GymWrapper] = (),
    normalize_action: bool = True,
    clip_action: bool = True,
    alf_env_wrappers: Sequence[AlfWrapper] = (),
    image_channel_first: bool = True,
) -> AlfEnvironment:
    """Turn one gymnasium environment into an `AlfEnvironment` of batch size 1.

    Args:
        gym_env: the environment.
        env_id: the index of the environment in its batch; unused here.
        discount: multiplies the discount of `MID` steps.
        max_episode_steps: stop episodes with discount 1 after so many steps; 0 for no limit but
            that of `gym_env` itself.
        gym_env_wrappers: applied to `gym_env`, in order.
        normalize_action: let bounded continuous actions lie in `[-1, 1]` and scale them to the
            environment's bounds; else the action spec has the environment's own bounds.
        clip_action: clip continuous actions to the bounds before the environment sees them.
        alf_env_wrappers: applied to the `AlfEnvironment`, in order.
        image_channel_first: turn `[H, W, C]` images into `[C, H, W]`.

    Raises:
        EnvError: if a space has no tensor form.
    """
    del env_id
    if max_episode_steps > 0:
        gym_env = gymnasium.wrappers.TimeLimit(gym_env, max_episode_steps)
    for gym_wrapper in gym_env_wrappers:
        gym_env = gym_wrapper(gym_env)
    lane = GymLane(gym_env, discount, image_channel_first, clip_action, normalize_action)
    env: AlfEnvironment = GymEnvironment(lane)
    for alf_wrapper in alf_env_wrappers:
        env = alf_wrapper(env)
    return env


def load_vector(recipe: GymRecipe, batch_size: int, seed: int | None) -> AlfEnvironment | None:
    """The vectorised implementation of an environment, if gymnasium has one that fits.

    Returns:
        `None` if there is none, or it resets itself otherwise or looks other than the single one.
    """
    spec = recipe.spec
    if (
        spec.vector_entry_point is None
        or spec.additional_wrappers
        or recipe.max_episode_steps == -1  # vector implementations always have a limit
    ):
        return None
    kwargs = dict(recipe.kwargs)
    if recipe.max_episode_steps is not None:
        kwargs["max_episode_steps"] = recipe.max_episode_steps
    env = gymnasium.make_vec(
        spec, num_envs=batch_size, vectorization_mode="vector_entry_point", **kwargs
    )
    if not resets_at_next_step(env):
        env.close()
        return None
    return VectorEnvironment(
        env,
        recipe.discount,
        recipe.image_channel_first,
        normalize_action=recipe.normalize_action,
        seed=seed,
    )


def find_spec(environment_name: str) -> EnvSpec:
    """What gymnasium registered under an id.

    Gymnasium's own lookup warns about every version that is not the newest. A conf that names an
    old version means it, so the registry is asked directly.

    Raises:
        ConfigError: if there is no such id, with the closest ones and what to install; or if it
            would import a module, and is not the conf's.
    """
    module, _, name = environment_name.rpartition(":")
    if module:
        refuse_import_by_data(environment_name)
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"cannot import {module!r} to find the environment {environment_name!r}: {error}"
            ) from None
    registry = gymnasium.registry
    if name not in registry and not module:
        _register_atari()
    if name in registry:
        return registry[name]
    newest = _newest_version(name)
    if newest is None:
        raise ConfigError(_unknown(environment_name, name))
    return registry[newest]


def refuse_import_by_data(environment_name: object) -> None:
    """Refuse a name that would import a package, where it is data: of a search, of an override.

    Whatever a conf has imported is there already, so that its environments can be named; and so can
    those of this package.

    Args:
        environment_name: as `load` takes it.

    Raises:
        ConfigError: then.
    """
    if not isinstance(environment_name, str) or ":" not in environment_name:
        return
    module, _, name = environment_name.rpartition(":")
    where = override_with(environment_name)
    is_ours = module.startswith(f"{__name__.rpartition('.')[0]}.")
    if where is not None and module not in sys.modules and not is_ours:
        raise ConfigError(
            f"{where} is {environment_name!r}, which would import {module!r}: values of overrides "
            f"and searches run no code. Write 'import {module}' into the conf; then {name!r} is "
            "enough here"
        )


def _newest_version(name: str) -> str | None:
    try:
        namespace, base, version = parse_env_id(name)
    except gymnasium.error.Error:
        return None
    newest = find_highest_version(namespace, base)
    if version is not None or newest is None:
        return None
    return get_env_id(namespace, base, newest)


def _register_atari() -> None:
    """The Arcade Learning Environment registers itself only when it is imported."""
    try:
        ale_py = importlib.import_module("ale_py")
    except ModuleNotFoundError:
        return
    gymnasium.register_envs(ale_py)


def _unknown(given: str, name: str) -> str:
    message = f"there is no environment {given!r} in gymnasium's registry"
    close = difflib.get_close_matches(name, list(gymnasium.registry), n=3, cutoff=0.6)
    if close:
        message += f"; did you mean {', '.join(close)}?"
    if name.startswith("ALE/") or name.endswith(("NoFrameskip-v4", "NoFrameskip-v0")):
        return message + "; Atari games need: pip install 'alf[atari]'"
    if "/" in name:
        return message + (
            f"; the package that registers {name.partition('/')[0]!r} must be installed, and "
            f"imported: env_name='package:{name}'"
        )
    if not close:
        message += (
            "; an environment of your own is named 'module:Id-v0', with the module that registers "
            "it; gymnasium.pprint_registry() lists the others"
        )
    return message


def make_gym(
    spec: EnvSpec, limit: int | None, render_mode: str | None, kwargs: dict[str, Any]
) -> gymnasium.Env[Any, Any]:
    """What gymnasium makes of a registered environment, without wrappers that check alone.

    Args:
        spec: what is registered.
        limit: after so many steps an episode is truncated; `None` for the registered limit, -1
            for none.
        render_mode: see `load`.
        kwargs: arguments of the environment.

    Raises:
        ConfigError: if a package is missing, or an argument does not fit.
        EnvError: if the environment fails while it is made.
    """
    spec = copy.copy(spec)
    spec.order_enforce = False  # AlfEnvironment enforces the order, and these two cost more
    spec.disable_env_checker = True  # than a step of a small environment
    if render_mode is not None:
        kwargs = {**kwargs, "render_mode": render_mode}
        if render_mode != "human" and "mujoco" in str(spec.entry_point):
            _draw_without_display()
    try:
        return gymnasium.make(spec, max_episode_steps=limit, **kwargs)
    except DependencyNotInstalled as error:
        raise ConfigError(f"{spec.id} needs a package: {_install_hint(spec)} ({error})") from error
    except ModuleNotFoundError as error:
        raise ConfigError(f"{spec.id} needs a package: {_install_hint(spec)} ({error})") from error
    except TypeError as error:
        raise ConfigError(f"{spec.id} cannot be made with {kwargs}: {error}") from error
    except AlfError:
        raise
    except Exception as error:
        places = "".join(f"\n  {place}" for place in last_places(error, 3))
        told = f"{type(error).__name__}: {error}{places}"
        raise EnvError(f"{spec.id} broke while it was made: {told}") from error


def _draw_without_display() -> None:
    """Let MuJoCo draw where there is no screen; what MUJOCO_GL says already holds."""
    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        os.environ.setdefault("MUJOCO_GL", "egl")


def _install_hint(spec: EnvSpec) -> str:
    entry = str(spec.entry_point)
    for word, install in (
        ("mujoco", "pip install 'alf[mujoco]'"),
        ("ale_py", "pip install 'alf[atari]'"),
        ("box2d", "pip install 'alf[box2d]'"),
        ("toy_text", "pip install 'gymnasium[toy-text]'"),
    ):
        if word in entry:
            return install
    return "install what is named here"
