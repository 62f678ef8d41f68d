"""Statistics over all ranks: of what environments give, of batches, of episodes, and scalars."""

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from alf.metrics import StandardMetrics
from alf.trainers.distributed.ranks import Ranks
from alf.trainers.stop import StopSignals
from alf.transforms.normalizer import Normalizer

# Counts of a job are sums over its ranks; all else is a mean over episodes.
_COUNTS = ("Metrics/EnvironmentSteps", "Metrics/NumberOfEpisodes")
_RETURN = "Metrics/AverageReturn"


class SharedStatistics:
    """Keeps the running statistics of a model the same on all ranks.

    A `Normalizer` takes in, at each step, what all ranks have seen of it, and so is at each step
    what it would be in one process with all of the environments. The statistics of batch
    normalization are those of a rank's own minibatches while an iteration runs, and are averaged
    at its end.

    Args:
        model: what is trained.
        ranks: the processes.
    """

    def __init__(self, model: nn.Module, ranks: Ranks):
        self._ranks = ranks
        self._averaged: list[torch.Tensor] = []
        if ranks.count == 1:
            return
        for module in model.modules():
            if isinstance(module, Normalizer):
                module.pool = partial(pooled_moments, ranks=ranks)
            elif isinstance(module, _BatchNorm) and module.track_running_stats:
                assert module.running_mean is not None
                assert module.running_var is not None
                self._averaged += [module.running_mean, module.running_var]

    @torch.no_grad()
    def end_iteration(self) -> None:
        """Average what has been counted apart."""
        for tensor in self._averaged:
            tensor.copy_(self._ranks.sum(tensor.clone()) / self._ranks.count)


def pooled_moments(x: torch.Tensor, ranks: Ranks) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Mean and variance over the batches of all ranks.

    Args:
        x: this rank's, `[B, ...]`; `B` may be 0, and differ between ranks.
        ranks: the processes.

    Returns:
        Both `[...]`; `None` where all batches are empty.
    """
    shape, flat = x.shape[1:], x.double().flatten(1) if x.dim() > 1 else x.double().unsqueeze(1)
    count = flat.new_full((1,), len(flat))
    sums = ranks.sum(torch.cat([count, flat.sum(0), flat.square().sum(0)]))
    if not int(sums[0]):
        return None
    mean, mean_square = (sums[1:] / sums[0]).chunk(2)
    variance = (mean_square - mean.square()).clamp(min=0)
    return mean.view(shape).float(), variance.view(shape).float()


class JobTotals:
    """What a job has done, over all of its ranks.

    With several of them, `exchange` brings it up to date.

    Args:
        metrics: those of this rank's environments.
        ranks: the processes.
    """

    def __init__(self, metrics: StandardMetrics, ranks: Ranks):
        self._metrics = metrics
        self._ranks = ranks
        self._env_steps = 0
        self._average_return: float | None = None

    @property
    def env_steps(self) -> int:
        """Environment steps."""
        if self._ranks.count == 1:
            return self._metrics.environment_steps.result()
        return self._env_steps

    @property
    def average_return(self) -> float | None:
        """Of the last episodes; `None` before the first one ends, and for vectors of rewards."""
        if self._ranks.count == 1:
            return self._metrics.results().get(_RETURN)
        return self._average_return

    def exchange(self, signals: StopSignals | None = None) -> None:
        """Tell the other ranks, and hear from them, also which signals have come.

        Args:
            signals: of this process; all ranks heed them together. `None` leaves them for later.
        """
        if self._ranks.count == 1:
            return
        asked = (0, False) if signals is None else signals.take()
        mean = self._metrics.results().get(_RETURN, math.nan)
        weight = 0 if math.isnan(mean) else self._metrics.average_return.num_values
        steps = self._metrics.environment_steps.result()
        told = self._ranks.gather(*asked, steps, weight, mean if weight else 0.0)
        stops, saves, all_steps, weights, means = zip(*told, strict=True)
        self._env_steps = int(sum(all_steps))
        total = sum(weights)
        self._average_return = _weighted_mean(means, weights) if total else None
        if signals is not None:
            signals.heed(int(max(stops)), any(saves))

    def results(self) -> dict[str, float]:
        """See `StandardMetrics.results`: counts are added up, means are those of all episodes."""
        own = self._metrics.results()
        if self._ranks.count == 1:
            return own
        weight = self._metrics.average_return.num_values
        told = self._ranks.gather_json([weight, own])
        pooled: dict[str, float] = {}
        for tag in dict.fromkeys(tag for _, results in told for tag in results):
            known = [(results[tag], weight) for weight, results in told if tag in results]
            values, weights = zip(*known, strict=True)
            pooled[tag] = sum(values) if tag in _COUNTS else _weighted_mean(values, weights)
        return pooled


def mean_scalars(scalars: Mapping[str, float], ranks: Ranks) -> dict[str, float]:
    """The mean of each scalar over the ranks that have one of that name, in the order of the first.

    Args:
        scalars: this rank's, by tag.
        ranks: the processes.
    """
    if ranks.count == 1:
        return dict(scalars)
    told = ranks.gather_json(dict(scalars))
    tags = dict.fromkeys(tag for scalars in told for tag in scalars)
    known = {tag: [scalars[tag] for scalars in told if tag in scalars] for tag in tags}
    return {tag: sum(values) / len(values) for tag, values in known.items()}


def _weighted_mean(values: tuple[float, ...], weights: tuple[float, ...]) -> float:
    total = sum(weights)
    if not total:
        return math.nan
    return sum(v * w for v, w in zip(values, weights, strict=True) if w) / total
