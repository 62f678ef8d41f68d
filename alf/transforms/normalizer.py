"""Running mean and variance of a stream of batches."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from alf.errors import ConfigError

MODES = ("adaptive", "ema", "window")

Moments = tuple[torch.Tensor, torch.Tensor]
"""Mean and variance over a batch `[B, *shape]`, both `[*shape]`."""


class Normalizer(nn.Module):
    """Keeps the mean and variance of each element, and normalizes with them.

    A new batch of weight `w` changes them as the mixture of what was and the batch:
    `mean' = mean + w d` and `var' = (1 - w) var + w var_batch + w (1 - w) d^2`, where `d` is the
    batch's mean minus `mean`. See "Incremental calculation of weighted mean and variance",
    https://fanf2.user.srcf.net/hermes/doc/antiforgery/stats.pdf

    Args:
        shape: of one element of the batch.
        mode: how much a batch weighs: `"adaptive"`, `"ema"` or `"window"`.
        window_size: for `"window"`: number of the last batches that count, all alike.
        update_rate: for `"ema"`: the weight, in `(0, 1]`.
        speed: for `"adaptive"`: the `i`-th batch weighs `speed / (speed + i)`, `i = 0, 1, ...`
        zero_mean: subtract the mean.
        clipping: the largest absolute value that comes out; 0 for no limit.
        variance_epsilon: added to the variance.

    Raises:
        ConfigError: if a value is out of its range.

    Attributes:
        pool: gives for a batch, which may be empty, the moments of those of all processes that
            train together, or `None` where all are empty; `None` for a process by itself.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    count: torch.Tensor
    window: torch.Tensor

    def __init__(
        self,
        shape: Sequence[int],
        mode: str = "adaptive",
        window_size: int = 10000,
        update_rate: float = 1e-4,
        speed: float = 8.0,
        zero_mean: bool = True,
        clipping: float = 0.0,
        variance_epsilon: float = 1e-10,
    ):
        super().__init__()
        if mode not in MODES:
            raise ConfigError(f"normalizer mode is {mode!r}: give one of {', '.join(MODES)}")
        if not (window_size > 0 and 0 < update_rate <= 1 and speed > 0 and clipping >= 0):
            raise ConfigError(
                f"window_size {window_size} and speed {speed} must be positive, update_rate "
                f"{update_rate} in (0, 1], and clipping {clipping} not negative"
            )
        self._mode = mode
        self._window_size = window_size
        self._update_rate = update_rate
        self._speed = speed
        self._zero_mean = zero_mean
        self._clipping = clipping
        self._epsilon = variance_epsilon
        self.pool: Callable[[torch.Tensor], Moments | None] | None = None
        self.register_buffer("mean", torch.zeros(tuple(shape)))
        self.register_buffer("variance", torch.ones(tuple(shape)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        if mode == "window":
            # Mean and mean square of each batch, a ring.
            self.register_buffer("window", torch.zeros(window_size, 2, *shape, dtype=torch.float64))

    @torch.no_grad()
    def update(self, x: torch.Tensor) -> None:
        """Count a batch; an empty one is none.

        Args:
            x: `[B, *shape]`.
        """
        moments = (_moments if self.pool is None else self.pool)(x.detach().float())
        if moments is None:
            return
        batch_mean, batch_variance = moments
        if self._mode == "window":
            self._update_window(batch_mean.double(), batch_variance.double())
        else:
            weight = self._weight()
            delta = batch_mean - self.mean
            self.mean += weight * delta
            spread = batch_variance + (1 - weight) * delta.square()
            self.variance.mul_(1 - weight).add_(weight * spread)
        self.count += 1

    def normalize(self, x: torch.Tensor) -> torch.Tensor:
        """Normalized float32 of the same shape; unchanged before the first update.

        Args:
            x: `[..., *shape]`.
        """
        x = x.float()
        if self._zero_mean:
            x = x - self.mean
        x = x * (self.variance + self._epsilon).rsqrt()
        return x.clamp(-self._clipping, self._clipping) if self._clipping else x

    def _weight(self) -> torch.Tensor:
        if self._mode == "adaptive":
            return self._speed / (self._speed + self.count)
        # The first batch has nothing to be mixed with.
        return torch.where(self.count == 0, 1.0, self._update_rate)

    def _update_window(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        self.window[self.count % self._window_size] = torch.stack([mean, variance + mean.square()])
        filled = int(self.count.clamp(max=self._window_size - 1)) + 1
        total = self.window[:filled].mean(0)
        self.mean.copy_(total[0])
        self.variance.copy_((total[1] - total[0].square()).clamp(min=0))


def _moments(x: torch.Tensor) -> Moments | None:
    if not len(x):
        return None
    mean = x.mean(0)
    return mean, (x - mean).square().mean(0)
