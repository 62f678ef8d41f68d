"""Returns and advantages from a stretch of experience.

Time-major arrays `[T, B]` (or `[T, B, k]` for a vector reward). At row `t`:

- `rewards[t]` and `discounts[t]` follow the action of row `t - 1`; `discounts` already contains
  the algorithm's gamma: `d_t = gamma * time_step.discount`.
- `values[t]` is the value `V_t` of the observation of row `t`.
- `step_types[t]` says whether row `t` ends an episode. The action of such a row is ignored by the
  environment, so nothing follows from it: the row's own return is its value, its advantage zero.

Hence `(LAST, discount 0)`, a real end, counts no value after it, and `(LAST, discount 1)`, a time
limit, counts the value of the last observation.

Each function gives one row less than it gets, `[T - 1, B]`: the last row only bootstraps.
Inputs are taken as constants; call these functions with detached tensors.
"""

import torch

_LAST = 2  # StepType.LAST of alf.data_structures; ops know torch only


def discounted_return(
    rewards: torch.Tensor,
    values: torch.Tensor,
    step_types: torch.Tensor,
    discounts: torch.Tensor,
) -> torch.Tensor:
    """Sum of the discounted rewards up to the end of the episode or the stretch.

    `R_t = r_{t+1} + d_{t+1} R_{t+1}` for `t = T-2, ..., 0`; `R_t = V_t` where row `t` is `LAST`
    and at `t = T-1`. See Sutton and Barto, section 12.8,
    http://incompleteideas.net/book/the-book-2nd.html

    Args:
        rewards: `[T, B]`.
        values: `[T, B]`.
        step_types: `[T, B]`, integers.
        discounts: `[T, B]`, gamma included.

    Returns:
        `[T - 1, B]`.
    """
    return td_lambda_return(rewards, values, step_types, discounts, td_lambda=1.0)


def one_step_discounted_return(
    rewards: torch.Tensor,
    values: torch.Tensor,
    step_types: torch.Tensor,
    discounts: torch.Tensor,
) -> torch.Tensor:
    """The target of one-step temporal difference learning.

    `R_t = r_{t+1} + d_{t+1} V_{t+1}`; `R_t = V_t` where row `t` is `LAST`. See Sutton and Barto,
    section 6.1, http://incompleteideas.net/book/the-book-2nd.html

    Args:
        rewards: `[T, B]`.
        values: `[T, B]`.
        step_types: `[T, B]`, integers.
        discounts: `[T, B]`, gamma included.

    Returns:
        `[T - 1, B]`.
    """
    _check_shapes(rewards, values, step_types, discounts)
    discounts, goes_on = _factors(rewards, step_types, discounts)
    target = torch.addcmul(rewards[1:], discounts, values[1:])
    return torch.where(goes_on, target, values[:-1])


def td_lambda_return(
    rewards: torch.Tensor,
    values: torch.Tensor,
    step_types: torch.Tensor,
    discounts: torch.Tensor,
    td_lambda: float = 0.95,
) -> torch.Tensor:
    """The lambda return.

    `R_t = r_{t+1} + d_{t+1} ((1 - lambda) V_{t+1} + lambda R_{t+1})`; `R_t = V_t` where row `t` is
    `LAST` and at `t = T-1`. It equals the generalized advantage estimate plus `V_t`. See Sutton and
    Barto, section 12.8, http://incompleteideas.net/book/the-book-2nd.html

    Args:
        rewards: `[T, B]`.
        values: `[T, B]`.
        step_types: `[T, B]`, integers.
        discounts: `[T, B]`, gamma included.
        td_lambda: in `[0, 1]`; 0 is the one-step target, 1 the discounted return.

    Returns:
        `[T - 1, B]`.
    """
    advantages = generalized_advantage_estimation(rewards, values, step_types, discounts, td_lambda)
    return advantages.add_(values[:-1])


def generalized_advantage_estimation(
    rewards: torch.Tensor,
    values: torch.Tensor,
    step_types: torch.Tensor,
    discounts: torch.Tensor,
    td_lambda: float = 0.95,
) -> torch.Tensor:
    """How much better the actions were than the values expected.

    `delta_t = r_{t+1} + d_{t+1} V_{t+1} - V_t` and `A_t = delta_t + lambda d_{t+1} A_{t+1}` for
    `t = T-2, ..., 0`; `A_t = 0` where row `t` is `LAST` and at `t = T-1`. See "High-Dimensional
    Continuous Control Using Generalized Advantage Estimation", https://arxiv.org/abs/1506.02438

    Args:
        rewards: `[T, B]`.
        values: `[T, B]`.
        step_types: `[T, B]`, integers.
        discounts: `[T, B]`, gamma included.
        td_lambda: in `[0, 1]`.

    Returns:
        `[T - 1, B]`.
    """
    _check_shapes(rewards, values, step_types, discounts)
    discounts, goes_on = _factors(rewards, step_types, discounts)
    advantages = torch.addcmul(rewards[1:], discounts, values[1:]).sub_(values[:-1])
    # where() rather than a product: what lies beyond a LAST row may be anything, also not finite.
    advantages = torch.where(goes_on, advantages, 0.0)
    factors = torch.where(goes_on, discounts, 0.0).mul_(td_lambda).expand_as(advantages)
    return _accumulate_backward_(advantages, factors)


def _check_shapes(
    rewards: torch.Tensor,
    values: torch.Tensor,
    step_types: torch.Tensor,
    discounts: torch.Tensor,
) -> None:
    assert rewards.shape == values.shape, (rewards.shape, values.shape)
    assert step_types.shape == discounts.shape == rewards.shape[:2], (
        step_types.shape,
        discounts.shape,
        rewards.shape,
    )
    assert rewards.shape[0] >= 2, f"{rewards.shape[0]} row(s): a return needs at least two"


def _factors(
    rewards: torch.Tensor, step_types: torch.Tensor, discounts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`d_{t+1}` and whether row `t` goes on, `t = 0, ..., T-2`, shaped to fit `rewards[1:]`."""
    discounts, goes_on = discounts[1:], step_types[:-1] != _LAST
    if rewards.dim() == 3:
        return discounts.unsqueeze(-1), goes_on.unsqueeze(-1)
    return discounts, goes_on


def _accumulate_backward_(x: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """`x_t += factors_t x_{t+1}` from the last row to the first, in place."""
    rows, row_factors = x.unbind(0), factors.unbind(0)
    for t in range(len(rows) - 2, -1, -1):
        rows[t].addcmul_(row_factors[t], rows[t + 1])
    return x
