"""The loss of values against their targets, by the function that a conf chooses."""

from collections.abc import Callable

import torch

from alf._config import checked
from alf.errors import ConfigError

TDErrorLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""`(target, value) -> loss`, element by element: three tensors of one shape."""


def element_wise(function: TDErrorLoss) -> TDErrorLoss:
    """A loss of values that tells when it gives something else than one number for each.

    Args:
        function: what is configured as `td_error_loss_fn`.

    Returns:
        The same function, which raises a `ConfigError` where its result has another shape.
    """
    compute = checked(function, "td_error_loss_fn", torch.Tensor)

    def loss_of(target: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        loss = compute(target, value)
        if loss.shape == value.shape:
            return loss
        raise ConfigError(
            f"td_error_loss_fn {function!r} made a tensor of shape {list(loss.shape)} of targets "
            f"and values of shape {list(value.shape)}, and must make a loss of each: give a "
            f"function such as alf.ops.element_wise_huber_loss; those of torch do so with "
            f"reduction='none'"
        )

    return loss_of
