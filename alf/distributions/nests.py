"""Functions on nests of distributions: what an algorithm asks of a policy."""

from typing import Any

import torch

from alf.distributions.distribution import Distribution
from alf.nest import flatten, map_structure, sum_nest


def sample_action_distribution(nest: Any) -> Any:
    """Draw an action from every distribution, without gradient.

    Args:
        nest: a distribution or a nest of them.

    Returns:
        A tensor `[*batch_shape, *event_shape]`, or a nest of them.
    """
    if isinstance(nest, Distribution):
        return nest.sample()
    return map_structure(lambda dist: dist.sample(), nest)


def rsample_action_distribution(nest: Any) -> Any:
    """Like `sample_action_distribution`, with gradient into the parameters."""
    if isinstance(nest, Distribution):
        return nest.rsample()
    return map_structure(lambda dist: dist.rsample(), nest)


def get_mode(nest: Any) -> Any:
    """The most probable action of every distribution."""
    if isinstance(nest, Distribution):
        return nest.mode
    return map_structure(lambda dist: dist.mode, nest)


def compute_log_probability(dists: Any, actions: Any) -> torch.Tensor:
    """Log probability of a nest of actions: the sum over the leaves, `[*batch_shape]`.

    Args:
        dists: a distribution or a nest of them.
        actions: of the same structure, `[*batch_shape, *event_shape]` each.
    """
    if isinstance(dists, Distribution):
        return dists.log_prob(actions)
    return sum_nest(map_structure(lambda dist, action: dist.log_prob(action), dists, actions))


def compute_entropy(nest: Any) -> torch.Tensor:
    """Entropy of a nest of independent distributions: the sum over the leaves."""
    if isinstance(nest, Distribution):
        return nest.entropy()
    return sum_nest(map_structure(lambda dist: dist.entropy(), nest))


def compute_kl_divergence(nest: Any, others: Any) -> torch.Tensor:
    """`KL(nest || others)` of nests of independent distributions: the sum over the leaves."""
    if isinstance(nest, Distribution):
        return nest.kl_divergence(others)
    return sum_nest(map_structure(lambda dist, other: dist.kl_divergence(other), nest, others))


def epsilon_greedy_sample(nest: Any, eps: float = 0.1) -> Any:
    """Take the mode, except with probability `eps`, when the action is sampled.

    Each element of the batch decides on its own, all leaves of its nest together.

    Args:
        nest: a distribution or a nest of them.
        eps: in `[0, 1]`; 0 is the mode, 1 is sampling.
    """
    if eps <= 0:
        return get_mode(nest)
    if eps >= 1:
        return sample_action_distribution(nest)
    first: Distribution = flatten(nest)[0]
    mode = get_mode(nest)
    device = flatten(mode)[0].device
    explores = torch.rand(first.batch_shape, device=device) < eps

    def choose(dist: Distribution, best: torch.Tensor) -> torch.Tensor:
        chosen = explores.reshape(explores.shape + (1,) * len(dist.event_shape))
        return torch.where(chosen, dist.sample(), best)

    return map_structure(choose, nest, mode)
