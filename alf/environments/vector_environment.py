"""A gymnasium vector environment: all of a batch in one vectorised call, the fastest there is."""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode

from alf.data_structures import StepType, TimeStep
from alf.environments.alf_environment import AlfEnvironment, Array
from alf.environments.gym_spaces import ActionMap, ObservationMap
from alf.environments.in_process_environment import check_state
from alf.environments.lane import as_picture, reward_spec_of
from alf.environments.simulator_state import capture, restore
from alf.errors import EnvError
from alf.nest import map_structure


class VectorEnvironment(AlfEnvironment):
    """A gymnasium `VectorEnv` that resets itself at the step after an end (`NEXT_STEP`).

    A vector environment is seeded as a whole: one random number generator serves all of its
    environments, so that its episodes are others than those of the same environments stepped one
    by one with the same seed. They are the same in every run.

    The extra facts of vector environments (`info`) are dropped.

    Args:
        env: the vector environment.
        discount: multiplies the discount of `MID` steps.
        image_channel_first: turn `[H, W, C]` images into `[C, H, W]`.
        clip_action: clip continuous actions to the environment's bounds.
        normalize_action: see `ActionMap`.
        seed: see `AlfEnvironment`.

    Raises:
        EnvError: if the environment resets itself in another way.
    """

    def __init__(
        self,
        env: gymnasium.vector.VectorEnv[Any, Any, Any],
        discount: float = 1.0,
        image_channel_first: bool = True,
        clip_action: bool = True,
        normalize_action: bool = False,
        seed: int | None = None,
    ):
        name = env.spec.id if env.spec else type(env.unwrapped).__name__
        if not resets_at_next_step(env):
            raise EnvError(
                f"{name} resets itself in the mode {env.metadata.get('autoreset_mode')}; alf needs "
                "gymnasium.vector.AutoresetMode.NEXT_STEP"
            )
        self._observations = ObservationMap(env.single_observation_space, image_channel_first)
        self._actions = ActionMap(env.single_action_space, clip_action, normalize_action)
        super().__init__(
            env.num_envs,
            self._observations.spec,
            self._actions.spec,
            reward_spec_of(env),
            (),
            name,
            seed,
        )
        self._env = env
        self._mid = np.full(env.num_envs, StepType.MID, np.int32)
        self._mid_discount = np.full(env.num_envs, discount, np.float32)
        self._done = np.zeros(env.num_envs, bool)
        self._any_done = False
        self._env_ids = torch.arange(env.num_envs, dtype=torch.int32)

    def _reset(self, seed: int | None) -> TimeStep:
        observation, _ = self._env.reset(seed=seed)
        size = self._batch_size
        self._done = np.zeros(size, bool)
        self._any_done = False
        return TimeStep(
            step_type=torch.full((size,), StepType.FIRST, dtype=torch.int32),
            reward=self._reward_spec.zeros((size,)),
            discount=torch.ones(size),
            observation=self._observations.batch(observation),
            prev_action=map_structure(lambda spec: spec.zeros((size,)), self._action_spec),
            env_id=self._env_ids,
        )

    def _step(self, action: Any) -> TimeStep:
        was_done, any_was_done = self._done, self._any_done
        arrays = self._action_arrays(action)
        env_action = self._actions.to_env(arrays)
        try:
            observation, reward, terminated, truncated, _ = self._env.step(env_action)
        except Exception as error:
            raise EnvError(
                f"{self._name} broke in step({env_action}): {type(error).__name__}: {error}"
            ) from error
        self._done = done = terminated | truncated
        self._any_done = bool(done.any())
        reward = np.array(reward, dtype=np.float32)
        if self._any_done or any_was_done:
            reward[was_done] = 0
            kinds, discounts = self._ends(done, was_done, terminated)
        else:
            kinds, discounts = self._mid.copy(), self._mid_discount.copy()
        return TimeStep(
            step_type=torch.from_numpy(kinds),
            reward=torch.from_numpy(reward),
            discount=torch.from_numpy(discounts),
            observation=self._observations.batch(observation),
            prev_action=self._prev_action(arrays, was_done if any_was_done else None),
            env_id=self._env_ids,
        )

    def _ends(self, done: Array, was_done: Array, terminated: Array) -> tuple[Array, Array]:
        """Step types and discounts; `done` is false where `was_done`."""
        kinds = self._mid.copy()
        kinds[was_done] = StepType.FIRST
        kinds[done] = StepType.LAST
        discounts = self._mid_discount.copy()
        discounts[done | was_done] = 1.0
        discounts[terminated] = 0.0
        return kinds, discounts

    def render(self) -> npt.NDArray[np.uint8]:
        """A picture `[H, W, 3]` of environment 0; see `AlfEnvironment.render`."""
        if self._env.render_mode is None:
            return super().render()
        frames: Any = self._env.render()
        return as_picture(frames[0] if frames else None, self._name, self._env.render_mode)

    def state_dict(self) -> dict[str, Any] | None:
        """The state of all environments and the current time step."""
        state = capture(self._env)
        if self._current is None or state is None:
            return None
        return {
            "simulator": state,
            "done": self._done.tolist(),
            "time_step": tuple(self._current),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `AlfEnvironment.load_state_dict`."""
        check_state(self, len(state["done"]))
        restore(self._env, state["simulator"])
        self._done = np.array(state["done"], bool)
        self._any_done = bool(self._done.any())
        self._current = TimeStep(*state["time_step"])

    def _close(self) -> None:
        self._env.close()


def resets_at_next_step(env: gymnasium.vector.VectorEnv[Any, Any, Any]) -> bool:
    """Whether an ended environment's next step starts its next episode."""
    return env.metadata.get("autoreset_mode") == AutoresetMode.NEXT_STEP
