"""One step of each optimizer as a function of tensors: for programs that make it a part of theirs.

They compute what torch's optimizers compute, up to rounding; the settings are those of a
`param_groups` entry of theirs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from alf.ops.scalars import once

Group = Mapping[str, Any]
State = Mapping[str, torch.Tensor]
Stepped = tuple[torch.Tensor, dict[str, torch.Tensor]]
Step = Callable[[torch.Tensor, torch.Tensor, State, torch.Tensor, Group], Stepped]
"""`(parameters, gradient, state, learning rate, settings) -> (parameters, state)`."""


def step_of(optimizer: torch.optim.Optimizer) -> Step | None:
    """The function that makes its step; `None` for one that is not known here."""
    return _STEPS.get(type(optimizer))


def initial_state(
    optimizer: torch.optim.Optimizer, x: torch.Tensor
) -> dict[str, torch.Tensor] | None:
    """What its state is before the first step, where zeros say it.

    Args:
        optimizer: of one group.
        x: the parameters.

    Returns:
        `None` where the first step is not that of zeros, or the optimizer is not known here.
    """
    group = optimizer.param_groups[0]
    names: dict[str, Any] = {}
    if isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
        names = {"exp_avg": True, "exp_avg_sq": True, "max_exp_avg_sq": group["amsgrad"]}
    elif isinstance(optimizer, torch.optim.RMSprop):
        names = {
            "square_avg": True,
            "momentum_buffer": group["momentum"],
            "grad_avg": group["centered"],
        }
    elif isinstance(optimizer, torch.optim.SGD) and not (group["momentum"] and group["dampening"]):
        return {"momentum_buffer": torch.zeros_like(x)} if group["momentum"] else {}
    if not names:
        return None
    state = {name: torch.zeros_like(x) for name, is_there in names.items() if is_there}
    # Where torch keeps it, too: a kernel for all of the step finds it on its own device.
    device = x.device if group.get("fused") or group.get("capturable") else None
    return {"step": torch.zeros((), dtype=torch.float32, device=device), **state}


def adam(
    x: torch.Tensor,
    gradient: torch.Tensor,
    state: State,
    lr: torch.Tensor,
    group: Mapping[str, Any],
) -> Stepped:
    """Adam, https://arxiv.org/abs/1412.6980, with an L2 penalty as `weight_decay`."""
    if group["weight_decay"]:
        gradient = gradient + group["weight_decay"] * x
    return _adaptive_moments(x, gradient, state, lr, group)


def adamw(
    x: torch.Tensor,
    gradient: torch.Tensor,
    state: State,
    lr: torch.Tensor,
    group: Mapping[str, Any],
) -> Stepped:
    """Adam with decoupled weight decay, https://arxiv.org/abs/1711.05101."""
    return _adaptive_moments(x * (1 - lr * group["weight_decay"]), gradient, state, lr, group)


def _adaptive_moments(
    x: torch.Tensor,
    gradient: torch.Tensor,
    state: State,
    lr: torch.Tensor,
    group: Mapping[str, Any],
) -> Stepped:
    beta1, beta2 = group["betas"]
    step = state["step"] + 1
    mean = torch.lerp(state["exp_avg"], gradient, 1 - beta1)
    square = beta2 * state["exp_avg_sq"] + (1 - beta2) * gradient * gradient
    new = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
    if group["amsgrad"]:
        square = new["max_exp_avg_sq"] = torch.maximum(state["max_exp_avg_sq"], square)
    # Exact for the first steps, where the powers are near 1 and what counts is what is missing.
    correction1, correction2 = (1 - beta**step for beta in (beta1, beta2))
    denominator = (square * once(1 / correction2)).sqrt() + group["eps"]
    return x - once(lr / correction1) * mean / denominator, new


def sgd(
    x: torch.Tensor,
    gradient: torch.Tensor,
    state: State,
    lr: torch.Tensor,
    group: Mapping[str, Any],
) -> Stepped:
    """Stochastic gradient descent, with momentum."""
    if group["weight_decay"]:
        gradient = gradient + group["weight_decay"] * x
    new: dict[str, torch.Tensor] = {}
    if group["momentum"]:
        buffer = group["momentum"] * state["momentum_buffer"] + (1 - group["dampening"]) * gradient
        new["momentum_buffer"] = buffer
        gradient = gradient + group["momentum"] * buffer if group["nesterov"] else buffer
    return x - lr * gradient, new


def rmsprop(
    x: torch.Tensor,
    gradient: torch.Tensor,
    state: State,
    lr: torch.Tensor,
    group: Mapping[str, Any],
) -> Stepped:
    """RMSprop, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf."""
    if group["weight_decay"]:
        gradient = gradient + group["weight_decay"] * x
    alpha = group["alpha"]
    square = alpha * state["square_avg"] + (1 - alpha) * gradient * gradient
    new = {"step": state["step"] + 1, "square_avg": square}
    if group["centered"]:
        mean = new["grad_avg"] = torch.lerp(state["grad_avg"], gradient, 1 - alpha)
        square = square - mean * mean
    move = gradient / (square.sqrt() + group["eps"])
    if group["momentum"]:
        move = new["momentum_buffer"] = group["momentum"] * state["momentum_buffer"] + move
    return x - lr * move, new


_STEPS: dict[type, Step] = {
    torch.optim.Adam: adam,
    torch.optim.AdamW: adamw,
    torch.optim.SGD: sgd,
    torch.optim.RMSprop: rmsprop,
}
