"""Recorded columns as time steps: where episodes begin and end, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.data_structures import StepType
from alf.errors import UsageError
from alf.replay.offline_files import Episode, columns_of
from alf.replay.offline_steps import RecordedSteps, StepSpecs, joined, steps_of
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
SPECS = StepSpecs(TensorSpec((2,)), BoundedTensorSpec((), torch.int64, 0, 4))


def columns(**changed: Any) -> dict[str, Any]:
    """Two episodes: one of two actions that ends, one of one action up to a time limit."""
    plain = {
        "step": np.array([0, 1, 2, 0, 1]),
        "reward": np.array([9.0, 1.0, 2.0, 9.0, 3.0]),
        "ended": np.array([0, 0, 1, 0, 2]),
        "observation/observation": np.arange(10.0).reshape(5, 2),
        "action/action": np.array([[4], [3], [2], [1], [0]]),
    }
    return {name: value for name, value in {**plain, **changed}.items() if value is not None}


def test_rows_become_time_steps():
    """By hand: an end has discount 0, a time limit 1; a first row has no reward and no action."""
    steps = steps_of(columns(), SPECS, "x.npz")
    now = steps.time_step

    assert [FIRST, MID, LAST, FIRST, LAST] == now.step_type.tolist()
    assert [0.0, 1.0, 2.0, 0.0, 3.0] == now.reward.tolist()
    assert [1.0, 1.0, 0.0, 1.0, 1.0] == now.discount.tolist()
    assert [4, 3, 2, 1, 0] == steps.action.tolist()
    assert [0, 4, 3, 0, 1] == now.prev_action.tolist()
    assert [[0.0, 1.0], [2.0, 3.0]] == now.observation[:2].tolist()
    assert [0, 3] == steps.starts.tolist()
    assert [3, 2] == steps.lengths.tolist()
    assert (torch.int32, torch.float32) == (now.step_type.dtype, now.observation.dtype)
    assert torch.int64 == steps.action.dtype


def test_an_episode_that_was_broken_off_ends_like_one_with_a_time_limit():
    """Its last row bootstraps, and leads into no other episode."""
    now = steps_of(columns(ended=np.zeros(5)), SPECS, "x.npz").time_step

    assert [FIRST, MID, LAST, FIRST, LAST] == now.step_type.tolist()
    assert [1.0] * 5 == now.discount.tolist()


def test_an_episode_without_an_action_is_left_out():
    """One that was broken off at once has nothing to learn from."""
    steps = steps_of(columns(step=np.array([0, 0, 1, 0, 1])), SPECS, "x.npz")

    assert [[2.0, 3.0], [4.0, 5.0], [6.0, 7.0], [8.0, 9.0]] == steps.time_step.observation.tolist()
    assert [0, 2] == steps.starts.tolist()


def test_flat_columns_get_the_shape_of_their_spec():
    """As `alf play` records them: any shape as one row of numbers, in float64."""
    specs = StepSpecs(TensorSpec((1, 2), torch.uint8), SPECS.action)

    steps = steps_of(columns(), specs, "x.npz")

    assert (5, 1, 2) == tuple(steps.time_step.observation.shape)
    assert torch.uint8 == steps.time_step.observation.dtype


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"reward": None}, "no column reward"),
        ({"observation/observation": None}, "no column observation/observation.*256 numbers"),
        ({"action/action": None, "action/gas": np.zeros(5)}, "no column action/action"),
        ({"reward": np.zeros(4)}, "as many rows.*reward 4"),
        ({"reward": np.array(1.0)}, "as many rows.*reward 0"),
        ({"reward": np.zeros((5, 1))}, "'reward' .* one number a row"),
        ({"reward": np.array([0, 1, np.nan, 0, 1])}, "'reward' .* in 1 of 5 rows .*row 2 first"),
        ({"reward": np.full(5, 1e300)}, "'reward' .* too large for float32"),
        ({"reward": np.array(list("abcde"))}, "'reward' .* holds <U1: .* real numbers"),
        ({"reward": np.zeros(5, np.complex64)}, "'reward' .* holds complex64"),
        (
            {"observation/observation": np.full((5, 2), np.inf)},
            "'observation/observation' .* 5 of 5 rows",
        ),
        (
            {"observation/observation": np.zeros((5, 3))},
            r"shape \[3\] a row, and this environment has \[2\]",
        ),
        ({"observation/observation": np.zeros((5, 2, 1))}, r"shape \[2, 1\] a row"),
        ({"action/action": np.array([0.5, 1, 2, 3, 4])}, "'action/action' .* no int64"),
        ({"action/action": np.array([0, 1, 2, 3, 5])}, "'action/action' .*holds 5, .* 0 to 4"),
        ({"step": np.array([1, 2, 3, 0, 1])}, "row 0 of x.npz is step 1"),
        ({"step": np.array([0, 2, 3, 0, 1])}, "row 1 of x.npz is step 2"),
        ({"step": np.array([0, 1, 2, 3, 4])}, "row 3 of x.npz is step 3 .* 'ended'"),
        ({"ended": np.array([0, 0, 3, 0, 2])}, "'ended' .* is 3 in row 2"),
        ({"step": np.zeros(5), "ended": np.zeros(5)}, "no action that was taken"),
    ],
)
def test_a_recording_that_does_not_fit(wrong, told):
    """Is refused; the error says what, where and what it should be."""
    with pytest.raises(UsageError, match=told):
        steps_of(columns(**wrong), SPECS, "x.npz")


def test_an_empty_recording():
    """Is refused."""
    with pytest.raises(UsageError, match=r"x\.npz is empty"):
        steps_of({name: column[:0] for name, column in columns().items()}, SPECS, "x.npz")


def test_actions_in_other_units():
    """Those beyond the bounds are refused, with the setting that is likely wrong."""
    specs = StepSpecs(SPECS.observation, BoundedTensorSpec((1,), torch.float32, -1, 1))
    almost = np.array([[1.0 + 1e-6], [0], [0], [0], [-1.0]])

    steps_of(columns(**{"action/action": almost}), specs, "x.npz")
    with pytest.raises(UsageError, match=r"holds 2, outside .* -1 to 1\..*normalize_action"):
        steps_of(columns(**{"action/action": 2 * almost}), specs, "x.npz")


def recorded(*lengths: int) -> RecordedSteps:
    """Episodes of so many actions; what is observed counts up through all of them."""
    clock = iter(range(10_000))

    def make(n: int) -> Episode:
        seen = np.array([[next(clock), 0.0] for _ in range(n + 1)])
        return Episode(seen, np.ones(n, np.int64), np.ones(n))

    return steps_of(columns_of(map(make, lengths), "it"), SPECS, "it")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(2, 30))
def test_the_newest_rows_are_whole_episodes_but_for_the_first(lengths, count):
    """As many rows as asked for, the last ones, unless a lone end is dropped."""
    whole = recorded(*lengths)

    steps = whole.newest(count)

    kinds = steps.time_step.step_type.tolist()
    expected = min(count, len(whole))
    assert len(steps) in (expected, expected - 1)
    assert whole.time_step.observation[-len(steps) :].equal(steps.time_step.observation)
    assert [i for i, kind in enumerate(kinds) if kind == FIRST] == steps.starts.tolist()
    assert steps.lengths.min() >= 2
    assert all(kinds[end] == LAST for end in steps.starts + steps.lengths - 1)


def test_recordings_are_joined_in_order():
    """Episodes keep their rows."""
    one, two = recorded(2, 1), recorded(3)

    both = joined([one, two])

    assert [0, 3, 5] == both.starts.tolist()
    assert [0, 1, 2, 3, 4, 0, 1, 2, 3] == both.time_step.observation[:, 0].tolist()


def test_a_digest_tells_recordings_apart():
    """The same episodes have the same, others another."""
    assert recorded(2, 1).digest() == recorded(2, 1).digest()
    assert recorded(2, 1).digest() != recorded(1, 2).digest()
