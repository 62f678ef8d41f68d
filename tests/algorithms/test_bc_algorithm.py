"""Behaviour cloning: what is minimised, and what the policy does."""

from typing import Any

import pytest
import torch
from torch import nn

from alf.algorithms.bc_algorithm import BcAlgorithm, BcInfo
from alf.data_structures import StepType, TimeStep
from alf.distributions import Categorical
from alf.errors import ConfigError
from alf.networks import ActorDistributionRNNNetwork, ActorNetwork
from alf.networks.network import Network
from alf.optimizers import SGD
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.update import total_loss, valid_steps

STATE = BoundedTensorSpec((), torch.int64, 0, 3)
CHOICE = BoundedTensorSpec((), torch.int64, 5, 7)
MID, LAST = StepType.MID, StepType.LAST


class Logits(Network):
    """A distribution over three choices for each of the observations 0..3."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, name="Logits")
        self.rows = nn.Parameter(torch.zeros(4, 3))

    def forward(self, inputs, state=()):
        return Categorical(self.rows[inputs], 5), state


class Numbers(Network):
    """Two actions for each of the observations 0..3: a number and a pair of numbers."""

    def __init__(self, input_tensor_spec, action_spec):
        super().__init__(input_tensor_spec, name="Numbers")
        self.rows = nn.Parameter(torch.arange(12.0).view(4, 3))

    def forward(self, inputs, state=()):
        rows = self.rows[inputs]
        return {"one": rows[:, 0], "two": rows[:, 1:]}, state


def sample(observation, action, step_type=None) -> tuple[TimeStep, BcInfo]:
    """A sample `[T, 1]`."""
    column = torch.tensor(step_type or [MID] * len(observation)).view(-1, 1)
    steps = TimeStep(step_type=column, observation=torch.tensor(observation).view(-1, 1))
    return steps, BcInfo(action=action)


def choices(*actions):
    return torch.tensor(actions).view(-1, 1)


def test_the_loss_is_minus_the_log_probability_of_what_was_done():
    """By hand: probabilities 1/4, 1/2, 1/4, of which 6 has the second; the last row counts not."""
    algorithm: Any = BcAlgorithm(STATE, CHOICE, actor_network_cls=Logits)
    algorithm._actor_network.rows.data[1] = torch.tensor([1.0, 2.0, 1.0]).log()

    loss, info = algorithm.batch_loss(*sample([1, 1, 0], choices(6, 7, 5)))

    expected = torch.tensor([[2.0], [4.0]]).log()
    torch.testing.assert_close(loss.loss, expected)
    torch.testing.assert_close(info.error, expected)


def test_the_loss_of_a_network_that_gives_actions():
    """The squared distance, over all leaves: (3 - 1)^2 + (4 - 4)^2 + (5 - 7)^2 = 8."""
    spec = {"one": TensorSpec(()), "two": TensorSpec((2,))}
    algorithm: Any = BcAlgorithm(STATE, spec, actor_network_cls=Numbers)
    done = {"one": torch.ones(2, 1), "two": torch.tensor([4.0, 7.0]).expand(2, 1, 2)}

    loss, _ = algorithm.batch_loss(*sample([1, 0], done))

    assert [[8.0]] == loss.loss.tolist()


def test_what_comes_after_an_end_teaches_nothing_of_it():
    """A sample over the end of an episode has no gradient from the row of the end."""
    algorithm: Any = BcAlgorithm(STATE, CHOICE, actor_network_cls=Logits)
    steps, done = sample([1, 2, 3, 0], choices(5, 6, 7, 5), [MID, LAST, MID, MID])

    loss, _ = algorithm.batch_loss(steps, done)
    total_loss(loss, valid_steps(steps.step_type)).backward()

    learned = algorithm._actor_network.rows.grad.abs().sum(1) > 0
    assert [False, True, False, True] == learned.tolist()


@pytest.mark.parametrize(("epsilon", "played"), [(0.0, {7}), (1.0, {5, 6, 7})])
def test_it_does_the_likeliest_or_samples(epsilon, played):
    """The mode in play, samples with `epsilon_greedy`; the policy is there to look at."""
    algorithm: Any = BcAlgorithm(STATE, CHOICE, actor_network_cls=Logits, epsilon_greedy=epsilon)
    algorithm._actor_network.rows.data[2] = torch.tensor([0.0, 0.0, 0.5])
    inputs = TimeStep(observation=torch.full((200,), 2))

    step = algorithm.predict_step(inputs, ())

    assert played == set(step.output.tolist())
    assert isinstance(step.info.action_distribution, Categorical)
    assert {5, 6, 7} == set(algorithm.rollout_step(inputs, ()).output.tolist())


def test_a_network_that_gives_actions_gives_them_in_play():
    """There is nothing to sample."""
    spec = BoundedTensorSpec((2,), torch.float32, -3, 3)
    algorithm = BcAlgorithm(TensorSpec((4,)), spec, actor_network_cls=ActorNetwork)
    inputs = TimeStep(observation=torch.randn(5, 4))

    step = algorithm.predict_step(inputs, ())

    assert (5, 2) == tuple(step.output.shape)
    assert () == step.info.action_distribution
    assert torch.equal(step.output, algorithm.rollout_step(inputs, ()).output)


def test_its_optimizer():
    """One for all parameters; none without a spec."""
    algorithm = BcAlgorithm(STATE, CHOICE, actor_network_cls=Logits, actor_optimizer=SGD(lr=1.0))
    (moved,) = algorithm.optimizers().values()

    assert list(algorithm.parameters()) == moved[1]
    assert {} == BcAlgorithm(STATE, CHOICE, actor_network_cls=Logits).optimizers()


def test_a_memory_is_refused():
    """Samples are single steps."""
    with pytest.raises(ConfigError, match=r"has a memory .* BcAlgorithm learns from single steps"):
        BcAlgorithm(TensorSpec((4,)), CHOICE, actor_network_cls=ActorDistributionRNNNetwork)
