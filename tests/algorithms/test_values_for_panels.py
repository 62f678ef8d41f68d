"""While panels are drawn, algorithms tell what they expect; otherwise they compute nothing more."""

from functools import partial
from typing import Any

import pytest
import torch

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.agent import Agent
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.algorithms.td3_algorithm import Td3Algorithm
from alf.algorithms.trac_algorithm import TracAlgorithm
from alf.data_structures import StepType, TimeStep
from alf.nest import map_structure
from alf.networks import ActorDistributionRNNNetwork, ValueRNNNetwork
from alf.summary import render
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

STATE = TensorSpec((3,))
CHOICE = BoundedTensorSpec((), torch.int64, 5, 7)
BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
ACTOR_CRITICS = [ActorCriticAlgorithm, PPOAlgorithm, TracAlgorithm, Agent]


def seen(size: int = 4) -> TimeStep:
    torch.manual_seed(0)
    return TimeStep(
        step_type=torch.full((size,), StepType.MID), observation=torch.randn(size, STATE.shape[0])
    )


@pytest.mark.parametrize("make", ACTOR_CRITICS)
def test_actor_critics_tell_the_value_of_the_state(make):
    """The info's value is what the value network says, and is empty while nothing is drawn."""
    algorithm: Any = make(STATE, CHOICE)
    inner = algorithm
    for name in ("_ac_algorithm", "_rl_algorithm"):
        inner = getattr(inner, name, inner)
    with render.rendering():
        drawn = algorithm.predict_step(seen(), ())
    plain = algorithm.predict_step(seen(), ())

    torch.testing.assert_close(drawn.info.value, inner._value_network(seen().observation)[0])
    assert plain.info.value == ()
    assert torch.equal(plain.output, drawn.output)


@pytest.mark.parametrize(
    ("make", "network"),
    [
        (ActorCriticAlgorithm, "_value_network"),
        (SacAlgorithm, "_critics"),
        (DdpgAlgorithm, "_critics.network"),
        (QuantileSacAlgorithm, "_critics"),
    ],
)
def test_nothing_more_is_computed_while_nothing_is_drawn(make, network):
    """Without rendering the networks of values are not called."""
    algorithm = make(STATE, BOX)
    calls: list[int] = []
    algorithm.get_submodule(network).register_forward_hook(lambda *_: calls.append(1))

    algorithm.predict_step(seen(), ())
    assert calls == []
    with render.rendering():
        algorithm.predict_step(seen(), ())
    assert calls == [1]


def test_a_value_network_with_memory_remembers():
    """Two steps while drawing give the value that the network gives when it sees both in turn."""
    algorithm = ActorCriticAlgorithm(
        STATE,
        CHOICE,
        actor_network_ctor=partial(ActorDistributionRNNNetwork, lstm_hidden_size=4),
        value_network_ctor=partial(ValueRNNNetwork, lstm_hidden_size=4),
    )
    start = map_structure(
        lambda spec: torch.zeros(4, *spec.shape, dtype=spec.dtype), algorithm.state_spec
    )
    first, second = seen(), seen()._replace(observation=torch.ones(4, 3))
    with render.rendering():
        step = algorithm.predict_step(first, start)
        told = algorithm.predict_step(second, step.state).info.value
    _, state = algorithm._value_network(first.observation, start.value)
    expected, _ = algorithm._value_network(second.observation, state)
    forgetful, _ = algorithm._value_network(second.observation, start.value)

    torch.testing.assert_close(told, expected)
    assert not torch.allclose(told, forgetful)


@pytest.mark.parametrize("make", [SacAlgorithm, Td3Algorithm])
def test_the_smaller_value_of_the_action_is_told(make):
    """Of two critics, the lower one counts, at the action that is taken."""
    algorithm = make(STATE, BOX)
    with render.rendering():
        step = algorithm.predict_step(seen(), ())
    both = algorithm._critics((seen().observation, step.output))[0]

    assert both.shape == (4, 2)
    torch.testing.assert_close(step.info.value, both.min(1).values)


@pytest.mark.parametrize("make", [SacAlgorithm, DqnAlgorithm])
def test_values_of_choices_are_told(make):
    """Of a discrete action the values of all choices are told, and the best one is taken."""
    algorithm = make(STATE, CHOICE)
    with render.rendering():
        step = algorithm.predict_step(seen(), ())

    assert step.info.q_values.shape == (4, 3)
    assert torch.equal(step.output, step.info.q_values.argmax(-1) + 5)


def test_sac_tells_the_values_of_choices_beside_the_rest_of_the_action():
    """With a continuous part, the values are those of the choices beside it."""
    algorithm = SacAlgorithm(STATE, {"choice": CHOICE, "box": BOX})
    with render.rendering():
        step = algorithm.predict_step(seen(), ())
    values = algorithm._critics((seen().observation, step.output["box"]))[0].min(1).values

    torch.testing.assert_close(step.info.q_values, values)
