"""The default device: chosen, restored, refused."""

import contextlib

import pytest
import torch

from alf.device import device, get_default_device
from alf.errors import ConfigError


def test_block_restores_the_earlier_choice_after_an_error():
    """Whatever happens inside, the choice outside stays."""
    before = get_default_device()

    with contextlib.suppress(KeyError), device("cpu"):
        assert torch.device("cpu") == get_default_device()
        raise KeyError

    assert before == get_default_device()


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_unknown_device_is_refused(name):
    """The message says what there is."""
    with pytest.raises(ConfigError, match=name), device(name):
        pass
