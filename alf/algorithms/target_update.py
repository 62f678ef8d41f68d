"""Target networks: copies that follow their originals slowly, so that targets stand still.

Mnih et al., "Human-level control through deep reinforcement learning",
https://doi.org/10.1038/nature14236
"""

import copy
from typing import TypeVar

import torch
from torch import nn

from alf.errors import ConfigError

M = TypeVar("M", bound=nn.Module)


def make_target(network: M) -> M:
    """A copy that no gradient reaches."""
    return copy.deepcopy(network).requires_grad_(False)


class TargetUpdater(nn.Module):
    """Moves a target network towards its original: `target += tau (original - target)`.

    A module, so that a checkpoint says how far the period has come; the networks are not its own.

    Args:
        original: what is trained.
        target: its copy.
        tau: share of the way, in `(0, 1]`; 1 copies.
        period: move at each so many-th call of `update`.

    Raises:
        ConfigError: `tau` or `period` is out of its range.
    """

    def __init__(self, original: nn.Module, target: nn.Module, tau: float, period: int):
        super().__init__()
        if not 0 < tau <= 1:
            raise ConfigError(f"target_update_tau is {tau}: give a share above 0, at most 1")
        if period < 1:
            raise ConfigError(f"target_update_period is {period}: give a number of at least 1")
        self._networks = (original, target)  # in a tuple, where they are no parts of this module
        self._tau = tau
        self._period = period
        self._parameters_of_both: tuple[list[torch.Tensor], list[torch.Tensor]] | None = None
        self._has_buffers = False
        # The count on the host saves asking the device at each update, and telling it.
        self._count: int | None = None
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_post_hook(_forget_count)
        self.register_state_dict_pre_hook(_tell_count)

    updates: torch.Tensor  # up to date in a state dict

    @property
    def is_due(self) -> bool:
        """Whether the next `update` moves the target."""
        return (self._known_count() + 1) % self._period == 0

    def update(self) -> None:
        """Count a step of the optimizer, and move where the period is over."""
        if self._period > 1:
            self._count = (self._known_count() + 1) % self._period
            if self._count:
                return
        self._move()

    def _known_count(self) -> int:
        if self._count is None:
            self._count = int(self.updates)
        return self._count

    @torch.no_grad()
    def _move(self) -> None:
        original, target = self._networks
        if self._parameters_of_both is None:
            self._parameters_of_both = (list(target.parameters()), list(original.parameters()))
            self._has_buffers = any(True for _ in target.buffers())
        ours, theirs = self._parameters_of_both
        if self._tau == 1:
            torch._foreach_copy_(ours, theirs)  # pyright: ignore[reportPrivateImportUsage]
        else:
            torch._foreach_lerp_(ours, theirs, self._tau)  # pyright: ignore[reportPrivateImportUsage]
        # Statistics of a batch normalization are no parameters, and are taken as they are.
        if self._has_buffers:
            for mine, other in zip(target.buffers(), original.buffers(), strict=True):
                mine.copy_(other)


def _tell_count(module: nn.Module, prefix: str, keep_vars: bool) -> None:
    assert isinstance(module, TargetUpdater)
    if module._count is not None:
        module.updates.fill_(module._count)


def _forget_count(module: nn.Module, incompatible_keys: object) -> None:
    assert isinstance(module, TargetUpdater)
    module._count = None
