"""Layers one after the other: what `nn.Sequential` gives, whatever is among them."""

import copy

import pytest
import torch
from torch import nn

from alf.networks.layer_chain import LayerChain
from alf.networks.layers import Linear, ParallelLinear, fc_block, linear, orthogonal


def make_linear(ins=4, outs=4):
    return linear(ins, outs, orthogonal(1.0), bias=0.5)


LAYERS = {
    "linear": make_linear,
    "without bias": lambda: linear(4, 4, orthogonal(1.0), bias=None),
    "replicas": lambda: ParallelLinear([make_linear() for _ in range(3)]),
    "replicas without bias": lambda: ParallelLinear([nn.Linear(4, 4, bias=False)] * 2),
    "relu": nn.ReLU,
    "relu in place": lambda: nn.ReLU(inplace=True),
    "tanh": nn.Tanh,
    "of torch's own": lambda: nn.Linear(4, 4),
    "another": lambda: nn.LayerNorm(4),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_chain_is_what_a_sequence_is(make):
    """Output and gradients, bit by bit."""
    torch.manual_seed(0)
    layers = [make_linear(), make(), nn.Tanh()]
    x, other = (torch.linspace(-2, 2, 20).view(5, 4).requires_grad_() for _ in range(2))

    expected, actual = nn.Sequential(*layers)(x), LayerChain(*layers)(other)
    expected.sum().backward()
    actual.sum().backward()

    assert torch.equal(actual, expected)
    assert x.grad is not None
    assert other.grad is not None
    assert torch.equal(other.grad, x.grad)


def test_hooks_of_a_layer_are_called():
    """Before it, after it, and in the backward pass."""
    chain = LayerChain(*fc_block(4, 8), *fc_block(8, 2, torch.tanh))
    seen = []
    chain[0].register_forward_pre_hook(lambda module, inputs: seen.append("before"))
    chain[1].register_forward_hook(lambda module, inputs, output: seen.append("after"))
    chain[2].register_full_backward_hook(lambda module, into, out: seen.append("backward"))
    chain[3].register_full_backward_pre_hook(lambda module, out: seen.append("backward first"))

    chain(torch.randn(3, 4)).sum().backward()

    assert ["before", "after", "backward first", "backward"] == seen


def test_a_parametrized_layer_is_computed_as_such():
    """Its weight is not among its parameters any more."""
    chain = LayerChain(make_linear())

    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    before = chain(torch.ones(1, 4)) - 0.5
    nn.utils.parametrize.register_parametrization(chain[0], "weight", Doubled())

    torch.testing.assert_close(chain(torch.ones(1, 4)) - 0.5, 2 * before)


def test_a_layer_that_is_put_in_place_of_another_is_used():
    """Also in a copy, which has layers of its own."""
    chain = LayerChain(make_linear(), nn.ReLU())
    copied = copy.deepcopy(chain)
    with torch.no_grad():
        next(chain[0].parameters()).zero_()
    x = torch.randn(3, 4)

    assert torch.equal(chain(x), torch.full((3, 4), 0.5))
    assert not torch.equal(copied(x), chain(x))
    copied[0] = chain[0]
    assert torch.equal(copied(x), chain(x))


@pytest.mark.parametrize("sizes", [(3, 8), (8, 3), (8, 8)])
def test_the_longer_side_of_weights_lies_without_gaps(sizes):
    """So that no product for a gradient has few columns; the shape is `[out, in]` all the same."""
    layer = make_linear(*sizes)

    assert isinstance(layer, Linear)
    assert tuple(reversed(sizes)) == layer.weight.shape
    assert 1 == layer.weight.stride(0 if sizes[0] < sizes[1] else 1)
