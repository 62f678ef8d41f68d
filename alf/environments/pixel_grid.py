"""A small world of pixels: an agent in a grid walks to a goal.

Importing this module registers `PixelGrid-v0`:
`create_environment(env_name="alf.environments.pixel_grid:PixelGrid-v0")`.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

_WALL = (38, 42, 56)
_FLOOR = (226, 228, 233)
_FLOOR_DARK = (214, 217, 224)
_GOAL = (46, 174, 96)
_AGENT = (222, 82, 62)
_FRAME_SIZE = 320

# Up, right, down, left, as (row, column).
_MOVES = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])


class PixelGridEnv(gymnasium.Env[npt.NDArray[np.uint8], np.int64]):
    """The agent (red) and the goal (green) start in different random cells of a grid.

    | | |
    |---|---|
    | observation | uint8 `[16, 16, 3]` RGB picture |
    | action | 0 up, 1 right, 2 down, 3 left; a wall stops the agent |
    | reward | 1 at the goal, else -0.01 |
    | end | at the goal (terminated), after 50 steps (truncated) |

    `info["success"]` is 1.0 at the goal, else 0.0. The best policy takes the Manhattan distance:
    on average 2 n / 3 steps in a grid of n x n cells, 3.3 for the default 5 x 5. A small
    convolutional network learns it from pixels in about 120,000 steps of A2C.

    Args:
        cells: cells along each side, 2 to 14; the picture has a wall of at least a pixel.
        render_mode: `None` or `"rgb_array"`, uint8 `[320, 320, 3]`.

    Raises:
        ValueError: if `cells` is out of range.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 8,
    }

    def __init__(self, cells: int = 5, render_mode: str | None = None):
        if not 2 <= cells <= 14:
            raise ValueError(f"PixelGrid has 2 to 14 cells along a side; cells={cells}")
        self.cells = cells
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0, 255, (16, 16, 3), np.uint8)
        self.action_space = spaces.Discrete(4)
        self._cell_size = 14 // cells
        self._agent = np.zeros(2, np.int64)
        self._goal = np.zeros(2, np.int64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Put agent and goal into two different random cells."""
        super().reset(seed=seed, options=options)
        start, goal = self.np_random.choice(self.cells**2, size=2, replace=False)
        self._agent = np.array(divmod(int(start), self.cells))
        self._goal = np.array(divmod(int(goal), self.cells))
        return self._observe(), {"success": 0.0}

    def step(
        self, action: np.int64
    ) -> tuple[npt.NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Move by one cell."""
        self._agent = np.clip(self._agent + _MOVES[action], 0, self.cells - 1)
        reached = bool((self._agent == self._goal).all())
        reward = 1.0 if reached else -0.01
        return self._observe(), reward, reached, False, {"success": float(reached)}

    def render(self) -> npt.NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The grid with a chequered floor and crisp cells, or `None` without a render mode."""
        if self.render_mode is None:
            return None
        size = (_FRAME_SIZE - 16) // self.cells
        return self._paint(_FRAME_SIZE, size, margin=max(1, size // 10), chequered=True)

    def _observe(self) -> npt.NDArray[np.uint8]:
        return self._paint(16, self._cell_size, margin=0, chequered=False)

    def _paint(
        self, picture_size: int, size: int, margin: int, chequered: bool
    ) -> npt.NDArray[np.uint8]:
        """A picture with `size` pixels a cell, and figures `margin` smaller on each side."""
        picture = np.empty((picture_size, picture_size, 3), np.uint8)
        picture[:] = _WALL
        origin = (picture_size - size * self.cells) // 2
        end = origin + size * self.cells
        picture[origin:end, origin:end] = _FLOOR
        if chequered:
            odd = np.indices((self.cells, self.cells)).sum(0) % 2 == 1
            dark = np.kron(odd, np.ones((size, size), bool))
            picture[origin:end, origin:end][dark] = _FLOOR_DARK
        for cell, colour in ((self._goal, _GOAL), (self._agent, _AGENT)):
            top, left = origin + size * cell + margin
            side = size - 2 * margin
            picture[top : top + side, left : left + side] = colour
        return picture


gymnasium.register(
    "PixelGrid-v0",
    entry_point="alf.environments.pixel_grid:PixelGridEnv",
    max_episode_steps=50,
)
