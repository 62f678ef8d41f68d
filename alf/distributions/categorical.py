"""The categorical distribution: one of `n` numbered choices."""

from typing import Any

import torch

from alf.distributions.distribution import Distribution, split_shape, sum_event


class Categorical(Distribution):
    """A choice among `offset, ..., offset + n - 1`, given unnormalized log probabilities.

    Args:
        logits: `[*batch_shape, *event_shape, n]`. `-inf` and very negative values rule a choice
            out.
        offset: the value that stands for index 0.
        event_dims: number of event dimensions; 0 for one choice, 1 for a vector of them.
    """

    __slots__ = ("_log_probs", "_logits", "event_dims", "offset")

    param_names = ("_logits",)
    static_names = ("offset", "event_dims")

    def __init__(self, logits: torch.Tensor, offset: int = 0, event_dims: int = 0):
        self._logits = logits
        self.offset = offset
        self.event_dims = event_dims
        self._log_probs: torch.Tensor | None = None

    @property
    def logits(self) -> torch.Tensor:
        """Normalized log probabilities `[*batch_shape, *event_shape, n]`."""
        if self._log_probs is None:
            self._log_probs = self._logits.log_softmax(-1)
        return self._log_probs

    @property
    def probs(self) -> torch.Tensor:
        """Probabilities `[*batch_shape, *event_shape, n]`."""
        return self._logits.softmax(-1)

    def params(self) -> dict[str, torch.Tensor]:
        """The logits as they were given."""
        return {"logits": self._logits}

    @property
    def batch_shape(self) -> torch.Size:
        """The leading dimensions."""
        return split_shape(self._logits.shape[:-1], self.event_dims)[0]

    @property
    def event_shape(self) -> torch.Size:
        """`[]`, or the shape of the array of choices."""
        return split_shape(self._logits.shape[:-1], self.event_dims)[1]

    def sample(self) -> torch.Tensor:
        """An int64 draw.

        Of independent exponential variables with rates `p_i`, the i-th comes first with
        probability `p_i`: `argmax(p / exponential noise)`. `torch.multinomial` draws like this too
        but takes two dimensions only and, for small batches, about twice the time.
        """
        logits = self._logits.detach() if self._logits.requires_grad else self._logits
        probs = logits.softmax(-1)
        return self._value(probs.div_(torch.empty_like(probs).exponential_()).argmax(-1))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Log probability of integer choices; see the base."""
        index = (value - self.offset if self.offset else value).long().unsqueeze(-1)
        return sum_event(self.logits.gather(-1, index).squeeze(-1), self.event_dims)

    def entropy(self) -> torch.Tensor:
        """Exact; see the base."""
        log_probs = self.logits
        # An impossible choice adds 0 * -inf, which must count as 0.
        finite = log_probs.clamp(min=torch.finfo(log_probs.dtype).min)
        return sum_event(-(log_probs.exp() * finite).sum(-1), self.event_dims)

    def kl_divergence(self, other: Any) -> torch.Tensor:
        """Exact; see the base."""
        self._same_family(other)
        low = torch.finfo(self._logits.dtype).min
        difference = self.logits.clamp(min=low) - other.logits.clamp(min=low)
        return sum_event((self.logits.exp() * difference).sum(-1), self.event_dims)

    @property
    def mode(self) -> torch.Tensor:
        """The most probable choice, int64."""
        return self._value(self._logits.argmax(-1))

    @property
    def mean(self) -> torch.Tensor:
        """The expected value of the number of the choice, floating point."""
        probs = self.probs
        numbers = torch.arange(probs.shape[-1], device=probs.device, dtype=probs.dtype)
        return (probs * (numbers + self.offset)).sum(-1)

    def _value(self, index: torch.Tensor) -> torch.Tensor:
        return index + self.offset if self.offset else index
