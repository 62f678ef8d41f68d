"""Linear maps: whichever way their products are computed, they are what torch says they are."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from alf.ops import linear, parallel_linear
from alf.ops.linear_maps import LARGE, NARROW_ROWS, _Processor

HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
# Rows, inputs, outputs: nothing to gain, large, and narrow at one end or the other.
SIZES = {
    "small": (5, 3, 4),
    "empty": (0, 3, 4),
    "large": (128, 256, 160),
    "few inputs": (256, 3, 260),
    "few outputs": (256, 260, 1),
}


@pytest.fixture(params=["usual", "other ways"])
def ways(request, monkeypatch):
    """Both choices, whatever the processor of this machine."""
    if request.param == "other ways" and not HAS_ONEDNN:
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(_Processor, "is_mkl_slow", request.param == "other ways")
    return request.param


def tensors(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def exact(function, *args):
    """The result and all gradients of the sum of its squares, in double precision."""
    doubles = [None if x is None else x.detach().double().requires_grad_() for x in args]
    return with_gradients(function, *doubles)


def with_gradients(function, *args):
    result = function(*args)
    given = [x for x in args if x is not None]
    return [result, *torch.autograd.grad(result.square().sum(), given)]


def assert_close(expected, actual):
    for one, other in zip(expected, actual, strict=True):
        scale = float(one.detach().abs().max()) if one.numel() else 1.0
        torch.testing.assert_close(other.double(), one, rtol=1e-4, atol=1e-5 * scale)


def test_sizes_are_on_both_sides_of_the_bounds():
    """Otherwise nothing of this would be tested."""
    rows, ins, outs = SIZES["large"]
    assert rows * ins * outs >= LARGE
    for rows, ins, outs in (SIZES["few inputs"], SIZES["few outputs"]):
        assert rows * max(ins, outs) >= NARROW_ROWS
        assert rows * ins * outs < LARGE


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_linear_is_that_of_torch(ways, size, with_bias):
    """Output and gradients."""
    rows, ins, outs = size
    x, weight, bias = tensors((rows, ins), (outs, ins), (outs,))
    bias = bias if with_bias else None

    expected = exact(F.linear, x, weight, bias)
    actual = with_gradients(linear, x, weight, bias)

    assert_close(expected, actual)
    with torch.no_grad():
        assert torch.equal(linear(x, weight, bias), actual[0])


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_parallel_linear_is_a_batch_of_them(ways, size, replicas, with_bias):
    """Output and gradients, also where all replicas share one input."""
    rows, ins, outs = size
    x, shared, weight, bias = tensors(
        (replicas, rows, ins), (rows, ins), (replicas, ins, outs), (replicas, 1, outs)
    )
    bias = bias if with_bias else None

    def batched(x, w, b=None):
        return torch.bmm(x.expand(replicas, rows, ins), w) + (0 if b is None else b)

    def ours(x, w, b=None):
        return parallel_linear(x.expand(replicas, rows, ins), w, b)

    for inputs in (x, shared):
        assert_close(
            exact(batched, inputs, weight, bias), with_gradients(ours, inputs, weight, bias)
        )


@pytest.mark.parametrize("size", [SIZES["large"], SIZES["few inputs"]], ids=["large", "narrow"])
def test_gradients_have_gradients(ways, size):
    """A penalty on the norm of a gradient is trained with the right gradient."""
    rows, ins, outs = size
    x, weight = tensors((rows, ins), (outs, ins))

    def penalty(function, x, w):
        (slope,) = torch.autograd.grad(function(x, w).square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), w)

    doubles = [x.detach().double().requires_grad_(), weight.detach().double().requires_grad_()]
    assert_close(penalty(F.linear, *doubles), penalty(linear, x, weight))


def test_weight_gradients_are_laid_out_like_weights(ways):
    """So that an optimizer need not copy them."""
    rows, ins, outs = SIZES["large"]
    x, weight, inputs_first = tensors((rows, ins), (outs, ins), (ins, outs))

    (gradient,) = torch.autograd.grad(linear(x, weight).square().sum(), weight)
    assert weight.stride() == gradient.stride()
    weight = inputs_first.t()
    (gradient,) = torch.autograd.grad(linear(x, weight).square().sum(), weight)
    assert weight.stride() == gradient.stride()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_what_is_not_usual_is_left_to_torch(ways, size):
    """Double precision, more dimensions and autocast give what torch gives, bit by bit."""
    rows, ins, outs = size
    x, weight, bias = tensors((rows, ins), (outs, ins), (outs,))
    doubles = [t.detach().double() for t in (x, weight, bias)]

    assert torch.equal(F.linear(*doubles), linear(*doubles))
    deeper = x.detach()[:, None]
    assert torch.equal(F.linear(deeper, weight, bias), linear(deeper, weight, bias))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.bfloat16 == linear(x, weight, bias).dtype


def test_the_same_product_has_the_same_bits(ways):
    """Nothing is chosen by a measurement."""
    rows, ins, outs = SIZES["large"]
    x, weight = tensors((rows, ins), (outs, ins))

    results = [with_gradients(linear, x, weight) for _ in range(5)]

    for one, other in pairwise(results):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
