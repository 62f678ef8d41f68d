"""An Atari 2600 game as it is played since the first paper on it: skipped frames, small and grey.

- Mnih et al., "Human-level control through deep reinforcement learning",
  https://doi.org/10.1038/nature14236
- Machado et al., "Revisiting the Arcade Learning Environment", https://arxiv.org/abs/1709.06009, on
  what differs from paper to paper

The console is that of the Arcade Learning Environment (`pip install 'alf[atari]'`).
"""

from typing import Any

import cv2
import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from alf.errors import ConfigError

Screen = NDArray[np.uint8]

_NOOP, _FIRE = 0, 1


class AtariGame(gymnasium.Env[Screen, np.int64]):
    """A game whose steps are several frames of the console.

    An observation is a grey picture `[screen_size, screen_size, 1]`, each pixel the brighter of the
    last two frames, as the console draws some things in every other frame only. The reward is the
    score of the frames. A game begins with a few idle frames, so that no two are alike; one that
    waits for the fire button gets it pressed, at the beginning and for each new life.

    With `terminal_on_life_loss` a lost life ends the episode, and the next one goes on with the
    same game; it is for training.

    Args:
        console: the game of the Arcade Learning Environment, with `frameskip=1`.
        frame_skip: frames of a step, at least 1.
        noop_max: a game begins with 1 to so many idle frames; 0 for none.
        screen_size: height and width of the picture.
        terminal_on_life_loss: whether a lost life ends the episode.
        fire: press the fire button where the game waits for it.

    Raises:
        ConfigError: a number is out of its range.
    """

    def __init__(
        self,
        console: gymnasium.Env[Any, Any],
        frame_skip: int = 4,
        noop_max: int = 30,
        screen_size: int = 84,
        terminal_on_life_loss: bool = False,
        fire: bool = True,
    ):
        _check("frame_skip", frame_skip, 1)
        _check("noop_max", noop_max, 0)
        _check("screen_size", screen_size, 1)
        self.console = console
        self.spec = console.spec
        self.metadata = console.metadata
        self.render_mode = console.render_mode
        self.action_space = console.action_space
        self.observation_space = spaces.Box(0, 255, (screen_size, screen_size, 1), np.uint8)
        own: Any = console.unwrapped
        self._ale = own.ale
        self._actions = list(own._action_set)
        meanings = own.get_action_meanings()
        self._fires = fire and len(meanings) > _FIRE and meanings[_FIRE] == "FIRE"
        self._frame_skip = frame_skip
        self._noop_max = noop_max
        self._screen_size = screen_size
        self._terminal_on_life_loss = terminal_on_life_loss
        height, width = self._ale.getScreenDims()
        self._frames = np.zeros((2, height, width), np.uint8)
        self._lives = 0
        self._goes_on = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Screen, dict[str, Any]]:
        """Begin a game, or the next life of one."""
        super().reset(seed=seed)
        if self._goes_on and seed is None:
            self._act(_NOOP)
        if not self._goes_on or seed is not None or self._ale.game_over():
            self._begin(seed)
        self._goes_on = False
        self._lives = self._ale.lives()
        if self._fires:
            self._act(_FIRE)
        self._frames[0] = 0
        self._ale.getScreenGrayscale(self._frames[1])
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Screen, float, bool, bool, dict[str, Any]]:
        """Hold an action for `frame_skip` frames."""
        reward, lost = 0.0, False
        for left in reversed(range(self._frame_skip)):
            reward += self._act(int(action))
            lost = self._ale.lives() < self._lives
            over = self._ale.game_over()
            if left < 2:
                self._ale.getScreenGrayscale(self._frames[1 - left])
            if over or (lost and self._terminal_on_life_loss):
                break
        terminated = self._ale.game_over(with_truncation=False)
        truncated = self._ale.game_truncated()
        self._lives = self._ale.lives()
        if lost and not (terminated or truncated):
            if self._terminal_on_life_loss:
                self._goes_on = terminated = True
            elif self._fires:
                self._act(_FIRE)
        return self._observation(), reward, terminated, truncated, {}

    def render(self) -> Any:
        """The console's picture, in colours."""
        return self.console.render()

    def close(self) -> None:
        """Close the console."""
        self.console.close()

    def get_state(self) -> dict[str, Any]:
        """All that the game's future depends on, as plain data."""
        state = self._ale.cloneState(include_rng=True).serialize()
        return {
            "console": np.frombuffer(state, np.uint8).copy(),
            "frames": self._frames.copy(),
            "lives": self._lives,
            "goes_on": self._goes_on,
            "random": self.np_random,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called."""
        kind = type(self._ale.cloneState())
        self._ale.restoreState(kind(state["console"].tobytes()))
        self._frames[...] = state["frames"]
        self._lives = state["lives"]
        self._goes_on = state["goes_on"]
        self.np_random = state["random"]

    def _begin(self, seed: int | None) -> None:
        """A new game, after its idle frames."""
        self.console.reset(seed=seed)
        if self._noop_max:
            for _ in range(int(self.np_random.integers(1, self._noop_max + 1))):
                self._act(_NOOP)
                if self._ale.game_over():
                    self.console.reset()

    def _act(self, action: int) -> float:
        """One frame; the score of it."""
        return float(self._ale.act(self._actions[action]))

    def _observation(self) -> Screen:
        picture = cv2.resize(
            self._frames.max(0),
            (self._screen_size, self._screen_size),
            interpolation=cv2.INTER_AREA,
        )
        return picture[:, :, np.newaxis].astype(np.uint8, copy=False)


def _check(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"suite_atari.load.{name} is {value}: give a number of at least {least}")
