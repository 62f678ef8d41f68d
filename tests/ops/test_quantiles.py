"""Quantile regression by hand: fractions, the loss of pairs, and what truncation keeps."""

import pytest
import torch
from torch.nn.functional import huber_loss

from alf.ops import quantile_fractions, quantile_huber_loss, truncate_quantiles


def test_fractions_are_the_middles():
    """Four equal parts of the unit interval."""
    fractions = quantile_fractions(4, torch.zeros(()))

    torch.testing.assert_close(fractions, torch.tensor([0.125, 0.375, 0.625, 0.875]))


def test_loss_of_pairs_by_hand():
    """Quantiles 0 and 1 (at 1/4 and 3/4) against the targets 0.5 and 3.

    u =  0.5: 1/4 * 0.5^2 / 2        = 0.03125;   u =  3: 1/4 * (3 - 1/2) = 0.625
    u = -0.5: (1 - 3/4) * 0.5^2 / 2  = 0.03125;   u =  2: 3/4 * (2 - 1/2) = 1.125
    Their mean is 1.8125 / 4. The gradients in the quantiles are, of the same pairs,
    -(1/4 * 0.5 + 1/4 * 1) / 4 and -(-1/4 * 0.5 + 3/4 * 1) / 4.
    """
    quantiles = torch.tensor([0.0, 1.0], requires_grad=True)
    loss = quantile_huber_loss(quantiles, torch.tensor([0.5, 3.0]))
    loss.backward()

    torch.testing.assert_close(loss.detach(), torch.tensor(1.8125 / 4))
    torch.testing.assert_close(quantiles.grad, torch.tensor([-0.375 / 4, -0.625 / 4]))


def test_another_threshold_by_hand():
    """One quantile 0 (the median) and the target -3: 1/2 * 2 (3 - 1) / 2 with threshold 2."""
    loss = quantile_huber_loss(torch.zeros(1), torch.tensor([-3.0]), threshold=2.0)

    assert 1.0 == loss.item()


@pytest.mark.parametrize("threshold", [0.3, 1.0, 5.0])
def test_loss_and_gradient_are_those_of_the_formula(threshold):
    """As torch's own Huber loss and its gradients have them, for any shape before the pairs."""
    generator = torch.Generator().manual_seed(0)
    quantiles = torch.randn(3, 2, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.randn(3, 2, 7, dtype=torch.float64, generator=generator)
    weights = torch.randn(3, 2, dtype=torch.float64, generator=generator)

    expected, wanted = quantiles.unsqueeze(-1).expand(3, 2, 5, 7), targets.unsqueeze(-2)
    pairs = huber_loss(expected, wanted.expand(3, 2, 5, 7), reduction="none", delta=threshold)
    fractions = quantile_fractions(5, quantiles).unsqueeze(-1)
    by_formula = ((fractions - (expected > wanted).double()).abs() * pairs / threshold).mean((2, 3))
    loss = quantile_huber_loss(quantiles, targets, threshold)

    torch.testing.assert_close(loss, by_formula)
    torch.testing.assert_close(
        torch.autograd.grad((loss * weights).sum(), quantiles),
        torch.autograd.grad((by_formula * weights).sum(), quantiles),
    )


def test_its_minimum_are_the_quantiles():
    """Descending to samples 0, ..., 99 ends where the fractions of them lie, up to smoothing."""
    quantiles = torch.full((4,), 50.0, requires_grad=True)
    samples = torch.arange(100.0)
    optimizer = torch.optim.Adam([quantiles], lr=1.0)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 1 - step / 600
        optimizer.zero_grad()
        quantile_huber_loss(quantiles, samples).backward()
        optimizer.step()

    torch.testing.assert_close(
        quantiles.detach(), torch.tensor([12.0, 37.0, 62.0, 87.0]), atol=0.8, rtol=0
    )


def test_no_gradient_reaches_the_targets():
    """Targets stand still."""
    targets = torch.zeros(3, requires_grad=True)
    quantile_huber_loss(torch.ones(2, requires_grad=True), targets).backward()

    assert targets.grad is None


def test_truncated_mean_by_hand():
    """Of 1, 2, 9 and 0, 5, 6 together, one left out for each: 0, 1, 2, 5 remain, on average 2."""
    quantiles = torch.tensor([[[9.0, 1.0, 2.0], [0.0, 5.0, 6.0]]])
    kept = truncate_quantiles(quantiles, dropped=1)

    torch.testing.assert_close(kept, torch.tensor([[0.0, 1.0, 2.0, 5.0]]))
    torch.testing.assert_close(kept.mean(-1), torch.tensor([2.0]))


def test_the_highest_may_all_be_of_one():
    """What is cut off are the highest of the mixture, not some of each."""
    quantiles = torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])

    assert [1, 2] == truncate_quantiles(quantiles, dropped=2).tolist()
    assert [1, 2, 3, 10, 20, 30] == truncate_quantiles(quantiles, dropped=0).tolist()
