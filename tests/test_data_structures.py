"""Time steps: each maker gives the pair of step type and discount that its name says."""

import torch

from alf.data_structures import (
    StepType,
    TimeStep,
    namedtuple,
    restart,
    termination,
    time_step_spec,
    transition,
    truncation,
)
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

ACTION = BoundedTensorSpec((), torch.int64, 0, 1)
REWARD = torch.tensor([1.0, 2.0])
OBSERVATION = torch.zeros(2, 3)


def test_namedtuple_defaults():
    """Fields default to one value, to values from the right, or by name."""
    assert (None, None) == tuple(namedtuple("A", "x y")())
    assert ((), 1) == tuple(namedtuple("A", "x y", default_value=(), default_values=(1,))())
    assert (2, ()) == tuple(namedtuple("A", ["x", "y"], (), {"x": 2})())


def test_restart_is_first_with_zero_action():
    """An episode begins with no reward and no action."""
    step = restart(OBSERVATION, ACTION, batched=True)

    assert step.is_first().all()
    assert [0.0, 0.0] == step.reward.tolist()
    assert [1.0, 1.0] == step.discount.tolist()
    assert [0, 0] == step.prev_action.tolist()
    assert [0, 1] == step.env_id.tolist()
    assert () == restart(OBSERVATION[0], ACTION).reward.shape


def test_makers_give_their_step_type_and_discount():
    """A real end stops the bootstrap, a time limit does not."""
    action = torch.tensor([0, 1])
    made = {
        (StepType.MID, 1.0): transition(OBSERVATION, action, REWARD),
        (StepType.LAST, 0.0): termination(OBSERVATION, action, REWARD),
        (StepType.LAST, 1.0): truncation(OBSERVATION, action, REWARD),
    }

    for (kind, discount), step in made.items():
        assert [kind] * 2 == step.step_type.tolist()
        assert [discount] * 2 == step.discount.tolist()
        assert REWARD is step.reward


def test_questions():
    """Each step answers to exactly one of the three questions."""
    step = TimeStep(step_type=torch.tensor([StepType.FIRST, StepType.MID, StepType.LAST]))

    assert [True, False, False] == step.is_first().tolist()
    assert [False, True, False] == step.is_mid().tolist()
    assert [False, False, True] == step.is_last().tolist()


def test_time_step_spec():
    """The spec of a time step holds those of its parts."""
    spec = time_step_spec(TensorSpec((3,)), ACTION, TensorSpec(()))

    assert TensorSpec((3,)) == spec.observation
    assert ACTION == spec.prev_action
    assert torch.int32 == spec.step_type.dtype
