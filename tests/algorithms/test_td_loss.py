"""Targets of temporal difference learning and their losses, against numbers computed by hand."""

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf import summary
from alf._config import config
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.algorithms.replay_priority import sequence_priority
from alf.algorithms.td_loss import TDLoss
from alf.data_structures import StepType
from alf.errors import ConfigError
from alf.ops import element_wise_huber_loss

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST


class Info(NamedTuple):
    """A sample `[T, 1]`."""

    reward: Any
    step_type: Any
    discount: Any


def make_info(reward, step_type=None, discount=None):
    length = len(reward)
    return Info(
        torch.tensor(reward, dtype=torch.float32).view(length, 1),
        torch.tensor(step_type or [MID] * length).view(length, 1),
        torch.tensor(discount or [1.0] * length).view(length, 1),
    )


def column(*numbers):
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1)


def test_one_step_targets():
    """Each row looks at the next one: 1 + 0.9 * 10 = 10, 2 + 0.9 * 20 = 20."""
    loss = OneStepTDLoss(gamma=0.9)

    got = loss.compute_td_target(make_info([7, 1, 2]), column(10, 20))

    torch.testing.assert_close(got, column(10, 20))


def test_n_step_targets():
    """With lambda 1 the values in between do not count.

    R_1 = 2 + 0.9 * 20 = 20     R_0 = 1 + 0.9 * 20 = 19
    """
    got = TDLoss(gamma=0.9, td_lambda=1.0).compute_td_target(make_info([7, 1, 2]), column(10, 20))

    torch.testing.assert_close(got, column(19, 20))


def test_td_lambda_targets():
    """Lambda weighs the longer return: R_0 = 1 + 0.9 * (0.5 * 10 + 0.5 * 20) = 14.5."""
    got = TDLoss(gamma=0.9, td_lambda=0.5).compute_td_target(make_info([7, 1, 2]), column(10, 20))

    torch.testing.assert_close(got, column(14.5, 20))


@pytest.mark.parametrize(("discount", "first"), [(0.0, 1.0), (1.0, 10.0)])
@pytest.mark.parametrize("td_lambda", [0.0, 0.5, 1.0])
def test_a_time_limit_bootstraps_and_a_real_end_does_not(discount, first, td_lambda):
    """The episode ends at row 1: with its value, 1 + 0.9 * 10, or with nothing, 1.

    What comes after the end, here 1000 in all, never counts.
    """
    info = make_info([7, 1, 0, 1000], [MID, LAST, FIRST, MID], [1.0, discount, 1.0, 1.0])

    got = TDLoss(gamma=0.9, td_lambda=td_lambda).compute_td_target(info, column(10, 50, 0))

    assert first == pytest.approx(got[0].item())


def test_loss_of_replicas_is_their_sum():
    """One target for both: (10 - 9)^2 + (10 - 7)^2 = 10, the mean error is 2."""
    value = torch.tensor([[[9.0, 7.0]]], requires_grad=True)

    got = OneStepTDLoss(gamma=0.9)(make_info([7, 1]), value, column(10))
    got.loss.sum().backward()

    torch.testing.assert_close(got.loss, column(10))
    torch.testing.assert_close(value.grad, torch.tensor([[[-2.0, -6.0]]]))
    error = OneStepTDLoss(gamma=0.9).td_error(make_info([7, 1]), value, column(10))
    torch.testing.assert_close(error, column(2))
    assert not error.requires_grad


def test_targets_take_no_gradient():
    """The value of the next step stands still."""
    next_value = column(10).requires_grad_()

    assert not OneStepTDLoss().compute_td_target(make_info([7, 1]), next_value).requires_grad


def test_huber_loss_counts_far_values_less():
    """An error of 3 counts 3 - 1/2."""
    loss = OneStepTDLoss(gamma=0.9, td_error_loss_fn=element_wise_huber_loss)

    torch.testing.assert_close(loss(make_info([7, 1]), column(7), column(10)).loss, column(2.5))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.floats(0, 1), st.integers(0, 1000))
