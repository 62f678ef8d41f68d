"""Distributions of returns as quantiles, and how they are learned.

- Dabney et al., "Distributional Reinforcement Learning with Quantile Regression",
  https://arxiv.org/abs/1710.10044
- Kuznetsov et al., "Controlling Overestimation Bias with Truncated Mixture of Continuous
  Distributional Quantile Critics", https://arxiv.org/abs/2005.04269
"""

import torch


def quantile_fractions(count: int, like: torch.Tensor) -> torch.Tensor:
    """The middles of `count` equal parts of `[0, 1]`: `(i + 1/2) / count`, `[count]`.

    Args:
        count: at least 1.
        like: gives device and dtype.
    """
    steps = torch.arange(count, device=like.device, dtype=like.dtype)
    return (steps + 0.5) / count


def quantile_huber_loss(
    quantiles: torch.Tensor, targets: torch.Tensor, threshold: float = 1.0
) -> torch.Tensor:
    """Quantile regression whose loss is smooth near its minimum.

    `|tau_i - [u < 0]| L(u) / k` with `u = target_j - quantile_i`, where `L` is the Huber loss with
    threshold `k`; the mean over all pairs. See equation 10 of https://arxiv.org/abs/1710.10044

    Args:
        quantiles: `[..., N]`, the values at `quantile_fractions(N)`, in that order.
        targets: `[..., M]`, samples or equally likely values; no gradient flows through them.
        threshold: `k`, positive: where the loss goes from a square to a line.

    Returns:
        `[...]`.
    """
    assert quantiles.shape[:-1] == targets.shape[:-1], (quantiles.shape, targets.shape)
    fixed = quantiles.detach()
    fractions = quantile_fractions(fixed.shape[-1], fixed).unsqueeze(-1)
    error = targets.detach().unsqueeze(-2) - fixed.unsqueeze(-1)
    slope = error.clamp(-threshold, threshold)
    # |tau - [u < 0]| slope, without a comparison: 1 - tau is tau + (1 - 2 tau).
    weighted = torch.addcmul(slope * fractions, slope.clamp(max=0), 1 - 2 * fractions)
    # L(u) = slope (u - slope / 2), whose derivative is the slope. With the derivative at hand the
    # pairs need no graph, which would take most of the time and of the memory.
    loss = error.sub_(slope, alpha=0.5).mul_(weighted).mean((-2, -1)) / threshold
    gradient = weighted.mean(-1) / (-threshold * fixed.shape[-1])
    return loss + ((quantiles - fixed) * gradient).sum(-1)


def truncate_quantiles(quantiles: torch.Tensor, dropped: int) -> torch.Tensor:
    """The quantiles of several distributions together, without the highest ones.

    What one distribution overestimates is cut off; see section 3 of
    https://arxiv.org/abs/2005.04269. The mean of the rest is the truncated mean.

    Args:
        quantiles: `[..., R, N]`, `N` of each of `R` distributions.
        dropped: how many to leave out for each distribution, from 0 to `N - 1`.

    Returns:
        `[..., R (N - dropped)]`, in rising order.
    """
    replicas, count = quantiles.shape[-2:]
    assert 0 <= dropped < count, (dropped, count)
    kept = replicas * (count - dropped)
    return quantiles.flatten(-2).sort(-1).values[..., :kept]
