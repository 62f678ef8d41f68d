"""Losses of a policy, element by element: no mean is taken, no sign is left to the caller."""

import torch


def policy_gradient_loss(log_probs: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    """The loss whose gradient is the policy gradient: `-log pi(a_t|s_t) A_t`.

    See "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
    Learning", https://doi.org/10.1007/BF00992696

    Args:
        log_probs: log probabilities of the actions taken, `[...]`.
        advantages: `[...]`; no gradient flows through them.

    Returns:
        `[...]`.
    """
    assert log_probs.shape == advantages.shape, (log_probs.shape, advantages.shape)
    return -log_probs * advantages.detach()


def importance_ratio(
    log_probs: torch.Tensor, rollout_log_probs: torch.Tensor, log_prob_clipping: float = 0.0
) -> torch.Tensor:
    """`pi(a_t|s_t) / pi_rollout(a_t|s_t)`.

    Args:
        log_probs: under the policy being trained, `[...]`.
        rollout_log_probs: under the policy that acted, `[...]`; no gradient flows through them.
        log_prob_clipping: if positive, the difference of logs is clipped to plus or minus it.

    Returns:
        `[...]`, positive.
    """
    assert log_probs.shape == rollout_log_probs.shape, (log_probs.shape, rollout_log_probs.shape)
    log_ratio = log_probs - rollout_log_probs.detach()
    if log_prob_clipping > 0:
        log_ratio = log_ratio.clamp(-log_prob_clipping, log_prob_clipping)
    return log_ratio.exp()


def clipped_surrogate_loss(
    ratios: torch.Tensor, advantages: torch.Tensor, clipping: float = 0.2
) -> torch.Tensor:
    """The loss of proximal policy optimization.

    `-min(rho_t A_t, clip(rho_t, 1 - c, 1 + c) A_t)`. See "Proximal Policy Optimization
    Algorithms", https://arxiv.org/abs/1707.06347

    Args:
        ratios: importance ratios `rho_t`, `[...]`.
        advantages: `[...]`; no gradient flows through them.
        clipping: `c`, positive.

    Returns:
        `[...]`.
    """
    assert ratios.shape == advantages.shape, (ratios.shape, advantages.shape)
    advantages = advantages.detach()
    clipped = ratios.clamp(1 - clipping, 1 + clipping)
    return -torch.minimum(ratios * advantages, clipped * advantages)


def clip_fraction(ratios: torch.Tensor, clipping: float = 0.2) -> torch.Tensor:
    """The share of importance ratios outside `[1 - clipping, 1 + clipping]`, a scalar."""
    return ((ratios.detach() - 1).abs() > clipping).float().mean()


def approximate_kl(log_probs: torch.Tensor, rollout_log_probs: torch.Tensor) -> torch.Tensor:
    """Estimate `KL(pi_rollout || pi)` from actions of the rollout, element by element.

    `(rho - 1) - log rho`: unbiased and never negative, with far less variance than `-log rho`. See
    "Approximating KL Divergence", http://joschu.net/blog/kl-approx.html

    Args:
        log_probs: under the policy being trained, `[...]`.
        rollout_log_probs: under the policy that acted, `[...]`.

    Returns:
        `[...]`, without gradient.
    """
    assert log_probs.shape == rollout_log_probs.shape, (log_probs.shape, rollout_log_probs.shape)
    log_ratio = (log_probs - rollout_log_probs).detach()
    return torch.expm1(log_ratio) - log_ratio


def entropy_loss(entropies: torch.Tensor, regularization: float) -> torch.Tensor:
    """The bonus for a policy that stays open: `-regularization * H`.

    See "Asynchronous Methods for Deep Reinforcement Learning", https://arxiv.org/abs/1602.01783

    Args:
        entropies: in nats, `[...]`.
        regularization: weight of the bonus, not negative.

    Returns:
        `[...]`.
    """
    return entropies * -regularization
