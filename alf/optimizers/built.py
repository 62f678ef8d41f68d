"""A running optimizer: gradient clipping, the learning rate's schedule, and torch's own step."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch

from alf.errors import CheckpointError

# One call for a list of tensors; torch's own optimizers and clipping are built on these.
_foreach_norm = torch._foreach_norm  # pyright: ignore
_foreach_mul_ = torch._foreach_mul_  # pyright: ignore


class BuiltOptimizer:
    """An optimizer over given parameters.

    Args:
        optimizer: torch's optimizer.
        lr: the learning rate, asked at each step.
        gradient_clipping: the largest norm; `None` for no clipping.
        clip_by_global_norm: whether the norm is that of all gradients together, or of each alone.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        lr: float | Callable[[], float],
        gradient_clipping: float | None = None,
        clip_by_global_norm: bool = False,
    ):
        self._optimizer = optimizer
        self._plain_step = inspect.unwrap(type(optimizer).step)
        self._schedule = lr if callable(lr) else None
        self._gradient_clipping = gradient_clipping
        self._clip_by_global_norm = clip_by_global_norm
        self._params: list[torch.nn.Parameter] = [
            param for group in optimizer.param_groups for param in group["params"]
        ]

    @property
    def params(self) -> list[torch.nn.Parameter]:
        """The parameters, in order."""
        return self._params

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        if self._schedule is not None:
            return self._schedule()
        return float(self._optimizer.param_groups[0]["lr"])

    def step(self) -> torch.Tensor | None:
        """Clip the gradients and move the parameters.

        Nothing waits for the device.

        Returns:
            The norm of all gradients before clipping, a scalar tensor; `None` without clipping.
        """
        norm = self._clip()
        if self._schedule is not None:
            lr = self._schedule()
            for group in self._optimizer.param_groups:
                group["lr"] = lr
        # The method without the decorators that serve hooks and compilers, which cost as much as
        # the step itself and load torch's compiler.
        with torch.no_grad():
            self._plain_step(self._optimizer)
        return norm

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for param in self._params:
            param.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The state of torch's optimizer; loads with `weights_only=True`."""
        return self._optimizer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of another run.

        The settings of this optimizer stay (learning rate, momentum, ...): a conf that was changed
        on purpose holds.

        Raises:
            CheckpointError: if the state belongs to other parameters.
        """
        ours = self._optimizer.state_dict()["param_groups"]
        theirs = state_dict["param_groups"]
        if [len(group["params"]) for group in ours] != [len(group["params"]) for group in theirs]:
            raise CheckpointError(
                "the optimizer's state is of a model with another number of parameters: "
                "load it into the model that it was saved with"
            )
        groups = [
            {**mine, "params": other["params"]} for mine, other in zip(ours, theirs, strict=True)
        ]
        self._optimizer.load_state_dict({"state": state_dict["state"], "param_groups": groups})

    def _clip(self) -> torch.Tensor | None:
        limit = self._gradient_clipping
        if limit is None:
            return None
        grads = [param.grad for param in self._params if param.grad is not None]
        if not grads:
            return None
        norms = _foreach_norm(grads)
        total = _norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
        if self._clip_by_global_norm:
            _foreach_mul_(grads, _factor(total, limit))
        else:
            _foreach_mul_(grads, [_factor(norm, limit) for norm in norms])
        return total


def spare_the_compiler() -> None:
    """Keep torch from loading its compiler, a second and a half, for an optimizer that runs as is.

    Some methods of `torch.optim.Optimizer` are wrapped so that the compiler leaves them out, and
    the wrapper loads it to say so. A method that carries this mark is called as it is. Where a
    release of torch does it otherwise, the mark does nothing.
    """
    if "torch._dynamo" in sys.modules:
        return
    for method in vars(torch.optim.Optimizer).values():
        inner = getattr(method, "__wrapped__", None)
        if inner is not None and not hasattr(inner, "__dynamo_disable"):
            setattr(inner, "__dynamo_disable", inner)


def _factor(norm: torch.Tensor, limit: float) -> torch.Tensor:
    """`min(1, limit / norm)`, on the device; 1 for a zero norm, no number if the norm is none."""
    return limit / norm.clamp(min=limit)


def _norm(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(x)  # pyright: ignore - torch gives it no type
