"""Recorded episodes from replay buffers: each step with what was done there."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from alf.data_structures import StepType, TimeStep
from alf.errors import UsageError
from alf.nest import map_structure
from alf.replay import PrioritizedReplayBuffer, ReplayBuffer, load_recorded
from alf.replay.offline_steps import StepSpecs
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

CART_POLE = StepSpecs(TensorSpec((4,)), BoundedTensorSpec((), torch.int64, 0, 1))
FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST


class Pole:
    """A CartPole that is pushed at random, and whose episodes a limit of 12 steps stops."""

    def __init__(self, seed: int):
        self.env = gymnasium.make("CartPole-v1", max_episode_steps=12)
        self.env.reset(seed=seed)
        self.rng = np.random.default_rng(seed)
        self.now = self.first()

    def first(self) -> tuple[int, float, float, np.ndarray, int]:
        return FIRST, 0.0, 1.0, self.env.reset()[0], 0

    def step(self) -> tuple[int, float, float, np.ndarray, int]:
        """The present row, and on to the next."""
        row = self.now
        if row[0] == LAST:
            self.now = self.first()
            return row
        action = int(self.rng.integers(2))
        seen, reward, terminated, truncated, _ = self.env.step(action)
        kind = LAST if terminated or truncated else MID
        self.now = (kind, float(reward), 0.0 if terminated else 1.0, seen, action)
        return row


def filled(kind: type[ReplayBuffer], num_rows: int, max_length: int) -> ReplayBuffer:
    """A buffer of two poles."""
    buffer, poles = kind(2, max_length), [Pole(3), Pole(4)]
    for _ in range(num_rows):
        kinds, rewards, discounts, seen, actions = zip(*(p.step() for p in poles), strict=True)
        step = TimeStep(
            step_type=torch.tensor(kinds, dtype=torch.int32),
            reward=torch.tensor(rewards),
            discount=torch.tensor(discounts),
            observation=torch.from_numpy(np.stack(seen)),
            prev_action=torch.tensor(actions),
        )
        buffer.add((step, {"what else": torch.zeros(2)}))
    return buffer


@pytest.mark.parametrize("kind", [ReplayBuffer, PrioritizedReplayBuffer])
@pytest.mark.parametrize(("num_rows", "max_length"), [(50, 100), (237, 100), (5, 100)])
def test_each_action_leads_where_it_led(kind, num_rows, max_length, tmp_path):
    """From each row, the action of the row gives the next one, in the physics of the pole."""
    buffer = filled(kind, num_rows, max_length)
    buffer.save(tmp_path)

    steps = load_recorded(str(tmp_path), CART_POLE)

    now = map_structure(lambda x: x.numpy(), steps.time_step._replace(untransformed=()))
    env = gymnasium.make("CartPole-v1").unwrapped
    followed = 0
    for row in range(len(steps) - 1):
        if now.step_type[row] == LAST:
            assert now.step_type[row + 1] == FIRST
            continue
        env.reset()
        env.state = now.observation[row].astype(np.float64)  # type: ignore[attr-defined]
        seen, _, terminated, _, _ = env.step(int(steps.action[row]))
        np.testing.assert_allclose(now.observation[row + 1], seen, atol=1e-6)
        assert 1.0 == now.reward[row + 1]
        if now.step_type[row + 1] == LAST and now.discount[row + 1] == 0.0:
            assert terminated
        followed += 1
    # All that is held: but for the ends of episodes and of each environment's rows.
    held = min(num_rows, max_length) * 2
    ends = int((now.step_type == LAST).sum())
    assert len(steps) - ends == followed
    assert len(steps) in range(held - 4, held + 1)
    if num_rows > 12:
        assert {0.0, 1.0} == set(now.discount[now.step_type == LAST].tolist())


def test_a_buffer_of_something_else(tmp_path):
    """Is refused; so is an empty one."""
    buffer = ReplayBuffer(1, 3)
    buffer.add({"x": torch.zeros(1)})
    buffer.save(tmp_path / "else")
    ReplayBuffer(1, 3).save(tmp_path / "empty")

    for name in ("else", "empty"):
        with pytest.raises(UsageError, match="holds no time steps of environments"):
            load_recorded(str(tmp_path / name), CART_POLE)


def test_a_damaged_buffer(tmp_path: Path):
    """Is refused, as it is when a job is resumed."""
    filled(ReplayBuffer, 20, 100).save(tmp_path)
    file = tmp_path / "replay.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")

    with pytest.raises(UsageError, match="is damaged"):
        load_recorded(str(tmp_path), CART_POLE)
