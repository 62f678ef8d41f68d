"""Losses of a value function, element by element, and how well it explains the returns."""

from typing import Any

import torch

# One operation where `(x - y).square()` is two, and its gradient one where that is four; without
# the checks and views of shapes that `torch.nn.functional` makes first. 0 is for no reduction.
_mse_loss: Any = torch._C._nn.mse_loss  # pyright: ignore
_huber_loss: Any = torch._C._nn.huber_loss  # pyright: ignore


def element_wise_squared_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """`(x - y)^2`, without the factor one half.

    Args:
        x: `[...]`.
        y: `[...]`.

    Returns:
        `[...]`.
    """
    assert x.shape == y.shape, (x.shape, y.shape)
    return _mse_loss(x, y, 0)


def element_wise_huber_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """`(x - y)^2 / 2` where `|x - y| <= 1`, else `|x - y| - 1/2`.

    See "Robust Estimation of a Location Parameter", https://doi.org/10.1214/aoms/1177703732

    Args:
        x: `[...]`.
        y: `[...]`.

    Returns:
        `[...]`.
    """
    assert x.shape == y.shape, (x.shape, y.shape)
    return _huber_loss(x, y, 0, 1.0)


def expectile_loss(target: torch.Tensor, value: torch.Tensor, expectile: float) -> torch.Tensor:
    """`|expectile - 1(target < value)| (target - value)^2`: its minimum is an expectile.

    Where the target is above the value it weighs `expectile`, below `1 - expectile`. With 0.5 the
    minimum is the mean of the targets; close to 1 it is close to the largest of them. Equation 3 of
    https://arxiv.org/abs/2110.06169

    Args:
        target: `[...]`.
        value: `[...]`.
        expectile: in `(0, 1)`.

    Returns:
        `[...]`.
    """
    assert target.shape == value.shape, (target.shape, value.shape)
    error = target - value
    return torch.where(error < 0, 1 - expectile, expectile) * error.square()


def explained_variance(
    values: torch.Tensor, returns: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """`1 - Var(returns - values) / Var(returns)`.

    1 is a perfect prediction, 0 as good as a constant, below 0 worse than that. Where the returns
    do not vary it is 1 for a perfect prediction and 0 for any other.

    Args:
        values: `[...]`.
        returns: `[...]`.
        mask: bool `[...]`, what counts; `None` counts all.

    Returns:
        A scalar, without gradient.
    """
    assert values.shape == returns.shape, (values.shape, returns.shape)
    values, returns = values.detach(), returns.detach()
    if mask is not None:
        values, returns = values[mask], returns[mask]
    if returns.numel() == 0:
        return returns.new_zeros(())
    unexplained = (returns - values).var(correction=0)
    total = returns.var(correction=0)
    flat = torch.where(unexplained > 0, 0.0, 1.0)
    safe = torch.where(total > 0, total, torch.ones_like(total))
    return torch.where(total > 0, 1 - unexplained / safe, flat.to(total.dtype))
