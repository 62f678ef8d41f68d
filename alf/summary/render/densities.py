"""What an action distribution looks like: probabilities of choices, densities of numbers.

Works with `alf.distributions`, with `torch.distributions`, and with anything that has `sample`,
and, for an exact picture, `probs` or `log_prob`. Nothing here moves the random state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributions as td

from alf.summary.arrays import to_numpy

_EVEN_POINTS = np.linspace(0.0, 1.0, 96)[:, None]
_FINE_DISTANCES = np.concatenate([[0.0], np.logspace(-4, -1.7, 10)])
_FINE_OFFSETS = np.concatenate([-_FINE_DISTANCES, _FINE_DISTANCES])[:, None]
"""Distances from the mode, in parts of the axis, where a narrow peak is looked at closely."""


@dataclass
class Density:
    """The densities of `D` numbers, each within its own bounds.

    Attributes:
        x: positions, `[G, D]`, rising.
        height: densities there, `[G, D]`, the highest of each number being 1.
        mode: the most probable value of each number, `[D]`.
        is_exact: whether `height` was computed; otherwise it was estimated from draws.
    """

    x: NDArray[np.float64]
    height: NDArray[np.float64]
    mode: NDArray[np.float64]
    is_exact: bool


def choice_probabilities(
    dist: Any, low: int, high: int, event_shape: tuple[int, ...], n_samples: int
) -> NDArray[np.float64]:
    """Probabilities `[*event_shape, n]` of the choices `low..high`, of the first in the batch."""
    count = high - low + 1
    full = len(event_shape) + 1
    probs = getattr(dist, "probs", None)
    if probs is not None:
        values = first(to_numpy(probs).astype(np.float64), full)
        if values.ndim == full and values.shape[-1] == count:
            return values
    if not event_shape and hasattr(dist, "log_prob"):
        return np.stack([_probability(dist, choice) for choice in range(low, high + 1)])
    draws = _draws(dist, n_samples)
    draws = draws.reshape(n_samples, -1, *event_shape)[:, 0]
    return np.stack([(draws == choice).mean(0) for choice in range(low, high + 1)], axis=-1)


def _probability(dist: Any, choice: int) -> NDArray[np.float64]:
    batch = tuple(getattr(dist, "batch_shape", ()))
    value = torch.full(batch, choice, device=_device(dist))
    with torch.no_grad():
        if isinstance(dist, td.Bernoulli):
            value = value.float()
        return first(np.exp(to_numpy(dist.log_prob(value)).astype(np.float64)), 0)


def density(
    dist: Any,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    event_shape: tuple[int, ...],
    n_samples: int,
    n_bins: int,
) -> Density:
    """The densities of all numbers of an event, flattened to `D`, of the first in the batch.

    Args:
        dist: the distribution.
        low: lower bounds, `[D]`; where they are not finite, the range of draws is taken.
        high: upper bounds, `[D]`.
        event_shape: shape of an event.
        n_samples: number of draws where the density cannot be computed.
        n_bins: number of bins for these draws.
    """
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        low, high = _range_of_draws(dist, low, high, n_samples)
    exact = None
    if is_factorized(dist):
        exact = _exact_density(dist, low, high, event_shape)
    return exact or _sampled_density(dist, low, high, n_samples, n_bins)


def is_factorized(dist: Any) -> bool:
    """Whether the numbers of an event are independent, so that each has a density of its own."""
    if not hasattr(dist, "log_prob"):
        return False
    if isinstance(dist, td.Independent):
        return is_factorized(dist.base_dist)
    if isinstance(dist, td.TransformedDistribution):
        elementwise = all(_input_dims(t) == 0 for t in dist.transforms)
        return elementwise and is_factorized(dist.base_dist)
    if isinstance(dist, td.Distribution):
        return len(dist.event_shape) == 0
    return hasattr(dist, "event_dims")


def _input_dims(transform: Any) -> int:
    """How many dimensions a transform of `torch.distributions` works on as one."""
    if isinstance(transform, td.IndependentTransform):
        return _input_dims(transform.base_transform)
    return transform.domain.event_dim


def first(values: NDArray, dims: int) -> NDArray:
    """The first of the batch: leading dimensions go until `dims` are left."""
    while values.ndim > dims:
        values = values[0]
    return values


def _exact_density(
    dist: Any, low: NDArray[np.float64], high: NDArray[np.float64], event_shape: tuple[int, ...]
) -> Density | None:
    """Vary one number at a time; the others, kept, add a constant. `None` if not finite."""
    size, span = len(low), high - low
    center_tensor = _center(dist)
    center = first(to_numpy(center_tensor).astype(np.float64), len(event_shape)).reshape(size)
    # At a bound itself the density may be zero, infinite, or outside of what `log_prob` accepts.
    inner_low, inner_high = low + 1e-4 * span, high - 1e-4 * span
    center = np.clip(center, inner_low, inner_high)
    even = inner_low + (inner_high - inner_low) * _EVEN_POINTS
    near = center + span * _FINE_OFFSETS
    x = np.concatenate([even, near])
    x = np.minimum(np.maximum(x, inner_low), inner_high)  # twice as fast as np.clip
    x.sort(axis=0)

    each = np.arange(size)
    base = dist.base_dist if isinstance(dist, td.Independent) else dist
    if isinstance(base, td.Normal):  # by far the most common one, and its density is no secret
        scale = first(to_numpy(base.scale).astype(np.float64), len(event_shape)).reshape(size)
        loc = first(to_numpy(base.loc).astype(np.float64), len(event_shape)).reshape(size)
        return _scaled(x, -0.5 * np.square((x - loc) / scale))
    points = np.tile(center, (len(x), size, 1))
    points[:, each, each] = x
    batch = center_tensor.dim() - len(event_shape)
    value = torch.as_tensor(points, dtype=center_tensor.dtype, device=center_tensor.device)
    value = value.reshape(len(x) * size, *[1] * batch, *event_shape)
    value = value.expand(len(x) * size, *center_tensor.shape)
    with torch.no_grad():
        logs = to_numpy(dist.log_prob(value)).astype(np.float64)
    if logs.ndim > 1 + batch:
        # A distribution without event dimensions tells the densities of all its numbers apart.
        logs = logs.reshape(len(x), size, *logs.shape[1 : 1 + batch], size)
        logs = np.moveaxis(np.diagonal(logs, axis1=1, axis2=logs.ndim - 1), -1, 1)
    return _scaled(x, logs.reshape(len(x), size, -1)[:, :, 0])


def _scaled(x: NDArray[np.float64], logs: NDArray[np.float64]) -> Density | None:
    """Log densities `[points, size]` at `x`, as heights with a peak of 1; `None` if not finite."""
    peak = logs.max(axis=0)
    if not np.isfinite(peak).all():
        return None
    mode = x[logs.argmax(axis=0), np.arange(x.shape[1])]
    return Density(x, np.exp(logs - peak), mode, is_exact=True)


def _sampled_density(
    dist: Any,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    n_samples: int,
    n_bins: int,
) -> Density:
    """Histograms of draws as steps; the mode is the middle of the highest bin."""
    size = len(low)
    draws = _first_events(dist, n_samples, size)
    inside = np.clip((draws - low) / (high - low), 0, 1 - 1e-9)
    bins = np.floor(inside * n_bins).astype(np.int64)
    counts = np.stack([np.bincount(bins[:, d], minlength=n_bins) for d in range(size)], axis=1)
    edges = np.repeat(np.linspace(low, high, n_bins + 1), 2, axis=0)[1:-1]
    middles = np.linspace(low, high, 2 * n_bins + 1)[1::2]
    mode = middles[counts.argmax(axis=0), np.arange(size)]
    height = np.repeat(counts / np.maximum(counts.max(axis=0), 1), 2, axis=0)
    return Density(edges, height, mode, is_exact=False)


def _range_of_draws(
    dist: Any, low: NDArray[np.float64], high: NDArray[np.float64], n_samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    draws = _first_events(dist, n_samples, len(low))
    margin = 0.1 * (draws.max(0) - draws.min(0)) + 1e-6
    found_low = np.where(np.isfinite(low), low, draws.min(0) - margin)
    return found_low, np.where(np.isfinite(high), high, draws.max(0) + margin)


def _first_events(dist: Any, n_samples: int, size: int) -> NDArray[np.float64]:
    """Draws of the first in the batch, `[n_samples, size]`."""
    draws = _draws(dist, n_samples)
    return draws.reshape(n_samples, -1, size)[:, 0].astype(np.float64)


def _draws(dist: Any, count: int) -> NDArray:
    """`count` draws, `[count, *batch_shape, *event_shape]`; the random state is put back."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        if isinstance(dist, td.Distribution):
            return to_numpy(dist.sample(torch.Size([count])))
        return to_numpy(torch.stack([dist.sample() for _ in range(count)]))


def _center(dist: Any) -> torch.Tensor:
    """A value of high density, `[*batch_shape, *event_shape]`."""
    if isinstance(dist, td.Independent):
        return _center(dist.base_dist)
    with torch.no_grad():
        if isinstance(dist, td.TransformedDistribution):
            value: Any = _center(dist.base_dist)
            for transform in dist.transforms:
                value = transform(value)
            return value
        mode: Any = dist.mode
        center: Any = mode() if callable(mode) else mode
        # numpy looks in a fifth of torch's time.
        return (center if np.isfinite(to_numpy(center)).all() else dist.mean).detach()


def _device(dist: Any) -> torch.device:
    probs = getattr(dist, "probs", None)
    return probs.device if isinstance(probs, torch.Tensor) else torch.device("cpu")
