"""Returns and advantages, by hand and against the plain recurrence."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.ops import (
    discounted_return,
    generalized_advantage_estimation,
    one_step_discounted_return,
    td_lambda_return,
)

FIRST, MID, LAST = 0, 1, 2


def column(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype).unsqueeze(-1)  # [T, 1]


def hand_case(last_discount) -> dict[str, Any]:
    """Four rows; row 2 ends an episode, row 3 begins the next; gamma 0.5 is in the discounts."""
    return {
        "rewards": column(9.0, 1.0, 2.0, 100.0),
        "values": column(1.0, 2.0, 4.0, 50.0),
        "step_types": column(FIRST, MID, LAST, FIRST, dtype=torch.int32),
        "discounts": column(0.5, 0.5, last_discount, 0.5),
    }


def check(expected, actual):
    torch.testing.assert_close(actual, column(*expected))


def test_gae_at_a_real_end():
    """(LAST, discount 0): no value counts beyond the end."""
    # delta_1 = 2 + 0*4 - 2 = 0; A_1 = 0
    # delta_0 = 1 + 0.5*2 - 1 = 1; A_0 = 1 + 0.5*0.5*0 = 1; A_2 = 0 (LAST)
    check([1.0, 0.0, 0.0], generalized_advantage_estimation(**hand_case(0.0), td_lambda=0.5))


def test_gae_at_a_time_limit():
    """(LAST, discount gamma): the value of the last observation counts, the next episode not."""
    # delta_1 = 2 + 0.5*4 - 2 = 2; A_1 = 2
    # delta_0 = 1; A_0 = 1 + 0.5*0.5*2 = 1.5
    check([1.5, 2.0, 0.0], generalized_advantage_estimation(**hand_case(0.5), td_lambda=0.5))


def test_discounted_return_at_a_real_end():
    """R_1 = 2, R_0 = 1 + 0.5 * 2 = 2; the LAST row's own return is its value."""
    check([2.0, 2.0, 4.0], discounted_return(**hand_case(0.0)))


def test_discounted_return_at_a_time_limit():
    """R_1 = 2 + 0.5 * 4 = 4, R_0 = 1 + 0.5 * 4 = 3."""
    check([3.0, 4.0, 4.0], discounted_return(**hand_case(0.5)))


def test_one_step_return():
    """R_0 = 1 + 0.5 * 2 = 2, R_1 = 2 + 0.5 * 4 = 4, R_2 = V_2."""
    check([2.0, 4.0, 4.0], one_step_discounted_return(**hand_case(0.5)))


def test_lambda_return():
    """R_1 = 2 + 0.5 * 4 = 4; R_0 = 1 + 0.5 * (0.5 * 2 + 0.5 * 4) = 2.5."""
    check([2.5, 4.0, 4.0], td_lambda_return(**hand_case(0.5), td_lambda=0.5))


def test_last_row_bootstraps():
    """A stretch that stops in the middle of an episode bootstraps from its last value."""
    case: dict[str, Any] = {
        "rewards": column(0.0, 1.0),
        "values": column(0.0, 10.0),
        "step_types": column(MID, MID, dtype=torch.int32),
        "discounts": column(1.0, 0.9),
    }
    check([10.0], discounted_return(**case))
    check([10.0], generalized_advantage_estimation(**case, td_lambda=1.0))


def test_what_follows_a_last_row_does_not_matter():
    """A reward or value of the next episode that is no number does not leak back."""
    case = hand_case(0.5)
    case["rewards"][3] = torch.nan
    case["values"][3] = torch.inf

    check([1.5, 2.0, 0.0], generalized_advantage_estimation(**case, td_lambda=0.5))
    check([2.5, 4.0, 4.0], td_lambda_return(**case, td_lambda=0.5))


def plain_gae(rewards, values, step_types, discounts, td_lambda):
    """The recurrence, number by number."""
    steps, batch = rewards.shape
    out = torch.zeros(steps, batch, dtype=rewards.dtype)
    for b in range(batch):
        for t in reversed(range(steps - 1)):
            if step_types[t, b] != LAST:
                d = discounts[t + 1, b]
                delta = rewards[t + 1, b] + d * values[t + 1, b] - values[t, b]
                out[t, b] = delta + td_lambda * d * out[t + 1, b]
    return out[:-1]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(1, 4), st.floats(0, 1), st.integers(0, 2**31))
def test_against_the_plain_recurrence(steps, batch, td_lambda, seed):
    """Any stretch gives what the recurrence gives; lambda returns are advantages plus values."""
    rng = torch.Generator().manual_seed(seed)
    rewards, values = torch.randn(2, steps, batch, generator=rng, dtype=torch.float64)
    discounts = torch.rand(steps, batch, generator=rng, dtype=torch.float64)
    step_types = torch.randint(0, 3, (steps, batch), generator=rng)
    args = {
        "rewards": rewards,
        "values": values,
        "step_types": step_types,
        "discounts": discounts,
    }
    expected = plain_gae(**args, td_lambda=td_lambda)

    torch.testing.assert_close(
        generalized_advantage_estimation(**args, td_lambda=td_lambda), expected
    )
    torch.testing.assert_close(
        td_lambda_return(**args, td_lambda=td_lambda), expected + values[:-1]
    )
    torch.testing.assert_close(
        td_lambda_return(**args, td_lambda=0.0), one_step_discounted_return(**args)
    )
    torch.testing.assert_close(td_lambda_return(**args, td_lambda=1.0), discounted_return(**args))


def test_vector_reward():
    """Each component of a vector reward is treated on its own."""
    case = hand_case(0.5)
    rewards = torch.stack([case["rewards"], 2 * case["rewards"]], -1)
    values = torch.stack([case["values"], 2 * case["values"]], -1)
    actual = generalized_advantage_estimation(
        rewards, values, case["step_types"], case["discounts"], 0.5
    )

    check([1.5, 2.0, 0.0], actual[..., 0])
    check([3.0, 4.0, 0.0], actual[..., 1])


def test_inputs_are_not_changed():
    """Only new tensors are written to."""
    case = hand_case(0.5)
    before = {name: value.clone() for name, value in case.items()}
    for func in (generalized_advantage_estimation, td_lambda_return, discounted_return):
        func(**case)

    assert all(torch.equal(before[name], case[name]) for name in case)


def test_shapes_are_checked():
    """Arrays that do not fit are a bug of ours, and do not broadcast silently."""
    case = hand_case(0.5)
    case["values"] = case["values"].squeeze(-1)
    with pytest.raises(AssertionError):
        generalized_advantage_estimation(**case)
