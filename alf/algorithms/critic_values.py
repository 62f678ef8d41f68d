"""What the values of critics say of an action, and how an actor follows them.

Critics are replicas, `[N, R]` values of `N` actions.
"""

from typing import Any

import torch

from alf.distributions import Distribution
from alf.errors import ConfigError
from alf.nest import flatten, pack_sequence_as
from alf.networks.network import Network
from alf.networks.parallel_networks import SingleReplica


def lowest(values: torch.Tensor) -> torch.Tensor:
    """What the most sober replica says.

    See "Addressing Function Approximation Error in Actor-Critic Methods",
    https://arxiv.org/abs/1802.09477

    Args:
        values: `[N, R, ...]`.

    Returns:
        `[N, ...]`.
    """
    return values.amin(1) if values.shape[1] > 1 else values.squeeze(1)


def lowest_value(critics: Network, inputs: Any, state: Any = ()) -> tuple[torch.Tensor, Any]:
    """What the most sober replica says of some inputs, without the way over all of a single one.

    Args:
        critics: made by `make_parallel`.
        inputs: nest of `[N, ...]`.
        state: of the critics, nest of `[N, ...]`; `()` without memory.

    Returns:
        `[N, ...]`, and the next state.
    """
    if type(critics) is SingleReplica:
        return critics.network(inputs, state)
    values, state = critics(inputs, state)
    return lowest(values), state


def all_values(critics: Network, inputs: Any) -> torch.Tensor:
    """What each replica says of some inputs, without a dimension of replicas for a single one.

    Args:
        critics: made by `make_parallel`, without memory.
        inputs: nest of `[N, ...]`.

    Returns:
        `[N, R, ...]`, or `[N, ...]` of a single replica.
    """
    return (critics.network if type(critics) is SingleReplica else critics)(inputs)[0]


def weights_of_lowest(values: torch.Tensor, weight: torch.Tensor | float = 1.0) -> torch.Tensor:
    """Weights with which the sum of all values is that of the lowest replica's.

    Args:
        values: `[N, R, ...]`.
        weight: of each lowest value, `[N, ...]`.

    Returns:
        Like `values`: `weight` at the lowest replica, 0 at the others.
    """
    at = values.argmin(1, keepdim=True)
    source = torch.as_tensor(weight, dtype=values.dtype, device=values.device)
    source = source.unsqueeze(1) if source.dim() else source
    return torch.zeros_like(values).scatter_(1, at, source.expand_as(at))


def follow_values(
    action: Any, values: torch.Tensor, weights: torch.Tensor, clipping: float | None = None
) -> torch.Tensor:
    """The loss of an actor: minus the weighted sum of the values of its action.

    The gradient of the values is taken at the action and goes on from there into the actor alone,
    so that no gradient for the critics is computed. See "Deterministic Policy Gradient
    Algorithms", http://proceedings.mlr.press/v32/silver14.html

    Args:
        action: nest of `[N, ...]`, with gradient.
        values: `[N, ...]`, computed from the action.
        weights: like `values`.
        clipping: the largest size of each element of the gradient of the sum; `None` for no limit.

    Returns:
        `[N]`.
    """
    leaves: list[torch.Tensor] = flatten(action)
    loss = -(weights * values.detach()).flatten(1).sum(-1)
    for leaf, gradient in zip(leaves, torch.autograd.grad(values, leaves, weights), strict=True):
        if clipping is not None:
            gradient = gradient.clamp(-clipping, clipping)  # noqa: PLW2901
        # 0 as it stands, so that the loss is that of the paper; its gradient is what counts.
        loss = loss - (gradient * (leaf - leaf.detach())).view(leaf.shape[0], -1).sum(-1)
    return loss


def sample_with_log_prob(nest: Any) -> tuple[Any, torch.Tensor]:
    """An action of a nest of distributions, with gradient, and its log probability `[N]`."""
    if isinstance(nest, Distribution):
        return nest.rsample_with_log_prob()
    pairs = [distribution.rsample_with_log_prob() for distribution in flatten(nest)]
    actions, log_probs = zip(*pairs, strict=True)
    return pack_sequence_as(nest, list(actions)), torch.stack(log_probs).sum(0)


def without_memory(network: Network, algorithm: str) -> Network:
    """The network itself.

    Args:
        network: an actor.
        algorithm: the name of the one that trains it.

    Raises:
        ConfigError: it has a memory.
    """
    if network.state_spec != ():
        raise ConfigError(
            f"{network.name} has a memory ({network.state_spec}), and {algorithm} learns from "
            f"single steps: give it an actor network without one"
        )
    return network
