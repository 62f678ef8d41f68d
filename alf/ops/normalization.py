"""Normalization of a batch by its own statistics."""

import torch


def normalize_advantages(
    advantages: torch.Tensor, mask: torch.Tensor | None = None, eps: float = 1e-8
) -> torch.Tensor:
    """Advantages with mean 0 and variance 1 over what counts.

    See "What Matters In On-Policy Reinforcement Learning?", https://arxiv.org/abs/2006.05990

    Args:
        advantages: `[...]`.
        mask: bool `[...]`, what counts; `None` counts all. What does not count becomes 0, and
            no host is asked how much counts.
        eps: added to the variance under the root.

    Returns:
        `[...]`; zeros where all that counts is equal.
    """
    if mask is None:
        centered = advantages - advantages.mean()
        return centered * (centered.square().mean() + eps).rsqrt()
    assert mask.shape == advantages.shape, (mask.shape, advantages.shape)
    zero = torch.zeros_like(advantages)
    count = mask.sum().clamp(min=1)
    mean = torch.where(mask, advantages, zero).sum() / count
    centered = torch.where(mask, advantages - mean, zero)
    return centered * (centered.square().sum() / count + eps).rsqrt()
