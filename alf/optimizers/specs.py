"""Optimizers as descriptions: without parameters, so that a conf can name and print one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from alf._config import configurable
from alf.errors import ConfigError
from alf.optimizers.built import BuiltOptimizer, spare_the_compiler


@dataclass(frozen=True)
class Optimizer:
    """What every optimizer description has.

    Attributes:
        lr: learning rate, a number or a scheduler (called without arguments at each step).
        gradient_clipping: the largest norm of the gradients; `None` for no clipping.
        clip_by_global_norm: whether the norm is that of all gradients together, or each
            parameter's gradient is clipped on its own.
        name: for the reader of a conf; it changes nothing.
    """

    lr: float | Callable[[], float] = 1e-3
    gradient_clipping: float | None = None
    clip_by_global_norm: bool = False
    name: str = ""

    def build(self, params: Iterable[torch.nn.Parameter]) -> BuiltOptimizer:
        """The optimizer over parameters; those that need no gradient are left out.

        Raises:
            ConfigError: if a setting is out of its range, or there is no parameter.
        """
        trained = [param for param in params if param.requires_grad]
        if not trained:
            raise ConfigError(f"{type(self).__name__} was given no parameter to train")
        if self.gradient_clipping is not None and not self.gradient_clipping > 0:
            raise ConfigError(f"gradient_clipping is {self.gradient_clipping}: it must be positive")
        lr = self.lr() if callable(self.lr) else self.lr
        spare_the_compiler()
        make = partial(self._make, lr=float(lr))
        try:
            return BuiltOptimizer(
                make, trained, self.lr, self.gradient_clipping, self.clip_by_global_norm
            )
        except ValueError as error:  # torch checks the ranges
            raise ConfigError(f"{self!r}: {error}") from None

    def _make(self, params: list[torch.nn.Parameter], lr: float) -> torch.optim.Optimizer:
        raise NotImplementedError


@configurable
@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam, https://arxiv.org/abs/1412.6980.

    Attributes:
        betas: decay rates of the averages of the gradient and of its square.
        eps: added to the root in the denominator.
        weight_decay: weight of an L2 penalty in the gradient.
        amsgrad: use the largest denominator so far.
        fused: one kernel for all parameters; `None` where torch has one.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False
    fused: bool | None = None

    def _make(self, params: list[torch.nn.Parameter], lr: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(params, lr=lr, **self._settings(params))

    def _settings(self, params: list[torch.nn.Parameter]) -> dict[str, Any]:
        return {
            "betas": self.betas,
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "amsgrad": self.amsgrad,
            "fused": _has_fused(params) if self.fused is None else self.fused,
        }


@configurable
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, https://arxiv.org/abs/1711.05101.

    Attributes:
        weight_decay: share of the weights, times the learning rate, that each step takes off.
    """

    weight_decay: float = 0.01

    def _make(self, params: list[torch.nn.Parameter], lr: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(params, lr=lr, **self._settings(params))


@configurable
@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent.

    Attributes:
        momentum: share of the last step that is repeated.
        dampening: share of the gradient that momentum leaves out.
        weight_decay: weight of an L2 penalty in the gradient.
        nesterov: look ahead, http://proceedings.mlr.press/v28/sutskever13.html
    """

    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    def _make(self, params: list[torch.nn.Parameter], lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            params,
            lr=lr,
            momentum=self.momentum,
            dampening=self.dampening,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
        )


@configurable
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf.

    Attributes:
        alpha: decay rate of the average of the squared gradient.
        eps: added to the root in the denominator.
        weight_decay: weight of an L2 penalty in the gradient.
        momentum: share of the last step that is repeated.
        centered: subtract the squared average of the gradient.
    """

    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False

    def _make(self, params: list[torch.nn.Parameter], lr: float) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(
            params,
            lr=lr,
            alpha=self.alpha,
            eps=self.eps,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            centered=self.centered,
        )


def _has_fused(params: list[torch.nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in params)
