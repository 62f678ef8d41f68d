"""The default device: chosen, restored, refused."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from alf.device import device, get_default_device, prepare_computing
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


def test_numbers_too_small_to_compute_with_count_as_zero():
    """Adam's running means of a unit that is off would slow every update down."""
    tiny = torch.tensor(1e-39)

    def halve() -> float:  # in a thread of its own, which the setting ends with
        with device("cpu"):
            prepare_computing()
        return float(tiny * 0.5)

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(halve).result() == 0
    assert float(tiny * 0.5) > 0
