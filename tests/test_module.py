"""Parts of a module are found at once, and stay what torch takes them for."""

import copy
import pickle

import pytest
import torch
from torch import nn

from alf.module import Module


class Two(Module):
    """A layer that may be there and one that is."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second: nn.Module | None = None
        self.scale = nn.Parameter(torch.ones(()))


def test_a_part_is_found_without_searching():
    """`nn.Module.__getattr__` is what takes long; parameters are found by it as ever."""
    two = Two()

    assert two.first is vars(two)["first"] is two._modules["first"]
    assert "scale" not in vars(two)
    assert ["scale", "first.weight", "first.bias"] == list(two.state_dict())


def test_a_part_that_is_replaced_is_the_new_one():
    """By assignment, as no part, by its name, and back."""
    two, layer = Two(), nn.Linear(2, 2)

    two.first = layer
    assert layer is two.first is two._modules["first"]
    two.first = None  # pyright: ignore[reportAttributeAccessIssue]
    assert two.first is None
    assert ["scale"] == list(two.state_dict())
    two.register_module("first", layer)
    assert layer is two.first
    two.second = layer
    assert [layer] == list(two.children())  # one object, told once


def test_a_part_that_is_deleted_is_gone():
    """It is in neither place; other attributes can be deleted as ever."""
    two = Two()
    two.note = 3

    del two.first
    del two.note
    with pytest.raises(AttributeError):
        _ = two.first
    with pytest.raises(AttributeError):
        _ = two.note
    with pytest.raises(AttributeError):
        del two.first


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_parts_of_its_own(duplicate):
    """And the same part under both of its addresses."""
    two = Two()

    other = duplicate(two)
    assert other.first is other._modules["first"]
    assert other.first is not two.first
    other.double()
    assert torch.float64 == other.first.weight.dtype
    assert torch.float32 == two.first.weight.dtype
