"""Specs: equality, bounds, and samples that stay within them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alf.tensor_specs import BoundedTensorSpec, TensorSpec


def test_spec_of_a_batch_leaves_the_batch_out():
    """A spec describes one element."""
    assert TensorSpec((3,), torch.int64) == TensorSpec.from_tensor(
        torch.zeros(5, 3, dtype=torch.int64), from_dim=1
    )
    assert TensorSpec((3,), torch.float64) == TensorSpec.from_array(np.zeros((5, 3)), from_dim=1)


def test_equal_specs_hash_alike_and_bounds_count():
    """Bounds are part of what a spec is."""
    one, same = BoundedTensorSpec((2,), maximum=3), BoundedTensorSpec((2,), maximum=[3, 3])

    assert one == same
    assert hash(one) == hash(same)
    assert one != BoundedTensorSpec((2,), maximum=4)
    assert one != TensorSpec((2,))
    assert TensorSpec((2,)) != one


def test_repr_is_readable():
    """Equal bounds are shown once."""
    spec = BoundedTensorSpec((2,), torch.float32, -1, 1)

    assert "BoundedTensorSpec(shape=(2,), dtype=torch.float32, minimum=-1.0, maximum=1.0)" == repr(
        spec
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"minimum": [0, 0, 0]}, r"minimum of shape \(3,\) does not fit"),
        ({"minimum": 2, "maximum": 1}, "a minimum exceeds its maximum"),
    ],
)
def test_wrong_bounds_are_refused(kwargs, message):
    """Bounds that do not fit the shape, or each other, are errors."""
    with pytest.raises(ValueError, match=message):
        BoundedTensorSpec((2,), **kwargs)


def test_bounds_cannot_be_written():
    """A spec is shared, so nobody may change it."""
    with pytest.raises(ValueError, match="read-only"):
        BoundedTensorSpec((2,)).minimum[0] = 5


@given(st.integers(-5, 5), st.integers(0, 5), st.integers(0, 2**16))
def test_discrete_samples_reach_both_bounds(low, width, seed):
    """Every integer between the bounds, both included, is drawn."""
    torch.manual_seed(seed)
    spec = BoundedTensorSpec((), torch.int64, low, low + width)

    drawn = set(spec.sample((400,)).tolist())

    assert set(range(low, low + width + 1)) == drawn


def test_continuous_samples_fill_the_bounds():
    """Samples spread over each dimension's own interval."""
    spec = BoundedTensorSpec((2,), minimum=[-1, 10], maximum=[1, 30])

    for sample in (spec.sample((1000,)).numpy(), spec.numpy_sample((1000,))):
        assert (1000, 2) == sample.shape
        np.testing.assert_allclose([-1, 10], sample.min(0), atol=0.2)
        np.testing.assert_allclose([1, 30], sample.max(0), atol=0.2)


def test_unbounded_spec_cannot_be_sampled():
    """Infinite bounds give an error, not infinities."""
    with pytest.raises(ValueError, match="unbounded"):
        BoundedTensorSpec((), minimum=-np.inf, maximum=np.inf).sample()


def test_made_tensors_have_shape_and_dtype():
    """Every maker respects outer dimensions and dtype, bfloat16 included."""
    spec = TensorSpec((2,), torch.bfloat16)

    for made in (spec.zeros((3,)), spec.ones((3,)), spec.randn((3,)), spec.rand((3,))):
        assert (3, 2) == made.shape
        assert torch.bfloat16 == made.dtype
    assert (3, 2) == spec.numpy_zeros((3,)).shape


def test_kinds():
    """Integers are discrete, floats are continuous."""
    assert TensorSpec((), torch.int64).is_discrete
    assert TensorSpec((), torch.float32).is_continuous
    assert not TensorSpec(()).is_bounded()
    assert BoundedTensorSpec(()).is_bounded()
    assert "int64" == TensorSpec((), torch.int64).dtype_str


def test_replace_keeps_the_rest():
    """Only what is named changes."""
    spec = BoundedTensorSpec((2,), torch.float32, -1, 1)

    assert BoundedTensorSpec((2,), torch.float32, -1, 5) == spec.replace(maximum=5)
    assert TensorSpec((7,)) == TensorSpec((2,)).replace(shape=(7,))
