"""The step of Adam over one tensor as one call of torch's kernel.

`torch.optim.Adam` sorts its parameters by device and kind at each step, which takes as long as the
kernel itself where networks are small. The kernel divides the gradient, too, so that clipping needs
no pass of its own.
"""

from collections.abc import Callable
from typing import Any

import torch

from alf.optimizers.functional import initial_state

FusedStep = Callable[[torch.Tensor, torch.Tensor | None], None]
"""`(gradient, divisor)`, both on the device of the parameters; a divisor is a scalar."""


def fused_step_of(optimizer: torch.optim.Optimizer) -> FusedStep | None:
    """What makes the steps of an optimizer that has a fused kernel, and one parameter.

    Args:
        optimizer: its settings and its state are read anew at each step, and the state is its own.

    Returns:
        `None` for another optimizer.
    """
    kernel = _KERNELS.get(type(optimizer))
    params = optimizer.param_groups[0]["params"]
    if kernel is None or not optimizer.param_groups[0]["fused"] or len(params) > 1:
        return None
    (x,) = params

    def step(gradient: torch.Tensor, divisor: torch.Tensor | None) -> None:
        state: Any = optimizer.state[x]
        if not state:
            state.update(initial_state(optimizer, x))
        state["step"] += 1
        group = optimizer.param_groups[0]
        beta1, beta2 = group["betas"]
        kernel(
            [x],
            [gradient],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [state["max_exp_avg_sq"]] if group["amsgrad"] else [],
            [state["step"]],
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=group["amsgrad"],
            maximize=False,
            grad_scale=divisor,
        )

    return step


_KERNELS: dict[type, Any] = {
    torch.optim.Adam: torch._fused_adam_,  # pyright: ignore
    torch.optim.AdamW: torch._fused_adamw_,  # pyright: ignore
}
