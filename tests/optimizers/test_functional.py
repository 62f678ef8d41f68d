"""Steps as functions, against those of torch's optimizers."""

import pytest
import torch

from alf.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from alf.optimizers.functional import initial_state, step_of

SPECS = {
    "adam": Adam(),
    "adam, L2": Adam(weight_decay=0.1, betas=(0.8, 0.99), eps=1e-3),
    "amsgrad": Adam(amsgrad=True),
    "adamw": AdamW(weight_decay=0.1),
    "sgd": SGD(weight_decay=0.1),
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": RMSprop(),
    "rmsprop, all of it": RMSprop(momentum=0.5, centered=True, weight_decay=0.1, alpha=0.9),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_steps_are_those_of_torch(spec: Optimizer):
    """Parameters and states after each of five steps, from nothing."""
    x = torch.nn.Parameter(torch.linspace(-1, 1, 7))
    optimizer = spec._make([x], 0.05)
    function, group = step_of(optimizer), optimizer.param_groups[0]
    ours, state = x.detach().clone(), initial_state(optimizer, x.detach())
    assert function is not None
    assert state is not None
    for step in range(5):
        x.grad = torch.sin(torch.arange(7.0) + step) * (step - 2)
        ours, state = function(ours, x.grad.clone(), state, torch.tensor(0.05), group)
        optimizer.step()

        torch.testing.assert_close(ours, x.detach(), rtol=1e-5, atol=1e-6)
        theirs = optimizer.state[x]
        assert {k for k, v in theirs.items() if v is not None} >= state.keys()
        for name, value in state.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-5, atol=1e-6)


def test_a_first_step_that_is_not_one_of_zeros():
    """With dampening, torch's momentum begins with the whole gradient: that is left to torch."""
    x = torch.nn.Parameter(torch.zeros(2))

    assert initial_state(SGD(momentum=0.9, dampening=0.5)._make([x], 0.1), x) is None
    assert step_of(torch.optim.Adagrad([x])) is None
    assert initial_state(torch.optim.Adagrad([x]), x) is None
