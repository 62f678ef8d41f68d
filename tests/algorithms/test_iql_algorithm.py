"""Implicit Q-learning: which value is trained towards what, and how much an action counts."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from alf import summary
from alf.algorithms.iql_algorithm import IqlAlgorithm, IqlInfo
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.data_structures import StepType, TimeStep
from alf.distributions import Categorical
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks import ActorDistributionRNNNetwork
from alf.networks.network import Network
from alf.optimizers import SGD
from alf.summary import render
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.update import total_loss, valid_steps

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST
STATE = BoundedTensorSpec((), torch.int64, 0, 3)
CHOICE = BoundedTensorSpec((), torch.int64, 5, 7)


class Table(Network):
    """A row of three numbers for each of the observations 0..3, which a test can set."""

    def __init__(self, input_tensor_spec, action_spec=None):
        super().__init__(input_tensor_spec, name="Table")
        self.rows = nn.Parameter(torch.zeros(4, 3))

    def forward(self, inputs, state=()) -> Any:
        return self.rows[inputs], state


class Logits(Table):
    """The same as a distribution."""

    def forward(self, inputs, state=()):
        return Categorical(self.rows[inputs], 5), state


class Value(Table):
    """One number for each observation: the first of its row."""

    def forward(self, inputs, state=()):
        return self.rows[inputs, 0], state


def make(**arguments) -> Any:
    arguments = {
        "actor_network_cls": Logits,
        "v_network_cls": Value,
        "q_network_cls": Table,
        "critic_loss_ctor": partial(OneStepTDLoss, gamma=0.9),
        "expectile": 0.8,
        "temperature": 2.0,
        **arguments,
    }
    return IqlAlgorithm(STATE, CHOICE, **arguments)


def tables(network) -> list[torch.Tensor]:
    """The parameters of each replica."""
    return [p.data for p in network.parameters()]


def set_values(algorithm, value, critics, targets, action=6):
    """What observation 0 is worth, and the action there: to both critics and their targets."""
    algorithm._value_network.rows.data[0, 0] = value
    for network, values in ((algorithm._critics, critics), (algorithm._target_critics, targets)):
        for table, number in zip(tables(network), values, strict=True):
            table[0, action - 5] = number


def sample(observation, reward, step_type=None, discount=None) -> TimeStep:
    """`[T, 1]`."""
    length = len(observation)
    return TimeStep(
        step_type=torch.tensor(step_type or [MID] * length).view(length, 1),
        reward=torch.tensor(reward, dtype=torch.float32).view(length, 1),
        discount=torch.tensor(discount or [1.0] * length).view(length, 1),
        observation=torch.tensor(observation).view(length, 1),
    )


def done(*actions) -> IqlInfo:
    return IqlInfo(action=torch.tensor(actions).view(-1, 1))


def terms(algorithm, *batch) -> tuple[float, float, float]:
    """The losses of the actor, the critics and the value at the first row."""
    loss, _ = algorithm.batch_loss(*batch)
    extra = loss.extra
    total = extra.actor + extra.critic + extra.value
    torch.testing.assert_close(loss.loss, total)
    assert (1, 1) == loss.loss.shape
    return extra.actor[0].item(), extra.critic[0].item(), extra.value[0].item()


def test_all_losses_by_hand():
    """Of a step of reward 1 to a state of value 3, where the policy is uniform over 3 choices.

    The lower target says 2.5 and the state is held to be worth 2, so the advantage is 0.5:
    actor   exp(2 * 0.5) * log 3
    value   0.8 * 0.5^2 = 0.2
    critics target 1 + 0.9 * 3 = 3.7, values 3 and 4: 0.7^2 + 0.3^2 = 0.58
    """
    algorithm = make()
    set_values(algorithm, value=2.0, critics=(3.0, 4.0), targets=(2.5, 7.0))
    algorithm._value_network.rows.data[1, 0] = 3.0

    actor, critic, value = terms(algorithm, sample([0, 1], [9, 1]), done(6, 5))

    assert (math.e * math.log(3), 0.58, 0.2) == pytest.approx((actor, critic, value), rel=1e-6)


def test_an_action_worse_than_the_state():
    """Advantage -1: the value counts it with 1 - 0.8, the policy with exp(-2)."""
    algorithm = make()
    set_values(algorithm, value=2.0, critics=(0.0, 0.0), targets=(1.0, 1.0))

    actor, _, value = terms(algorithm, sample([0, 1], [0, 0]), done(6, 5))

    assert (math.exp(-2) * math.log(3), 0.2) == pytest.approx((actor, value), rel=1e-6)


@pytest.mark.parametrize(("advantage", "weight"), [(2.0, math.exp(4)), (3.0, 100.0), (1e9, 100.0)])
def test_weights_are_clipped(advantage, weight):
    """exp(2 * 3) is 403, more than the largest weight; and what overflows is no more than that."""
    algorithm = make()
    set_values(algorithm, value=0.0, critics=(0.0, 0.0), targets=(advantage, advantage))

    actor, _, _ = terms(algorithm, sample([0, 1], [0, 0]), done(6, 5))

    assert weight * math.log(3) == pytest.approx(actor, rel=1e-5)
    small = make(max_exp_advantage=1.5)
    set_values(small, value=0.0, critics=(0.0, 0.0), targets=(advantage, advantage))
    assert 1.5 * math.log(3) == pytest.approx(
        terms(small, sample([0, 1], [0, 0]), done(6, 5))[0], rel=1e-6
    )


@pytest.mark.parametrize(("discount", "target"), [(0.0, 1.0), (1.0, 3.7)])
def test_a_time_limit_bootstraps_and_a_real_end_does_not(discount, target):
    """A step of reward 1 to the end: with the value of what is seen there, 1 + 0.9 * 3, or not."""
    algorithm = make()
    algorithm._value_network.rows.data[1, 0] = 3.0
    batch = sample([0, 1], [0, 1], [MID, LAST], [1.0, discount])

    _, critic, _ = terms(algorithm, batch, done(6, 5))

    assert 2 * target**2 == pytest.approx(critic, rel=1e-6)


def test_gradients_go_where_they_belong():
    """Each loss moves its own network, at what was done alone, and the targets stand still."""
    algorithm = make()
    set_values(algorithm, value=1.0, critics=(1.0, 2.0), targets=(3.0, 3.0))

    loss, _ = algorithm.batch_loss(sample([0, 1], [0, 5]), done(6, 5))
    loss.loss.sum().backward()

    value = algorithm._value_network.rows.grad
    assert [[0, 0]] == value.nonzero().tolist()
    assert -2 * 0.8 * 2.0 == pytest.approx(value[0, 0].item())
    for table in algorithm._critics.parameters():
        assert [[0, 1]] == table.grad.nonzero().tolist()
    actor = algorithm._actor_network.rows.grad
    assert {0} == {row for row, _ in actor.nonzero().tolist()}
    assert actor[0, 1] < 0 < actor[0, 0]
    assert all(p.grad is None for p in algorithm._target_critics.parameters())


def test_what_comes_after_an_end_teaches_nothing_of_it():
    """The row of an end, which another episode follows in the sample, moves nothing."""
    algorithm = make()
    batch = sample([0, 1, 2, 3], [0, 1, 0, 1], [MID, LAST, FIRST, MID], [1.0, 0.0, 1.0, 1.0])

    loss, _ = algorithm.batch_loss(batch, done(5, 6, 7, 5))
    total_loss(loss, valid_steps(batch.step_type)).backward()

    for network in (algorithm._actor_network, algorithm._critics):
        for table in network.parameters():
            learned = table.grad.abs().sum(-1) > 0
            assert [True, False, True, False] == learned.tolist()


def test_the_targets_follow():
    """By the share that is asked for, after each update."""
    algorithm = make(target_update_tau=0.25)
    set_values(algorithm, value=0.0, critics=(4.0, 8.0), targets=(0.0, 0.0))

    algorithm.after_update(TimeStep(), ())

    assert [1.0, 2.0] == [table[0, 1].item() for table in tables(algorithm._target_critics)]


@pytest.mark.parametrize(("epsilon", "played"), [(0.0, {7}), (1.0, {5, 6, 7})])
def test_it_does_the_likeliest_or_samples(epsilon, played):
    """The mode in play, samples with `epsilon_greedy` and in a rollout."""
    algorithm = make(epsilon_greedy=epsilon)
    algorithm._actor_network.rows.data[2] = torch.tensor([0.0, 0.0, 0.5])
    inputs = TimeStep(observation=torch.full((200,), 2))

    assert played == set(algorithm.predict_step(inputs, ()).output.tolist())
    assert {5, 6, 7} == set(algorithm.rollout_step(inputs, ()).output.tolist())


def test_what_panels_show():
    """The value of the state, and the lowest values of all choices; only while they are drawn."""
    algorithm = make()
    set_values(algorithm, value=2.0, critics=(3.0, 4.0), targets=(0.0, 0.0))
    inputs = TimeStep(observation=torch.zeros(1, dtype=torch.int64))

    with render.rendering(True):
        shown = algorithm.predict_step(inputs, ()).info

    assert [2.0] == shown.value.tolist()
    assert [[0.0, 3.0, 0.0]] == shown.q_values.tolist()
    assert () == algorithm.predict_step(inputs, ()).info.value


@pytest.mark.parametrize(
    "action_spec",
    [
        BoundedTensorSpec((2,), torch.float32, -1, 1),
        {"x": BoundedTensorSpec((), torch.float32, 0, 1), "y": BoundedTensorSpec((2,))},
        (CHOICE, BoundedTensorSpec((1,), torch.float32, -1, 1)),
    ],
    ids=["continuous", "two continuous", "mixed"],
)
def test_any_kind_of_action(action_spec):
    """With the networks that confs configure: a finite loss that reaches all parameters."""
    algorithm = IqlAlgorithm(TensorSpec((4,)), action_spec)
    batch = TimeStep(
        step_type=torch.full((2, 6), MID),
        reward=torch.randn(2, 6),
        discount=torch.ones(2, 6),
        observation=torch.randn(2, 6, 4),
    )
    action = map_structure(lambda spec: spec.ones((2, 6)) * int(spec.maximum.max()), action_spec)

    loss, _ = algorithm.batch_loss(batch, IqlInfo(action=action))
    loss.loss.sum().backward()

    assert torch.isfinite(loss.loss).all()
    trained = [p for p in algorithm.parameters() if p.requires_grad]
    assert trained
    assert all(p.grad is not None for p in trained)


def test_priorities():
    """The mean error of the values, where they are asked for."""
    algorithm = make(calculate_priority=True)
    set_values(algorithm, value=0.0, critics=(1.0, 3.0), targets=(0.0, 0.0))

    loss, _ = algorithm.batch_loss(sample([0, 1], [0, 4]), done(6, 5))

    assert [2.0] == loss.priority.tolist()
    assert () == make().batch_loss(sample([0, 1], [0, 4]), done(6, 5))[0].priority


def test_what_is_watched():
    """Advantages and weights are told where a summary is due."""
    algorithm = make()
    set_values(algorithm, value=0.0, critics=(0.0, 0.0), targets=(0.5, 0.5))
    batch = sample([0, 1], [0, 0]), done(6, 5)

    with summary.collect_scalars(), summary.record_if(True):
        extra = algorithm.batch_loss(*batch)[0].extra

    assert 0.5 == extra.advantage[0].item()
    assert math.e == pytest.approx(extra.weight[0].item())


def test_its_optimizers():
    """One for each part, which together move all that is trained; none without a spec."""
    algorithm = make(
        actor_optimizer=SGD(lr=1.0), critic_optimizer=SGD(lr=1.0), value_optimizer=SGD(lr=1.0)
    )
    moved = {id(p) for _, params in algorithm.optimizers().values() for p in params}

    assert {"actor", "critic", "value"} == set(algorithm.optimizers())
    assert {id(p) for p in algorithm.parameters() if p.requires_grad} == moved
    assert {} == make().optimizers()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"expectile": 1.0}, "expectile is 1.0"),
        ({"expectile": 0.0}, "expectile is 0.0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"max_exp_advantage": 0.0}, "max_exp_advantage is 0.0"),
        ({"actor_network_cls": ActorDistributionRNNNetwork}, "has a memory"),
    ],
)
def test_what_is_out_of_range(wrong, told):
    """Is refused by name."""
    with pytest.raises(ConfigError, match=told):
        IqlAlgorithm(TensorSpec((4,)), CHOICE, **wrong)