def test_lambda_return_is_one_recurrence(length, td_lambda, seed):
    """R_t = r + d ((1 - lambda) V + lambda R), from the last row to the first."""
    generator = torch.Generator().manual_seed(seed)
    info = Info(
        torch.randn(length, 3, generator=generator),
        torch.randint(0, 3, (length, 3), generator=generator),
        torch.rand(length, 3, generator=generator),
    )
    next_value = torch.randn(length - 1, 3, generator=generator)

    got = TDLoss(gamma=0.9, td_lambda=td_lambda).compute_td_target(info, next_value)

    later = next_value[-1]
    for t in range(length - 2, -1, -1):
        value = next_value[t]
        later = torch.where(info.step_type[t + 1] == LAST, value, later)
        mixed = (1 - td_lambda) * value + td_lambda * later
        later = info.reward[t + 1] + 0.9 * info.discount[t + 1] * mixed
        counts = info.step_type[t] != LAST
        torch.testing.assert_close(got[t][counts], later[counts], atol=1e-5, rtol=1e-5)


def test_both_losses_are_configured_by_name():
    """A conf sets the one-step loss apart from the other one."""
    config("TDLoss", gamma=0.5, td_lambda=0.3)
    config("OneStepTDLoss", gamma=0.7)

    assert (0.5, 0.7) == (TDLoss().gamma, OneStepTDLoss().gamma)
    # One step even where more rows follow.
    got = OneStepTDLoss(gamma=1.0).compute_td_target(make_info([0, 1, 2]), column(10, 20))
    torch.testing.assert_close(got, column(11, 22))


def test_normalized_targets_are_retired():
    """The way to scale rewards is named."""
    with pytest.raises(ConfigError, match="RewardNormalizer"):
        config("TDLoss", normalize_target=True)


def test_summaries(tmp_path):
    """Where a summary is due, the mean error and the mean value of the replicas come along."""
    writer = summary.create_summary_writer(str(tmp_path))
    with summary.push_summary_writer(writer):
        summary.enable_summary()
        with summary.record_if(True):
            loss = OneStepTDLoss(gamma=0.9, debug_summaries=True)
            got = loss(make_info([7, 1]), torch.tensor([[[9.0, 7.0]]]), column(10))
    writer.close()

    torch.testing.assert_close(got.extra.td_error, column(2))
    torch.testing.assert_close(got.extra.value, column(8))


def test_priority_is_the_mean_error_of_what_counts():
    """The last row has no target, and neither has the end of an episode: (3 + 1) / 2 = 2."""
    td_error = torch.tensor([[3.0, 4.0], [1.0, 5.0]])
    step_type = torch.tensor([[FIRST, LAST], [MID, FIRST], [MID, MID]])

    torch.testing.assert_close(sequence_priority(td_error, step_type), torch.tensor([2.0, 5.0]))


def test_priority_of_nothing_is_zero():
    """A sequence that begins with its end teaches nothing."""
    got = sequence_priority(torch.tensor([[3.0]]), torch.tensor([[LAST], [FIRST]]))

    torch.testing.assert_close(got, torch.zeros(1))


def test_summaries_tell_the_range_of_values_and_errors():
    """Of the rows that count: 1 and 3 against 1 + 0.9 * 10 = 10 and 5; the end of an episode not.

    The values' errors are 9 and 2; the replicas' mean is what counts.
    """
    info = make_info([7, 1, 5, 2], [MID, MID, LAST, FIRST], [1.0, 1.0, 0.0, 1.0])
    value = torch.stack([column(0, 2, 70), column(2, 4, 90)], -1)

    with summary.collect_scalars() as scalars:
        OneStepTDLoss(gamma=0.9, name="TD")(info, value, column(10, 20, 30))

    assert {"TD/explained_variance", "TD/value_min", "TD/value_max", "TD/td_error_max"} == {
        *scalars
    }
    assert (1.0, 3.0, 9.0) == tuple(
        scalars[f"TD/{name}"] for name in ("value_min", "value_max", "td_error_max")
    )
