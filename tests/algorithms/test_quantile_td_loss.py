"""The loss of quantiles against a return that looks ahead, by hand."""

from types import SimpleNamespace

import pytest
import torch

from alf import summary
from alf.algorithms.quantile_td_loss import QuantileTDLoss
from alf.data_structures import StepType
from alf.errors import ConfigError

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST


def sample(reward, step_type=None, discount=None):
    """`[T, 1]`."""
    length = len(reward)
    return SimpleNamespace(
        step_type=torch.tensor(step_type or [MID] * length).view(length, 1),
        reward=torch.tensor(reward).view(length, 1),
        discount=torch.tensor(discount or [1.0] * length).view(length, 1),
    )


@pytest.mark.parametrize(("discount", "target"), [(1.0, [2.8, 4.6]), (0.0, [1.0, 1.0])])
def test_each_next_value_has_a_target(discount, target):
    """1 + 0.9 d z for z = 2 and 4; at a real end the reward alone."""
    info = sample([0.0, 1.0], [MID, LAST], [1.0, discount])
    targets = QuantileTDLoss(gamma=0.9).compute_td_target(info, torch.tensor([[[2.0, 4.0]]]))

    torch.testing.assert_close(targets, torch.tensor([[target]]))


def test_targets_that_look_further_ahead():
    """With lambda 1 and three rows: 1 + 0.5 (2 + 0.5 z) for z = 4 and 8, and 2 + 0.5 z."""
    info = sample([0.0, 1.0, 2.0])
    next_value = torch.tensor([[[-9.0, 9.0]], [[4.0, 8.0]]])
    targets = QuantileTDLoss(gamma=0.5, td_lambda=1.0).compute_td_target(info, next_value)

    torch.testing.assert_close(targets, torch.tensor([[[3.0, 4.0]], [[4.0, 6.0]]]))


def test_the_loss_of_replicas_by_hand():
    """The target is 1 + 0.9 * 10 = 10, and the fractions of two quantiles are 1/4 and 3/4.

    Quantiles 10 and 13: (0 + (1 - 3/4) (3 - 1/2)) / 2 = 0.3125. Quantiles 8 and 10:
    (1/4 (2 - 1/2) + 0) / 2 = 0.1875. Their sum is 0.5; the last row has no loss.
    """
    value = torch.tensor([[[[10.0, 13.0], [8.0, 10.0]]]], requires_grad=True)
    loss = QuantileTDLoss(gamma=0.9)(sample([0.0, 1.0]), value, torch.tensor([[[10.0]]]))

    torch.testing.assert_close(loss.loss.detach(), torch.tensor([[0.5]]))
    assert () == loss.extra


def test_the_error_is_that_of_the_means():
    """Means 11.5 and 9 against 10: (1.5 + 1) / 2."""
    value = torch.tensor([[[[10.0, 13.0], [8.0, 10.0]]]])
    error = QuantileTDLoss(gamma=0.9).td_error(sample([0.0, 1.0]), value, torch.tensor([[[10.0]]]))

    torch.testing.assert_close(error, torch.tensor([[1.25]]))


def test_means_are_summarised(tmp_path):
    """Value and error of the replicas' means, where a summary is due."""
    value = torch.tensor([[[[10.0, 13.0], [8.0, 10.0]]]])
    writer = summary.create_summary_writer(str(tmp_path))
    with summary.push_summary_writer(writer):
        summary.enable_summary()
        with summary.record_if(True):
            loss = QuantileTDLoss(gamma=0.9)(sample([0.0, 1.0]), value, torch.tensor([[[10.0]]]))
    writer.close()

    torch.testing.assert_close(loss.extra.value, torch.tensor([[10.25]]))
    torch.testing.assert_close(loss.extra.td_error, torch.tensor([[1.25]]))


def test_a_threshold_must_be_positive():
    """The lesson has the number."""
    with pytest.raises(ConfigError, match="huber_threshold is 0"):
        QuantileTDLoss(huber_threshold=0)
