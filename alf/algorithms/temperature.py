"""The temperature of soft actor-critic: what a nat of entropy is worth in reward.

Haarnoja et al., section 5 of "Soft Actor-Critic Algorithms and Applications",
https://arxiv.org/abs/1812.05905
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from alf.errors import ConfigError
from alf.nest import flatten
from alf.networks.q_networks import count_choices
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

_GREEDY = 0.9

TargetEntropy = float | Callable[[Any], float] | Sequence[float] | None


class Temperature(nn.Module):
    """One learned temperature for each part of an action, the discrete part first.

    Where no target entropy is given, that of a continuous part is `-1` nat a dimension (in units of
    half the width of its bounds), as in the paper; that of a discrete part is the entropy of a
    policy that takes one choice in 9 of 10 cases and any other in the rest.

    Args:
        discrete: spec of the discrete part; `None` without one.
        continuous: nest of specs of the continuous part; `None` without one.
        target_entropy: in nats; a number, a function of the part's spec, or for two parts a pair
            of numbers; `None` for the defaults.
        initial_log_alpha: logarithm of the temperatures at the start.
        max_log_alpha: its upper bound; `None` for none.

    Raises:
        ConfigError: the target is of another kind.
    """

    targets: torch.Tensor

    def __init__(
        self,
        discrete: TensorSpec | None,
        continuous: Any,
        target_entropy: TargetEntropy = None,
        initial_log_alpha: float = 0.0,
        max_log_alpha: float | None = None,
    ):
        super().__init__()
        parts = {"discrete": discrete, "continuous": continuous}
        specs = {name: spec for name, spec in parts.items() if spec is not None}
        self._names = list(specs)
        self._max_log_alpha = max_log_alpha
        self.log_alpha = nn.Parameter(torch.full((len(specs),), float(initial_log_alpha)))
        targets = _targets(target_entropy, specs)
        self.register_buffer("targets", torch.tensor(targets), persistent=False)

    def alpha(self) -> torch.Tensor:
        """The temperatures `[P]`, without gradient."""
        return self.log_alpha.detach().exp()

    def loss(self, log_pi: torch.Tensor) -> torch.Tensor:
        """The loss that brings the entropy to its target: too little of it heats up.

        `-log alpha (log pi + target)`, summed over the parts.

        Args:
            log_pi: `[..., P]`; no gradient flows through it.

        Returns:
            `[...]`.
        """
        return -(self.log_alpha * (log_pi.detach() + self.targets)).sum(-1)

    @torch.no_grad()
    def clip(self) -> None:
        """Keep the temperatures in their bound."""
        if self._max_log_alpha is not None:
            self.log_alpha.clamp_(max=self._max_log_alpha)

    def by_part(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        """`[..., P]` as a dict, by the names of the parts."""
        return dict(zip(self._names, values.unbind(-1), strict=True))


def _targets(target_entropy: TargetEntropy, specs: dict[str, Any]) -> list[float]:
    if target_entropy is None:
        return [_default_target(name, spec) for name, spec in specs.items()]
    if callable(target_entropy):
        given = [target_entropy(spec) for spec in specs.values()]
        return _numbers(given, target_entropy)
    given = list(target_entropy) if isinstance(target_entropy, Sequence) else [target_entropy]
    if len(given) != len(specs):
        raise ConfigError(
            f"target_entropy is {target_entropy!r}, and the action has {' and '.join(specs)} "
            f"parts: give {len(specs)} number(s), or None for the default"
        )
    return _numbers(given, target_entropy)


def _numbers(targets: list[Any], given: object) -> list[float]:
    try:
        return [float(target) for target in targets]
    except (TypeError, ValueError):
        kinds = " and ".join(type(target).__name__ for target in targets)
        raise ConfigError(
            f"target_entropy is {given!r}, which gives {kinds}: give a number, or a function of a "
            f"spec that gives one"
        ) from None


def _default_target(name: str, spec: Any) -> float:
    if name == "discrete":
        others = count_choices("a discrete action", spec) - 1
        if others == 0:
            return 0.0
        return -_GREEDY * math.log(_GREEDY) - (1 - _GREEDY) * math.log((1 - _GREEDY) / others)
    return sum(_continuous_target(leaf) for leaf in flatten(spec))


def _continuous_target(spec: TensorSpec) -> float:
    """-1 for each element of a box `[-1, 1]`; a wider one leaves room for more."""
    if isinstance(spec, BoundedTensorSpec):
        half_width = (spec.maximum.astype(np.float64) - spec.minimum) / 2
        if np.isfinite(half_width).all() and (half_width > 0).all():
            return float(np.log(half_width).sum()) - spec.numel
    return -float(spec.numel)
