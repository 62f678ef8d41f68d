"""A corridor that winds, with a reward at its far end only: chance does not get there.

Importing this module registers `WindingCorridor-v0`:
`create_environment(env_name="alf.environments.winding_corridor:WindingCorridor-v0")`.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

_WALL = (38, 42, 56)
_FLOOR = (226, 228, 233)
_SEEN = (182, 205, 228)
_GOAL = (46, 174, 96)
_AGENT = (222, 82, 62)
_FRAME_SIZE = 320

# Up, right, down, left, as (row, column).
_MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


class WindingCorridorEnv(gymnasium.Env[npt.NDArray[np.float32], np.int64]):
    """Halls above each other, joined by doors at alternate ends; start and goal are far apart.

    | | |
    |---|---|
    | observation | float32 `[2 halls - 1 + length]`: the row and the column, each one-hot |
    | action | 0 up, 1 right, 2 down, 3 left; a wall stops the agent |
    | reward | 1 at the goal, else 0 |
    | end | at the goal (terminated), after 100 steps (truncated) |

    The agent starts at the upper left, and the goal is at the far end of the lowest hall.
    `info["success"]` is 1.0 at the goal, else 0.0. `info["progress"]` is the share of the shortest
    way, of `halls (length - 1) + 2 (halls - 1)` steps, by which a step leads further than any
    before: the sum over an episode tells how far it came.

    Args:
        halls: how many, at least 1.
        length: cells of a hall, at least 2.
        render_mode: `None` or `"rgb_array"`, uint8 `[320, 320, 3]`.

    Raises:
        ValueError: if it is smaller than that.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 12,
    }

    def __init__(self, halls: int = 5, length: int = 9, render_mode: str | None = None):
        if halls < 1 or length < 2:
            raise ValueError(
                f"WindingCorridor has a hall at least, of 2 cells; halls={halls}, length={length}"
            )
        self.render_mode = render_mode
        self._way = _shortest_way(halls, length)
        self._rows, self._columns = 2 * halls - 1, length
        self._goal = max(self._way, key=lambda cell: self._way[cell])
        self.observation_space = spaces.Box(0, 1, (self._rows + length,), np.float32)
        self.action_space = spaces.Discrete(4)
        self._agent: tuple[int, int] = (0, 0)
        self._seen: set[tuple[int, int]] = {self._agent}

    @property
    def shortest_way(self) -> int:
        """Steps from the start to the goal."""
        return self._way[self._goal]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Go to the start."""
        super().reset(seed=seed, options=options)
        self._agent = (0, 0)
        self._seen = {self._agent}
        return self._observe(), {"success": 0.0, "progress": 0.0}

    def step(
        self, action: np.int64
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move by one cell."""
        down, right = _MOVES[action]
        cell = (self._agent[0] + down, self._agent[1] + right)
        progress = 0.0
        if cell in self._way:
            self._agent = cell
            # The cells of an episode are those up to the furthest: no way leads around one.
            progress = float(cell not in self._seen) / self.shortest_way
            self._seen.add(cell)
        reached = float(self._agent == self._goal)
        info = {"success": reached, "progress": progress}
        return self._observe(), reached, bool(reached), False, info

    def render(self) -> npt.NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The halls, with the cells of this episode in blue; `None` without a render mode."""
        if self.render_mode is None:
            return None
        picture = np.empty((_FRAME_SIZE, _FRAME_SIZE, 3), np.uint8)
        picture[:] = _WALL
        size = (_FRAME_SIZE - 16) // max(self._rows, self._columns)
        margin = max(1, size // 8)
        top = (_FRAME_SIZE - size * self._rows) // 2
        left = (_FRAME_SIZE - size * self._columns) // 2
        for row, column in self._way:
            colour = _SEEN if (row, column) in self._seen else _FLOOR
            _paint(picture, top + row * size, left + column * size, size, colour)
        for (row, column), colour in ((self._goal, _GOAL), (self._agent, _AGENT)):
            y, x = top + row * size + margin, left + column * size + margin
            _paint(picture, y, x, size - 2 * margin, colour)
        return picture

    def _observe(self) -> npt.NDArray[np.float32]:
        observation = np.zeros(self._rows + self._columns, np.float32)
        observation[self._agent[0]] = 1
        observation[self._rows + self._agent[1]] = 1
        return observation


def _shortest_way(halls: int, length: int) -> dict[tuple[int, int], int]:
    """The cells, in order from the start, and how many steps each is away from it."""
    cells: list[tuple[int, int]] = []
    for hall in range(halls):
        columns = range(length) if hall % 2 == 0 else range(length - 1, -1, -1)
        cells += [(2 * hall, column) for column in columns]
        if hall < halls - 1:
            cells.append((2 * hall + 1, columns[-1]))
    return {cell: steps for steps, cell in enumerate(cells)}


def _paint(
    picture: npt.NDArray[np.uint8], top: int, left: int, size: int, colour: tuple[int, int, int]
) -> None:
    picture[top : top + size, left : left + size] = colour


gymnasium.register(
    "WindingCorridor-v0",
    entry_point="alf.environments.winding_corridor:WindingCorridorEnv",
    max_episode_steps=100,
)
