"""Normal distributions with independent components, unbounded and squashed into a box."""

import math
from typing import Any

import torch
from torch.nn.functional import softplus

from alf.distributions.distribution import LOG_2PI, Distribution, split_shape, sum_event
from alf.distributions.interval import Factor, Interval, as_interval

LOG_2 = math.log(2.0)


class DiagNormal(Distribution):
    """Independent normal components.

    Args:
        loc: means, `[*batch_shape, *event_shape]`.
        scale: standard deviations, positive, of the same shape (an expanded view will do).
        event_dims: number of event dimensions.
    """

    __slots__ = ("event_dims", "loc", "scale")

    param_names = ("loc", "scale")
    static_names = ("event_dims",)

    def __init__(self, loc: torch.Tensor, scale: torch.Tensor, event_dims: int = 1):
        self.loc = loc
        self.scale = scale
        self.event_dims = event_dims

    @property
    def batch_shape(self) -> torch.Size:
        """The leading dimensions."""
        return split_shape(self.loc.shape, self.event_dims)[0]

    @property
    def event_shape(self) -> torch.Size:
        """The shape of one event."""
        return split_shape(self.loc.shape, self.event_dims)[1]

    def sample(self) -> torch.Tensor:
        """A draw without gradient."""
        loc = self.loc.detach()
        return torch.randn_like(loc).mul_(self.scale.detach()).add_(loc)

    def rsample(self) -> torch.Tensor:
        """`loc + scale * standard normal noise`."""
        return torch.addcmul(self.loc, torch.randn_like(self.loc), self.scale)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Log density; see the base."""
        normalized = (value - self.loc) / self.scale
        log_density = -0.5 * normalized.square() - self.scale.log() - 0.5 * LOG_2PI
        return sum_event(log_density, self.event_dims)

    def entropy(self) -> torch.Tensor:
        """`sum(log(scale) + (1 + log(2 pi)) / 2)`."""
        scale = self.scale.expand_as(self.loc)
        return sum_event(scale.log() + 0.5 * (1 + LOG_2PI), self.event_dims)

    def kl_divergence(self, other: Any) -> torch.Tensor:
        """Exact; see the base."""
        self._same_family(other)
        ratio = (self.scale / other.scale).square()
        shift = ((self.loc - other.loc) / other.scale).square()
        return sum_event(0.5 * (ratio + shift - 1 - ratio.log()), self.event_dims)

    @property
    def mode(self) -> torch.Tensor:
        """`loc`."""
        return self.loc

    @property
    def mean(self) -> torch.Tensor:
        """`loc`."""
        return self.loc


class SquashedNormal(Distribution):
    """A normal variable squashed by `tanh` and stretched to a box; every event lies in the box.

    As in Soft Actor-Critic, appendix C (https://arxiv.org/abs/1801.01290).

    Args:
        loc: means before squashing, `[*batch_shape, *event_shape]`.
        scale: standard deviations before squashing, of the same shape (an expanded view will do).
        low: the lower bounds (a number or an array of the event's shape), or the box as an
            `Interval`.
        high: the upper bounds; ignored if `low` is an `Interval`.
        event_dims: number of event dimensions.
    """

    __slots__ = ("event_dims", "interval", "loc", "scale")

    param_names = ("loc", "scale")
    static_names = ("interval", "interval", "event_dims")

    def __init__(
        self,
        loc: torch.Tensor,
        scale: torch.Tensor,
        low: Any = -1.0,
        high: Any = 1.0,
        event_dims: int = 1,
    ):
        self.loc = loc
        self.scale = scale
        self.interval = as_interval(low, high)
        self.event_dims = event_dims

    @property
    def base(self) -> DiagNormal:
        """The distribution before squashing."""
        return DiagNormal(self.loc, self.scale, self.event_dims)

    @property
    def batch_shape(self) -> torch.Size:
        """The leading dimensions."""
        return split_shape(self.loc.shape, self.event_dims)[0]

    @property
    def event_shape(self) -> torch.Size:
        """The shape of one event."""
        return split_shape(self.loc.shape, self.event_dims)[1]

    def sample(self) -> torch.Tensor:
        """A draw without gradient, within the box."""
        return self._squash(self.base.sample())

    def rsample(self) -> torch.Tensor:
        """A draw with gradient, within the box."""
        return self._squash(self.base.rsample())

    def rsample_with_log_prob(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A draw and its log density, from the value before squashing: exact also at the bounds."""
        base = self.base
        before = base.rsample()
        return self._squash(before), base.log_prob(before) - self._log_slope(before)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Log density of an event within the box.

        A float32 event cannot tell how far beyond about 8.3 its value before squashing was; at a
        bound the density is that of the last number inside.
        """
        center, half_width = self.interval.center_and_half_width(value)
        limit = 1 - torch.finfo(value.dtype).eps / 2
        before = ((value - center) / half_width).clamp(-limit, limit).atanh()
        return self.base.log_prob(before) - self._log_slope(before)

    def entropy(self) -> torch.Tensor:
        """An unbiased estimate: there is no closed form.

        `H(base) + log|slope|` at one draw; the first term is exact, so it varies less than
        `-log_prob` of a draw. The gradient flows through the draw.
        """
        base = self.base
        return base.entropy() + self._log_slope(base.rsample())

    def kl_divergence(self, other: Any) -> torch.Tensor:
        """Exact: one squashing of both variables leaves the divergence as it was.

        Raises:
            TypeError: if `other` is of another family.
            ValueError: if the boxes differ.
        """
        self._same_family(other)
        if self.interval != other.interval:
            raise ValueError(f"the boxes differ: {self.interval} and {other.interval}")
        return self.base.kl_divergence(other.base)

    @property
    def mode(self) -> torch.Tensor:
        """The image of `loc`, the median: what a deterministic policy does."""
        return self._squash(self.loc)

    @property
    def mean(self) -> torch.Tensor:
        """The image of `loc`; the true mean has no closed form."""
        return self._squash(self.loc)

    def _squash(self, before: torch.Tensor) -> torch.Tensor:
        squashed = before.tanh()
        if self.interval.is_unit():
            return squashed
        center, half_width = self.interval.center_and_half_width(before)
        return squashed * half_width + center

    def _log_slope(self, before: torch.Tensor) -> torch.Tensor:
        # log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)), which does not overflow.
        log_slope = 2 * (LOG_2 - before - softplus(-2 * before))
        _, half_width = self.interval.center_and_half_width(before)
        return sum_event(log_slope + _log(half_width), self.event_dims)


def _log(factor: Factor) -> Factor:
    return factor.log() if isinstance(factor, torch.Tensor) else math.log(factor)


__all__ = ["DiagNormal", "Interval", "SquashedNormal"]
