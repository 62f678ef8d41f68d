"""Policy losses, value losses and normalization, by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.ops import (
    approximate_kl,
    clip_fraction,
    clipped_surrogate_loss,
    element_wise_huber_loss,
    element_wise_squared_loss,
    entropy_loss,
    expectile_loss,
    explained_variance,
    importance_ratio,
    normalize_advantages,
    policy_gradient_loss,
)


def close(expected, actual):
    torch.testing.assert_close(actual, torch.as_tensor(expected))


def test_policy_gradient_loss():
    """-log pi * A, with gradient -A into the log probability and none into the advantage."""
    log_probs = torch.tensor([-1.0, -2.0], requires_grad=True)
    advantages = torch.tensor([3.0, -0.5], requires_grad=True)
    loss = policy_gradient_loss(log_probs, advantages)
    loss.sum().backward()

    close([3.0, -1.0], loss.detach())
    close([-3.0, 0.5], log_probs.grad)
    assert advantages.grad is None


def test_clipped_surrogate_loss():
    """The ratio is clipped only where clipping makes the objective smaller."""
    ratios = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.1])
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0])
    # min(1.5, 1.2); min(-1.5, -1.2); min(0.5, 0.8); min(-0.5, -0.8); 1.1 * 2
    close([-1.2, 1.5, -0.5, 0.8, -2.2], clipped_surrogate_loss(ratios, advantages, 0.2))
    close(0.8, clip_fraction(ratios, 0.2))


def test_clipped_ratio_has_no_gradient():
    """Where the objective is clipped nothing pushes the policy further."""
    ratios = torch.tensor([1.5, 1.5], requires_grad=True)
    clipped_surrogate_loss(ratios, torch.tensor([1.0, -1.0]), 0.2).sum().backward()

    close([0.0, 1.0], ratios.grad)


def test_importance_ratio():
    """exp of the difference of logs, clipped on request."""
    new, old = torch.tensor([0.0, math.log(2)]), torch.tensor([0.0, 0.0])

    close([1.0, 2.0], importance_ratio(new, old))
    close([1.0, math.exp(0.1)], importance_ratio(new, old, log_prob_clipping=0.1))


def test_approximate_kl():
    """rho - 1 - log rho at rho = 2 and rho = 1."""
    close([1 - math.log(2), 0.0], approximate_kl(torch.tensor([math.log(2), 0.0]), torch.zeros(2)))


def test_entropy_loss():
    """More entropy is less loss."""
    close([-0.02], entropy_loss(torch.tensor([2.0]), 0.01))


def test_value_losses():
    """Squares without a half; Huber quadratic inside 1 and linear outside."""
    x, y = torch.tensor([1.0, 3.0, -2.0]), torch.tensor([0.5, 0.0, 0.0])

    close([0.25, 9.0, 4.0], element_wise_squared_loss(x, y))
    close([0.125, 2.5, 1.5], element_wise_huber_loss(x, y))


@pytest.mark.parametrize("loss", [element_wise_squared_loss, element_wise_huber_loss])
def test_value_losses_do_not_broadcast(loss):
    """[B] against [B, 1] is a bug, not a matrix."""
    with pytest.raises(AssertionError):
        loss(torch.zeros(3), torch.zeros(3, 1))


class TestExplainedVariance:
    def test_by_hand(self):
        """Returns 0, 2 (variance 1), errors 0, 1 (variance 1/4): 3/4."""
        close(0.75, explained_variance(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0])))

    def test_perfect_and_constant(self):
        """A perfect prediction is 1, a constant 0."""
        returns = torch.tensor([1.0, 5.0, -2.0])
        close(1.0, explained_variance(returns, returns))
        close(0.0, explained_variance(torch.zeros(3), returns))

    def test_returns_without_variance(self):
        """No division by zero: 1 for a constant error, 0 for any other prediction."""
        close(1.0, explained_variance(torch.ones(3), torch.ones(3)))
        close(0.0, explained_variance(torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)))

    def test_mask(self):
        """What does not count does not count; nothing at all is 0."""
        values, returns = torch.tensor([0.0, 1.0, 99.0]), torch.tensor([0.0, 2.0, 0.0])
        close(0.75, explained_variance(values, returns, torch.tensor([True, True, False])))
        close(0.0, explained_variance(values, returns, torch.zeros(3, dtype=torch.bool)))


class TestNormalizeAdvantages:
    def test_by_hand(self):
        """1, 3 have mean 2 and standard deviation 1."""
        close([-1.0, 1.0], normalize_advantages(torch.tensor([1.0, 3.0])))

    def test_mask(self):
        """Statistics are of what counts; the rest becomes 0, even if it is no number."""
        advantages = torch.tensor([1.0, 3.0, torch.nan])
        mask = torch.tensor([True, True, False])
        close([-1.0, 1.0, 0.0], normalize_advantages(advantages, mask))

    def test_no_variance(self):
        """Equal advantages become zeros; so does nothing at all."""
        close(torch.zeros(3), normalize_advantages(torch.full((3,), 7.0)))
        none = torch.zeros(3, dtype=torch.bool)
        close(torch.zeros(3), normalize_advantages(torch.ones(3), none))


@pytest.mark.parametrize(
    ("target", "value", "expected"),
    [(3.0, 1.0, 0.7 * 4), (1.0, 3.0, 0.3 * 4), (2.0, 2.0, 0.0)],
)
def test_expectile_loss(target, value, expected):
    """Above the value a target counts with 0.7, below it with 0.3."""
    close(expected, expectile_loss(torch.tensor(target), torch.tensor(value), 0.7))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=9), st.floats(0.05, 0.95))
def test_the_least_expectile_loss_is_at_the_expectile(targets, expectile):
    """Where what lies above and below is in balance: sum of |w| (x - m) is 0; 1/2 is the mean."""
    x = torch.tensor(targets, dtype=torch.float64)
    m = x.mean().clone()
    for _ in range(200):
        weight = torch.where(x < m, 1 - expectile, expectile)
        m = (weight * x).sum() / weight.sum()
    value = m.clone().requires_grad_()

    expectile_loss(x, value.expand_as(x), expectile).sum().backward()

    assert value.grad is not None
    assert abs(value.grad.item()) < 1e-4
    if expectile == 0.5:
        close(x.mean(), m)
