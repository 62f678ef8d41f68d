"""Atari games, with the preprocessing that papers on them share; see `AtariGame`."""

import importlib
from typing import Any

from alf._config import configurable
from alf.environments import suite_gym
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.atari_game import AtariGame
from alf.errors import ConfigError


@configurable
def load(
    environment_name: str,
    env_id: int | None = None,
    discount: float = 1.0,
    max_episode_steps: int = 0,
    frame_skip: int = 4,
    noop_max: int = 30,
    screen_size: int = 84,
    terminal_on_life_loss: bool = False,
    fire: bool = True,
    repeat_action_probability: float = 0.0,
    render_mode: str | None = None,
    **console_kwargs: Any,
) -> AlfEnvironment:
    """Make one game (batch size 1) of the Arcade Learning Environment.

    For training, a lost life ends the episode in most papers, and rewards are clipped to their
    sign; what a policy is worth is told by whole games and their scores. A conf says so with:

        create_environment.env_load_fn = partial(suite_atari.load, terminal_on_life_loss=True)
        create_environment.eval_env_load_fn = suite_atari.load
        TrainerConfig.data_transformer_ctor = [FrameStacker, RewardClipping]

    Args:
        environment_name: an id such as `"ALE/Breakout-v5"`, or the name of the game, `"Breakout"`.
        env_id: the index of the environment in its batch; unused here.
        discount: multiplies the discount of `MID` steps.
        max_episode_steps: stop a game with discount 1 after so many steps; 0 for no limit but
            that of the console, 108000 frames.
        frame_skip: frames of a step.
        noop_max: a game begins with 1 to so many idle frames.
        screen_size: height and width of the observation.
        terminal_on_life_loss: whether a lost life ends the episode.
        fire: press the fire button where the game waits for it.
        repeat_action_probability: with which the console does the last action again instead of
            the one it is given; 0.25 is advised by https://arxiv.org/abs/1709.06009, and 0 what
            older results were got with.
        render_mode: `"rgb_array"` for `render()`, `"human"` for the console's own window.
        **console_kwargs: arguments of the console, such as `mode` and `difficulty`.

    Raises:
        ConfigError: if there is no such game, the package is missing, or an argument does not fit.
        EnvError: if the console fails while it is made.
    """
    del env_id
    is_id = "/" in environment_name or "-" in environment_name
    name = environment_name if is_id else f"ALE/{environment_name}"
    spec = suite_gym.find_spec(name)
    if "ale_py" not in str(spec.entry_point):
        raise ConfigError(
            f"{environment_name!r} is no Atari game: name one like 'ALE/Breakout-v5', or load it "
            f"with suite_gym.load, the default of create_environment.env_load_fn"
        )
    _be_quiet()
    settings = {
        "frameskip": 1,
        "repeat_action_probability": repeat_action_probability,
        "obs_type": "grayscale",
        **console_kwargs,
    }
    console = suite_gym.make_gym(spec, None, render_mode, settings)
    game = AtariGame(console, frame_skip, noop_max, screen_size, terminal_on_life_loss, fire)
    return suite_gym.wrap_env(game, discount=discount, max_episode_steps=max_episode_steps)


def _be_quiet() -> None:
    """Keep the console from printing who made it, once for each game."""
    ale_py = importlib.import_module("ale_py")
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
