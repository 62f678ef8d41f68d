"""Bits to be flipped until they are those that are wanted: a goal that chance does not find.

Andrychowicz et al., "Hindsight Experience Replay", https://arxiv.org/abs/1707.01495, section 3.1

Importing this module registers `BitFlipping-v0`:
`create_environment(env_name="alf.environments.bit_flipping:BitFlipping-v0")`.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

Observation = dict[str, Any]
"""`observation`, `achieved_goal` and `desired_goal`: arrays of 0 and 1, float32 `[bits]`."""

_SET = (46, 116, 174)
_UNSET = (226, 228, 233)
_WRONG = (222, 82, 62)
_GROUND = (38, 42, 56)
_FRAME_SIZE = 320


class BitFlippingEnv(gymnasium.Env[Observation, np.int64]):
    """Some bits and, each its own, some bits that are wanted; an action flips one of them.

    | | |
    |---|---|
    | observation | a dict of `observation`, `achieved_goal` (both the bits) and `desired_goal`, \
each float32 `[bits]` of zeros and ones |
    | action | which bit to flip |
    | reward | 0 if the bits are those that are wanted, else -1 |
    | end | where they are (terminated), after as many steps as there are bits (truncated) |

    Bits and goal are drawn at random, and never alike at the start. `info["is_success"]` is 1.0
    where the goal is reached, else 0.0. Without a hint of how far the goal is, chance finds one of
    `2^bits` states.

    Args:
        bits: how many, at least 1.
        render_mode: `None` or `"rgb_array"`, uint8 `[320, 320, 3]`.

    Raises:
        ValueError: if there are no bits.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 4,
    }

    def __init__(self, bits: int = 16, render_mode: str | None = None):
        if bits < 1:
            raise ValueError(f"BitFlipping has at least one bit; bits={bits}")
        self.bits = bits
        self.render_mode = render_mode
        names = ("achieved_goal", "desired_goal", "observation")
        self.observation_space = spaces.Dict(
            {name: spaces.Box(0, 1, (bits,), np.float32) for name in names}
        )
        self.action_space = spaces.Discrete(bits)
        self._state = np.zeros(bits, np.float32)
        self._goal = np.ones(bits, np.float32)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw the bits and those that are wanted."""
        super().reset(seed=seed, options=options)
        self._steps = 0
        self._state = self._draw()
        self._goal = self._draw()
        while (self._state == self._goal).all():
            self._goal = self._draw()
        return self._observe(), {"is_success": 0.0}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Flip one bit."""
        self._steps += 1
        self._state[action] = 1 - self._state[action]
        reached = bool((self._state == self._goal).all())
        too_long = self._steps >= self.bits and not reached
        reward = 0.0 if reached else -1.0
        return self._observe(), reward, reached, too_long, {"is_success": float(reached)}

    def compute_reward(
        self, achieved_goal: npt.NDArray[Any], desired_goal: npt.NDArray[Any], info: Any = None
    ) -> npt.NDArray[np.float32]:
        """What `step` gives for goals `[..., bits]`: 0 where they are alike, else -1, `[...]`."""
        del info
        return -(achieved_goal != desired_goal).any(-1).astype(np.float32)

    def render(self) -> npt.NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The bits above those that are wanted, wrong ones framed; `None` without a render mode."""
        if self.render_mode is None:
            return None
        picture = np.empty((_FRAME_SIZE, _FRAME_SIZE, 3), np.uint8)
        picture[:] = _GROUND
        size = _FRAME_SIZE // max(self.bits, 2)
        left = (_FRAME_SIZE - size * self.bits) // 2
        edge = max(1, size // 8)
        for row, bits in enumerate((self._state, self._goal)):
            top = _FRAME_SIZE // 2 + (row - 1) * (size + edge)
            for i, bit in enumerate(bits):
                x = left + i * size
                wrong = self._state[i] != self._goal[i]
                picture[top : top + size, x : x + size] = _WRONG if wrong else _GROUND
                picture[top + edge : top + size - edge, x + edge : x + size - edge] = (
                    _SET if bit else _UNSET
                )
        return picture

    def _draw(self) -> npt.NDArray[np.float32]:
        return self.np_random.integers(0, 2, self.bits).astype(np.float32)

    def _observe(self) -> Observation:
        bits = self._state.copy()
        return {"observation": bits, "achieved_goal": bits, "desired_goal": self._goal.copy()}


def bits_reward(achieved_goal: torch.Tensor, desired_goal: torch.Tensor) -> torch.Tensor:
    """The rewards of the environment, float32 `[...]`, for goals `[..., bits]`."""
    return -bits_discount(achieved_goal, desired_goal)


def bits_discount(achieved_goal: torch.Tensor, desired_goal: torch.Tensor) -> torch.Tensor:
    """0 where the goal is reached, which ends an episode, else 1; float32 `[...]`."""
    return (achieved_goal != desired_goal).any(-1).float()


gymnasium.register("BitFlipping-v0", entry_point="alf.environments.bit_flipping:BitFlippingEnv")
