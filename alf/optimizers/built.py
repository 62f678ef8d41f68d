"""A running optimizer: gradient clipping, the learning rate's schedule, and torch's own step."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from alf.errors import CheckpointError
from alf.ops.scalars import once
from alf.optimizers.flat import FlatParameters, are_alike
from alf.optimizers.functional import initial_state, step_of
from alf.optimizers.fused import FusedStep, fused_step_of

# One call for a list of tensors; torch's own optimizers and clipping are built on these.
_foreach_norm = torch._foreach_norm  # pyright: ignore
_foreach_mul_ = torch._foreach_mul_  # pyright: ignore


_OF_ALL = ("step",)
"""Names in an optimizer's state of what is one number, and not one for each of a parameter's."""

Make = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]


class BuiltOptimizer:
    """An optimizer over given parameters.

    Parameters that are alike are moved into one tensor, and stepped as one as long as each has a
    gradient at each step. What is saved does not tell.

    Args:
        make: gives torch's optimizer over some parameters, one that computes each number alone.
        params: the parameters, at least one.
        lr: the learning rate, asked at each step.
        gradient_clipping: the largest norm; `None` for no clipping.
        clip_by_global_norm: whether the norm is that of all gradients together, or of each alone.
    """

    def __init__(
        self,
        make: Make,
        params: Sequence[torch.nn.Parameter],
        lr: float | Callable[[], float],
        gradient_clipping: float | None = None,
        clip_by_global_norm: bool = False,
    ):
        self._make = make
        self._params = list(params)
        self._schedule = lr if callable(lr) else None
        self._gradient_clipping = gradient_clipping
        self._clip_by_global_norm = clip_by_global_norm
        self._flat = FlatParameters(self._params) if are_alike(self._params) else None
        self._optimizer = make(self._params if self._flat is None else [self._flat.whole])
        self._plain_step = inspect.unwrap(type(self._optimizer).step)
        self._function = step_of(self._optimizer)
        self._fused_step = None if self._flat is None else fused_step_of(self._optimizer)
        self._lr = torch.tensor(self.lr, device=self._params[0].device)

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
        """Clip the gradients and move the parameters; those without a gradient stay.

        Nothing waits for the device.

        Returns:
            The norm of all gradients before clipping, a scalar tensor; `None` without clipping.
        """
        if self._flat is not None and not (
            self._flat.is_intact() and self._flat.gather_gradients()
        ):
            if all(param.grad is None for param in self._params):
                return None
            self._take_apart()
        if self._schedule is not None:
            lr = self._schedule()
            for group in self._optimizer.param_groups:
                group["lr"] = lr
        if self._flat is not None and self._fused_step is not None:
            return self._step_fused(self._flat.gradient, self._fused_step)
        norm = self._clip()
        # The method without the decorators that serve hooks and compilers, which cost as much as
        # the step itself and load torch's compiler.
        with torch.no_grad():
            self._plain_step(self._optimizer)
        return norm

    def stepped_tensors(self) -> list[torch.Tensor] | None:
        """What a program that makes the step by `stepped` needs.

        Returns:
            The learning rate, the parameters as one tensor, and the optimizer's state; `None` where
            there is no such program.
        """
        if self._flat is None or self._function is None or not self._flat.is_intact():
            return None
        x = self._flat.whole
        state: dict[str, Any] = self._optimizer.state[x]
        if not state:
            first = initial_state(self._optimizer, x)
            if first is None:
                return None
            state.update(first)
        if any(not isinstance(value, torch.Tensor) for value in state.values()):
            return None
        if self._schedule is not None:
            self._lr.fill_(self._schedule())
        return [self._lr, x, *state.values()]

    def stepped(
        self, tensors: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        """What `stepped_tensors`, the learning rate apart, are after a step; changes nothing.

        Args:
            tensors: what it gave.
            gradients: of all parameters.
        """
        assert self._flat is not None
        assert self._function is not None
        lr, x, *values = tensors
        state = dict(zip(self._optimizer.state[self._flat.whole], values, strict=True))
        gradient = self._flat.joined(self._clipped(gradients))
        if self._gradient_clipping is not None and self._clip_by_global_norm:
            gradient = gradient * once(_factor(_norm(gradient), self._gradient_clipping))
        group = self._optimizer.param_groups[0]
        x, new = self._function(x, gradient, state, lr, group)
        return [x, *(new[name] for name in state)]

    def take(self, stepped: list[torch.Tensor]) -> None:
        """Make the step that `stepped` has computed."""
        assert self._flat is not None
        x, *values = stepped
        state: dict[str, torch.Tensor] = self._optimizer.state[self._flat.whole]
        state.update(zip(state, values, strict=True))
        with torch.no_grad():
            self._flat.whole.copy_(x)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for param in self._params:
            param.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The state of torch's optimizer over the single parameters.

        It loads with `weights_only=True`.
        """
        state = self._optimizer.state_dict()
        if self._flat is None:
            return state
        (group,) = state["param_groups"]
        everybody = list(range(len(self._params)))
        of_each = {i: self._part_of(state["state"].get(0, {}), i) for i in everybody}
        return {
            "state": of_each if state["state"] else {},
            "param_groups": [{**group, "params": everybody}],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of another run.

        The settings of this optimizer stay (learning rate, momentum, ...): a conf that was changed
        on purpose holds.

        Raises:
            CheckpointError: if the state belongs to other parameters.
        """
        theirs = [len(group["params"]) for group in state_dict["param_groups"]]
        if theirs != [len(self._params)]:
            raise CheckpointError(
                "the optimizer's state is of a model with another number of parameters: "
                "load it into the model that it was saved with"
            )
        state: dict[Any, Any] = state_dict["state"]
        if self._flat is not None and not _in_step(state, len(self._params)):
            self._take_apart()
        if self._flat is not None:
            state = {0: self._joined(self._flat, state)} if state else {}
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _take_apart(self) -> None:
        """Step each parameter alone from now on: they are not in step any more."""
        state = self.state_dict()
        self._flat = None
        self._optimizer = self._make(self._params)
        self._optimizer.load_state_dict(state)

    def _part_of(self, state: dict[str, Any], index: int) -> dict[str, Any]:
        """What of the state of all parameters belongs to one."""
        assert self._flat is not None
        parts: dict[str, Any] = {}
        for name, value in state.items():
            part = value
            if isinstance(value, torch.Tensor):
                part = (value if name in _OF_ALL else self._flat.parts(value)[index]).clone()
            parts[name] = part
        return parts

    def _joined(self, flat: FlatParameters, state: dict[Any, Any]) -> dict[str, Any]:
        """The state of all parameters from that of each."""
        joined = dict(state[0])
        for name, first in state[0].items():
            if isinstance(first, torch.Tensor) and name not in _OF_ALL:
                joined[name] = torch.zeros_like(flat.whole)
                for i, part in enumerate(flat.parts(joined[name])):
                    part.copy_(state[i][name])
        return joined

    def _clipped(self, gradients: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Each gradient clipped on its own, if that is wanted."""
        limit = self._gradient_clipping
        if limit is None or self._clip_by_global_norm:
            return gradients
        return [gradient * once(_factor(_norm(gradient), limit)) for gradient in gradients]

    def _step_fused(self, gradient: torch.Tensor, step: FusedStep) -> torch.Tensor | None:
        limit = self._gradient_clipping
        if limit is None or not self._clip_by_global_norm:
            norm = self._clip()
            step(gradient, None)
            return norm
        norm = _norm(gradient)
        # Another device would be waited for, and divides by 1; what is no number divides as well.
        is_short = norm.is_cpu and norm.item() <= limit
        step(gradient, None if is_short else norm.clamp(min=limit) / limit)
        return norm

    def _clip(self) -> torch.Tensor | None:
        limit = self._gradient_clipping
        if limit is None:
            return None
        if self._flat is not None and self._clip_by_global_norm:
            total = _norm(self._flat.gradient)
            self._flat.gradient.mul_(_factor(total, limit))
            return total
        grads = [param.grad for param in self._params if param.grad is not None]
        if self._flat is not None:
            grads = self._flat.gradient_parts
        if not grads:
            return None
        norms = _foreach_norm(grads)
        total = _norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
        if self._clip_by_global_norm:
            _foreach_mul_(grads, _factor(total, limit))
        else:
            _foreach_mul_(grads, [_factor(norm, limit) for norm in norms])
        return total


def _in_step(state: dict[Any, Any], count: int) -> bool:
    """Whether all parameters have made the same steps, or none has made any."""
    if not state:
        return True
    if len(state) != count or len({tuple(each) for each in state.values()}) > 1:
        return False
    steps = [float(each["step"]) for each in state.values() if "step" in each]
    return len(set(steps)) <= 1


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
