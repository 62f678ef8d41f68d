"""Samples of consecutive steps: what was seen before and after each action."""

from typing import Any

import pytest
import torch

from alf.algorithms.ddpg_algorithm import DdpgAlgorithm, DdpgInfo
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.algorithms.td3_algorithm import Td3Algorithm
from alf.algorithms.transitions import before_and_after
from alf.data_structures import StepType, TimeStep
from alf.errors import ConfigError
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

BOX = BoundedTensorSpec((1,), torch.float32, -1, 1)
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)


@pytest.mark.parametrize(
    ("rows", "before", "after"), [(2, [0, 1], [2, 3]), (3, [0, 1, 2, 3], [2, 3, 4, 5])]
)
def test_both_sides_of_each_action(rows, before, after):
    """Of two environments, each row but the last acts; rows stay in order."""
    inputs = TimeStep(
        step_type=torch.full((rows, 2), StepType.MID),
        observation={"place": torch.arange(2.0 * rows).view(rows, 2, 1)},
    )
    seen = before_and_after(inputs, "SacAlgorithm")

    assert [(2 * (rows - 1), 1)] * 2 == [tuple(side["place"].shape) for side in seen]
    assert [before, after] == [side["place"].squeeze(-1).tolist() for side in seen]


@pytest.mark.parametrize(
    ("make", "action_spec"),
    [
        (SacAlgorithm, BOX),
        (SacAlgorithm, CHOICE),
        (QuantileSacAlgorithm, BOX),
        (DdpgAlgorithm, BOX),
        (Td3Algorithm, BOX),
        (DqnAlgorithm, CHOICE),
    ],
)
def test_single_steps_are_refused(make, action_spec):
    """An algorithm that learns from outcomes says which setting gives it some."""
    algorithm: Any = make(TensorSpec((1,)), action_spec)
    inputs = TimeStep(
        step_type=torch.full((1, 8), StepType.MID),
        reward=torch.ones(1, 8),
        discount=torch.ones(1, 8),
        observation=torch.ones(1, 8, 1),
    )
    lesson = f"{make.__name__} learns from what follows.*whole_replay_buffer_training=False"
    with pytest.raises(ConfigError, match=lesson):
        algorithm.batch_loss(inputs, DdpgInfo(action=action_spec.zeros((1, 8))))
