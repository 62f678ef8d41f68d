"""The loss of values against their targets, by the function that a conf chooses."""

from collections.abc import Callable

import torch

from alf._config import checked
from alf.errors import ConfigError

TDErrorLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""`(target, value) -> loss`, element by element: three tensors of one shape."""


def element_wise(function: TDErrorLoss, target: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The loss of each value.

    Args:
        function: what is configured as `td_error_loss_fn`.
        target: `[...]`, without gradient.
        value: `[...]`.

    Returns:
        `[...]`.

    Raises:
        ConfigError: the function gives something else than one number for each value.
    """
    loss = checked(function, "td_error_loss_fn", torch.Tensor)(target, value)
    if loss.shape == value.shape:
        return loss
    raise ConfigError(
        f"td_error_loss_fn {function!r} made a tensor of shape {list(loss.shape)} of targets and "
        f"values of shape {list(value.shape)}, and must make a loss of each: give a function such "
        f"as alf.ops.element_wise_huber_loss; those of torch do so with reduction='none'"
    )
