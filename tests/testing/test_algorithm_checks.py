"""`check_algorithm` passes what keeps the contract, and catches each way of breaking it."""

from functools import partial

import pytest
import torch
from torch import nn

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.algorithm import Algorithm
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.data_structures import AlgStep, LossInfo
from alf.errors import ContractError
from alf.optimizers import Adam
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.testing import check_algorithm

SEEN = TensorSpec((3,))
BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)


class Toy(Algorithm):
    """A linear policy with a running mean of what it saw as memory, trained to answer zero."""

    def __init__(self):
        super().__init__(SEEN, BOX, state_spec=SEEN, optimizer=Adam(lr=1e-3))
        self.line = nn.Linear(3, 2)

    def act(self, inputs, state):
        state = 0.5 * (state + inputs.observation)
        return AlgStep(self.line(state).tanh(), state, ())

    def predict_step(self, inputs, state):
        return self.act(inputs, state)

    def rollout_step(self, inputs, state):
        step = self.act(inputs, state)
        return step._replace(info=step.output)

    def calc_loss(self, info):
        return LossInfo(loss=info.square().sum(-1))


def test_what_keeps_the_contract_passes():
    """The report says what was found."""
    report = check_algorithm(Toy)

    assert (report.has_memory, report.is_greedy, report.trained) == (True, True, 2)


@pytest.mark.parametrize(
    "make",
    [
        partial(ActorCriticAlgorithm, SEEN, BOX, optimizer=Adam(lr=1e-3)),
        partial(ActorCriticAlgorithm, SEEN, CHOICE, optimizer=Adam(lr=1e-3)),
        partial(DqnAlgorithm, SEEN, CHOICE, q_optimizer=Adam(lr=1e-3)),
        partial(SacAlgorithm, SEEN, BOX, actor_optimizer=Adam(lr=1e-3)),
    ],
    ids=["ac box", "ac choice", "dqn", "sac"],
)
def test_algorithms_that_are_shipped_pass(make):
    """Continuous, discrete, on-policy and not."""
    assert check_algorithm(make).trained > 0


class OtherShape(Toy):
    def act(self, inputs, state):
        return super().act(inputs, state)._replace(output=torch.zeros(len(state), 3))


class NoState(Toy):
    def act(self, inputs, state):
        return super().act(inputs, state)._replace(state=())


class Plain(Toy):
    def predict_step(self, inputs, state):
        return super().predict_step(inputs, state).output


class Counts(Toy):
    calls = 0

    def predict_step(self, inputs, state):
        self.calls += 1
        step = super().predict_step(inputs, state)
        return step._replace(output=step.output * self.calls)


class Mixes(Toy):
    def predict_step(self, inputs, state):
        step = super().predict_step(inputs, state)
        return step._replace(output=step.output - step.output.mean(0))


class InPlace(Toy):
    def predict_step(self, inputs, state):
        state.mul_(0.5)
        return super().predict_step(inputs, state)


class Learns(Toy):
    def rollout_step(self, inputs, state):
        self.line.bias.data.add_(1.0)
        return super().rollout_step(inputs, state)


class Leaks(Toy):
    def rollout_step(self, inputs, state):
        with torch.enable_grad():
            self.line(inputs.observation).sum().backward()
        return super().rollout_step(inputs, state)


class NumberAsInfo(Toy):
    def rollout_step(self, inputs, state):
        return super().rollout_step(inputs, state)._replace(info=torch.zeros(()))


class Grows(Toy):
    steps = 0

    def rollout_step(self, inputs, state):
        self.steps += 1
        return super().rollout_step(inputs, state)._replace(info=torch.zeros(3, self.steps))


class Mean(Toy):
    def calc_loss(self, info):
        return LossInfo(loss=info.square().mean())


class Infinite(Toy):
    def calc_loss(self, info):
        return LossInfo(loss=info.square().sum(-1) / 0)


class Detached(Toy):
    def calc_loss(self, info):
        return LossInfo(loss=info.detach().square().sum(-1))


class Elsewhere(Toy):
    def optimizers(self):
        return {"": (Adam(lr=1e-3), [nn.Parameter(torch.zeros(1))])}


class Twice(Toy):
    def optimizers(self):
        every = list(self.parameters())
        return {"a": (Adam(lr=1e-3), every), "b": (Adam(lr=1e-3), every)}


class Unsaved(Toy):
    def __init__(self):
        super().__init__()
        self.scale = torch.rand(2)

    def act(self, inputs, state):
        step = super().act(inputs, state)
        return step._replace(output=step.output * self.scale)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (OtherShape, r"output: expected a tensor torch.float32 \[3, 2\]"),
        (NoState, "state: expected the structure"),
        (Plain, "expected an AlgStep, got Tensor"),
        (Counts, "the same answer to the same inputs"),
        (Mixes, "the answer that this row gets alone"),
        (InPlace, "inputs and state to stay as they were"),
        (Learns, "parameters to stay as they were"),
        (Leaks, "expected no gradient, got one of line.weight"),
        (NumberAsInfo, r"info: expected tensors \[3, ...\]"),
        (Grows, "info: expected tensors as at step 0"),
        (Mean, r"expected a tensor \[5, 3\] or \[6, 3\], got \[\]"),
        (Infinite, "expected a finite number"),
        (Detached, "expected a gradient, got none"),
        (Elsewhere, "a parameter that an optimizer moves"),
        (Twice, "each parameter once"),
        (Unsaved, r"after load_state_dict\(\)"),
        (lambda: nn.Linear(1, 1), "expected an Algorithm, got Linear"),
    ],
)
def test_each_broken_promise_is_told(make, told):
    """The message names the promise, what came, and what to do."""
    with pytest.raises(ContractError, match=told):
        check_algorithm(make)
