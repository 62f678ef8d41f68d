"""The beta distribution on a box."""

import math
from typing import Any

import torch

from alf.distributions.distribution import Distribution, split_shape, sum_event
from alf.distributions.interval import as_interval


class Beta(Distribution):
    """Independent beta variables stretched from `[0, 1]` to a box.

    A bounded policy without the pile-up at the bounds of a clipped normal one
    (https://proceedings.mlr.press/v70/chou17a.html).

    Args:
        concentration1: alpha, positive, `[*batch_shape, *event_shape]`; pulls to `high`.
        concentration0: beta, likewise; pulls to `low`.
        low: the lower bounds (a number or an array of the event's shape), or the box as an
            `Interval`.
        high: the upper bounds; ignored if `low` is an `Interval`.
        event_dims: number of event dimensions.
    """

    __slots__ = ("concentration0", "concentration1", "event_dims", "interval")

    param_names = ("concentration1", "concentration0")
    static_names = ("interval", "interval", "event_dims")

    def __init__(
        self,
        concentration1: torch.Tensor,
        concentration0: torch.Tensor,
        low: Any = 0.0,
        high: Any = 1.0,
        event_dims: int = 1,
    ):
        self.concentration1 = concentration1
        self.concentration0 = concentration0
        self.interval = as_interval(low, high)
        self.event_dims = event_dims

    @property
    def batch_shape(self) -> torch.Size:
        """The leading dimensions."""
        return split_shape(self.concentration1.shape, self.event_dims)[0]

    @property
    def event_shape(self) -> torch.Size:
        """The shape of one event."""
        return split_shape(self.concentration1.shape, self.event_dims)[1]

    def sample(self) -> torch.Tensor:
        """A draw without gradient, within the box."""
        with torch.no_grad():
            return self.rsample()

    def rsample(self) -> torch.Tensor:
        """A draw with gradient: a ratio of gamma variables, whose draws are differentiable.

        See https://arxiv.org/abs/1805.08498.
        """
        tiny = torch.finfo(self.concentration1.dtype).tiny
        # With small concentrations both draws may underflow to zero, and 0 / 0 is no number.
        one = _standard_gamma(self.concentration1).clamp(min=tiny)
        zero = _standard_gamma(self.concentration0).clamp(min=tiny)
        return self._stretch(one / (one + zero))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Log density; an event at a bound counts as the last number inside."""
        center, half_width = self.interval.center_and_half_width(value)
        eps = torch.finfo(value.dtype).eps
        unit = ((value - center) / half_width * 0.5 + 0.5).clamp(eps, 1 - eps)
        log_density = (
            (self.concentration1 - 1) * unit.log()
            + (self.concentration0 - 1) * torch.log1p(-unit)
            - self._log_beta()
            - self._log_width(value)
        )
        return sum_event(log_density, self.event_dims)

    def entropy(self) -> torch.Tensor:
        """Exact; see the base."""
        one, zero = self.concentration1, self.concentration0
        total = one + zero
        entropy = (
            self._log_beta()
            - (one - 1) * torch.digamma(one)
            - (zero - 1) * torch.digamma(zero)
            + (total - 2) * torch.digamma(total)
            + self._log_width(one)
        )
        return sum_event(entropy, self.event_dims)

    def kl_divergence(self, other: Any) -> torch.Tensor:
        """Exact.

        Raises:
            TypeError: if `other` is of another family.
            ValueError: if the boxes differ.
        """
        self._same_family(other)
        if self.interval != other.interval:
            raise ValueError(f"the boxes differ: {self.interval} and {other.interval}")
        one, zero = self.concentration1, self.concentration0
        d_one, d_zero = one - other.concentration1, zero - other.concentration0
        kl = (
            other._log_beta()
            - self._log_beta()
            + d_one * torch.digamma(one)
            + d_zero * torch.digamma(zero)
            - (d_one + d_zero) * torch.digamma(one + zero)
        )
        return sum_event(kl, self.event_dims)

    @property
    def mode(self) -> torch.Tensor:
        """The peak where there is one; the heavier end or the middle where there is none."""
        one, zero = self.concentration1, self.concentration0
        inside = (one > 1) & (zero > 1)
        peak = (one - 1) / torch.where(inside, one + zero - 2, torch.ones_like(one))
        edge = torch.where(one > zero, 1.0, torch.where(one < zero, 0.0, 0.5)).to(one.dtype)
        return self._stretch(torch.where(inside, peak, edge))

    @property
    def mean(self) -> torch.Tensor:
        """`alpha / (alpha + beta)`, stretched to the box."""
        return self._stretch(self.concentration1 / (self.concentration1 + self.concentration0))

    def _stretch(self, unit: torch.Tensor) -> torch.Tensor:
        center, half_width = self.interval.center_and_half_width(unit)
        return (2 * unit - 1) * half_width + center

    def _log_beta(self) -> torch.Tensor:
        one, zero = self.concentration1, self.concentration0
        return torch.lgamma(one) + torch.lgamma(zero) - torch.lgamma(one + zero)

    def _log_width(self, like: torch.Tensor) -> Any:
        _, half_width = self.interval.center_and_half_width(like)
        if isinstance(half_width, torch.Tensor):
            return (2 * half_width).log()
        return math.log(2 * half_width)


def _standard_gamma(concentration: torch.Tensor) -> torch.Tensor:
    # The one differentiable gamma sampler of torch, used by torch.distributions; not exported.
    return torch._standard_gamma(concentration)  # pyright: ignore[reportPrivateImportUsage]
