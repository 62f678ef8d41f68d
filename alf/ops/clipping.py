"""Functions that keep their result within bounds."""

import torch


def clipped_exp(
    x: torch.Tensor, clip_value_min: float = -20.0, clip_value_max: float = 2.0
) -> torch.Tensor:
    """`exp(min(max(x, clip_value_min), clip_value_max))`: a scale that is neither 0 nor infinite.

    With the default bounds it lies between `2e-9` and `7.4`. No gradient flows where `x` is
    clipped. See appendix D of "Soft Actor-Critic Algorithms and Applications",
    https://arxiv.org/abs/1812.05905

    Args:
        x: `[...]`.
        clip_value_min: lower bound of the exponent.
        clip_value_max: upper bound of the exponent.

    Returns:
        `[...]`, positive.
    """
    return x.clamp(clip_value_min, clip_value_max).exp()
