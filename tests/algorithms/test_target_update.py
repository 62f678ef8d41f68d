"""Target networks follow as far and as often as they are told, also after a resume."""

import pytest
import torch
from torch import nn

from alf.algorithms.target_update import TargetUpdater, make_target
from alf.errors import ConfigError


def make(tau, period):
    """An original at 1, its target at 0."""
    original = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(original.weight)
    target = make_target(original)
    nn.init.ones_(original.weight)
    return original, target, TargetUpdater(original, target, tau, period)


def test_a_target_takes_no_gradient():
    """It starts equal, with parameters of its own that need no gradient."""
    original = nn.Linear(3, 2)
    target = make_target(original)

    torch.testing.assert_close(target.weight, original.weight, check_stride=False)
    assert target.weight.data_ptr() != original.weight.data_ptr()
    assert not any(p.requires_grad for p in target.parameters())
    assert all(p.requires_grad for p in original.parameters())


def test_a_soft_update_goes_a_share_of_the_way():
    """From 0 to 1 by a quarter: 0.25, then 0.25 + 0.25 * 0.75 = 0.4375."""
    _, target, updater = make(0.25, 1)

    updater.update()
    assert 0.25 == target.weight.item()
    updater.update()
    assert 0.4375 == target.weight.item()


def test_a_hard_update_copies_at_each_period():
    """Nothing for two updates, everything at the third."""
    original, target, updater = make(1.0, 3)

    seen = []
    for _ in range(7):
        updater.update()
        seen.append(target.weight.item())
        original.weight.data += 1

    assert [0, 0, 3, 3, 3, 6, 6] == seen


def test_a_resume_goes_on_counting():
    """The saved count is the one that goes on, whatever was counted before loading."""
    _, _, updater = make(1.0, 3)
    updater.update()
    updater.update()
    saved = {name: value.clone() for name, value in updater.state_dict().items()}
    assert ["updates"] == list(saved)

    _, target, other = make(1.0, 3)
    other.update()
    other.load_state_dict(saved)
    other.update()

    assert 1.0 == target.weight.item()


def test_statistics_are_copied():
    """The running mean of a batch normalization goes along."""
    original = nn.BatchNorm1d(2)
    target = make_target(original)
    original(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))

    TargetUpdater(original, target, 0.5, 1).update()

    torch.testing.assert_close(target.running_mean, original.running_mean)


@pytest.mark.parametrize(("tau", "period"), [(0.0, 1), (1.5, 1), (0.5, 0)])
def test_out_of_range(tau, period):
    """A target that never moves is refused."""
    with pytest.raises(ConfigError, match="target_update_"):
        TargetUpdater(nn.Linear(1, 1), nn.Linear(1, 1), tau, period)


def test_it_is_told_when_the_next_move_is_due():
    """Before each third update, and before each where all of them move."""
    _, _, updater = make(1.0, 3)
    seen = []
    for _ in range(6):
        seen.append(updater.is_due)
        updater.update()

    assert [False, False, True, False, False, True] == seen
    assert make(1.0, 1)[2].is_due
