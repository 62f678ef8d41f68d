"""Averages of a quantity that each episode has one of, over the last episodes.

A metric accumulates while an episode runs, puts the quantity into a buffer at its `LAST` step and
starts again at the next `FIRST` step. An episode that was under way when the metric began counts
from there.
"""

import abc
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.metrics.buffer import MetricBuffer
from alf.metrics.metric import Metric, StepView
from alf.nest import flatten, map_structure_with_path

Array = npt.NDArray[Any]


class AverageEpisodicAggregationMetric(Metric):
    """The base of the averages.

    Subclasses keep their accumulators `[B, ...]` in `self._sums` (a list of arrays), which are
    zeroed where an episode begins and saved with the metric.

    Args:
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
        buffer_size: how many of the last episodes are averaged, at least 1.
    """

    def __init__(self, name: str, prefix: str, buffer_size: int):
        super().__init__(name, prefix)
        self._buffer = MetricBuffer(buffer_size)
        self._sums: list[Array] = []

    @property
    def num_values(self) -> int:
        """How many episodes are averaged."""
        return len(self._buffer)

    @abc.abstractmethod
    def _accumulate(self, view: StepView) -> None:
        """Add a step to the accumulators of all environments."""

    @abc.abstractmethod
    def _finished(self, last: Array) -> Array:
        """The quantities `[n, ...]` of the `n` episodes that end where `last`, bool `[B]`."""

    def update(self, view: StepView) -> None:
        """See `Metric`."""
        self._accumulate(view)
        if view.first is not None:
            for sums in self._sums:
                sums[view.first] = 0
        if view.last is not None:
            self._buffer.extend(self._finished(view.last))

    def result(self) -> Any:
        """The mean over the last episodes; NaN before the first one ends."""
        return self._buffer.mean()

    def std(self) -> Any:
        """The standard deviation over the last episodes; NaN before the first one ends."""
        return self._buffer.std()

    def latest(self) -> Any:
        """The quantity of the episode that ended last; NaN before one does."""
        return self._buffer.latest()

    def reset(self) -> None:
        """Forget all episodes, also those under way."""
        self._buffer.clear()
        for sums in self._sums:
            sums[...] = 0

    def state_dict(self) -> dict[str, Any]:
        """See `Metric`."""
        return {
            "values": self._buffer.tolist(),
            "sums": [torch.from_numpy(sums.copy()) for sums in self._sums],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Metric`; sums of another number of environments are left out."""
        self._buffer.clear()
        self._buffer.extend(state["values"])
        for sums, stored in zip(self._sums, state["sums"], strict=True):
            if sums.shape == tuple(stored.shape):
                sums[...] = stored.numpy()


class AverageReturnMetric(AverageEpisodicAggregationMetric):
    """The sum of an episode's rewards.

    Args:
        example_time_step: `[B, ...]`, for the number of environments and the reward's shape.
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
        buffer_size: how many of the last episodes are averaged.
    """

    def __init__(
        self,
        example_time_step: TimeStep,
        name: str = "AverageReturn",
        prefix: str = "Metrics",
        buffer_size: int = 10,
    ):
        super().__init__(name, prefix, buffer_size)
        self._return = np.zeros(tuple(example_time_step.reward.shape))
        self._sums = [self._return]

    def _accumulate(self, view: StepView) -> None:
        self._return += view.reward

    def _finished(self, last: Array) -> Array:
        return self._return[last]


class AverageEpisodeLengthMetric(AverageEpisodicAggregationMetric):
    """The number of steps of an episode, its `FIRST` one not counted.

    Args:
        example_time_step: `[B, ...]`, for the number of environments.
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
        buffer_size: how many of the last episodes are averaged.
    """

    def __init__(
        self,
        example_time_step: TimeStep,
        name: str = "AverageEpisodeLength",
        prefix: str = "Metrics",
        buffer_size: int = 10,
    ):
        super().__init__(name, prefix, buffer_size)
        self._length = np.zeros(len(example_time_step.step_type))
        self._sums = [self._length]

    def _accumulate(self, view: StepView) -> None:
        self._length += 1

    def _finished(self, last: Array) -> Array:
        return self._length[last]


class AverageRewardMetric(AverageEpisodicAggregationMetric):
    """The mean reward of an episode's steps.

    Args:
        example_time_step: `[B, ...]`, for the number of environments and the reward's shape.
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
        buffer_size: how many of the last episodes are averaged.
    """

    def __init__(
        self,
        example_time_step: TimeStep,
        name: str = "AverageReward",
        prefix: str = "Metrics",
        buffer_size: int = 10,
    ):
        super().__init__(name, prefix, buffer_size)
        self._return = np.zeros(tuple(example_time_step.reward.shape))
        self._length = np.zeros(len(example_time_step.step_type))
        self._sums = [self._return, self._length]

    def _accumulate(self, view: StepView) -> None:
        self._return += view.reward
        self._length += 1

    def _finished(self, last: Array) -> Array:
        return _per_step(self._return[last], self._length[last])


class AverageDiscountedReturnMetric(AverageEpisodicAggregationMetric):
    """The discounted return, averaged over all states of an episode.

    With rewards `r_1 ... r_L` of an episode of length `L`:
    `1/L * sum_l sum_{t >= l} discount^(t - l) * r_t`. The reward `r_t` stands in it `t` times, with
    the weight `1 + discount + ... + discount^(t - 1)`, so that no reward has to be stored.

    Args:
        example_time_step: `[B, ...]`, for the number of environments and the reward's shape.
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
        discount: in `[0, 1]`.
        buffer_size: how many of the last episodes are averaged.
    """

    def __init__(
        self,
        example_time_step: TimeStep,
        name: str = "AverageDiscountedReturn",
        prefix: str = "Metrics",
        discount: float = 0.99,
        buffer_size: int = 10,
    ):
        super().__init__(name, prefix, buffer_size)
        self._discount = _checked_discount(name, discount)
        batch_size = len(example_time_step.step_type)
        self._total = np.zeros(tuple(example_time_step.reward.shape))
        self._weight = np.zeros(batch_size)
        self._length = np.zeros(batch_size)
        self._sums = [self._total, self._weight, self._length]

    def _accumulate(self, view: StepView) -> None:
        self._weight *= self._discount
        self._weight += 1
        self._length += 1
        self._total += _weighted(view.reward, self._weight)

    def _finished(self, last: Array) -> Array:
        return _per_step(self._total[last], self._length[last])


class EpisodicStartAverageDiscountedReturnMetric(AverageEpisodicAggregationMetric):
    """The discounted return from the first state of an episode.

    `sum_t discount^(t - 1) * r_t`: what a value function should say at the `FIRST` step.

    Args:
        example_time_step: `[B, ...]`, for the number of environments and the reward's shape.
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
        buffer_size: how many of the last episodes are averaged.
        discount: in `[0, 1]`.
    """

    def __init__(
        self,
        example_time_step: TimeStep,
        name: str = "EpisodicStartAverageDiscountedReturn",
        prefix: str = "Metrics",
        buffer_size: int = 10,
        discount: float = 0.99,
    ):
        super().__init__(name, prefix, buffer_size)
        self._discount = _checked_discount(name, discount)
        self._total = np.zeros(tuple(example_time_step.reward.shape))
        self._length = np.zeros(len(example_time_step.step_type))
        self._sums = [self._total, self._length]

    def _accumulate(self, view: StepView) -> None:
        self._total += _weighted(view.reward, self._discount**self._length)
        self._length += 1

    def _finished(self, last: Array) -> Array:
        return self._total[last]


class AverageEnvInfoMetric(AverageEpisodicAggregationMetric):
    """What episodes gather of the facts in `env_info`.

    `result()` is a dict from each fact's dotted path to its average over the last episodes, and
    empty before the first one ends.

    Args:
        example_time_step: `[B, ...]`, for the facts there are.
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
        fields: dotted paths of the facts to follow; `None` follows all.
        buffer_size: how many of the last episodes are averaged.
        aggregation: of an episode's steps: `"sum"`, `"mean"`, `"max"` or `"last"`.

    Raises:
        ConfigError: if a field or the aggregation is unknown.
    """

    def __init__(
        self,
        example_time_step: TimeStep,
        name: str = "AverageEnvInfo",
        prefix: str = "Metrics",
        fields: list[str] | None = None,
        buffer_size: int = 10,
        aggregation: str = "sum",
    ):
        super().__init__(name, prefix, buffer_size)
        if aggregation not in ("sum", "mean", "max", "last"):
            raise ConfigError(
                f"{name}.aggregation must be 'sum', 'mean', 'max' or 'last'; it is {aggregation!r}"
            )
        self._aggregation = aggregation
        info = example_time_step.env_info
        paths: list[str] = flatten(map_structure_with_path(lambda path, _: path, info))
        unknown = sorted(set(fields or ()) - set(paths))
        if unknown:
            raise ConfigError(f"{name}.fields: env_info has no {unknown}; it has {paths}")
        chosen = [(i, path) for i, path in enumerate(paths) if fields is None or path in fields]
        self._indices = [i for i, _ in chosen]
        self._paths = [path for _, path in chosen]
        leaves = flatten(info)
        self._length = np.zeros(len(example_time_step.step_type))
        self._facts = [np.zeros(tuple(leaves[i].shape)) for i in self._indices]
        self._sums = [self._length, *self._facts]
        self._ended: dict[str, MetricBuffer] = {
            path: MetricBuffer(buffer_size) for path in self._paths
        }

    def _accumulate(self, view: StepView) -> None:
        begins = self._length == 0
        self._length += 1
        for index, fact in zip(self._indices, self._facts, strict=True):
            value = view.info[index]
            if self._aggregation == "max":
                fact[...] = np.where(_as_column(begins, fact), value, np.maximum(fact, value))
            elif self._aggregation == "last":
                fact[...] = value
            else:
                np.add(fact, value, out=fact)

    def _finished(self, last: Array) -> Array:
        for path, fact in zip(self._paths, self._facts, strict=True):
            values = fact[last]
            if self._aggregation == "mean":
                values = _per_step(values, self._length[last])
            self._ended[path].extend(values)
        return self._length[last]

    def result(self) -> dict[str, Any]:
        """The averages by dotted path; empty before the first episode ends."""
        return {path: buffer.mean() for path, buffer in self._ended.items() if len(buffer)}

    def std(self) -> dict[str, Any]:
        """The standard deviations by dotted path."""
        return {path: buffer.std() for path, buffer in self._ended.items() if len(buffer)}

    def latest(self) -> dict[str, Any]:
        """The facts of the episode that ended last."""
        return {path: buffer.latest() for path, buffer in self._ended.items() if len(buffer)}

    def reset(self) -> None:
        """See `Metric`."""
        super().reset()
        for buffer in self._ended.values():
            buffer.clear()

    def state_dict(self) -> dict[str, Any]:
        """See `Metric`."""
        ended = {path: buffer.tolist() for path, buffer in self._ended.items()}
        return {**super().state_dict(), "facts": ended}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Metric`."""
        super().load_state_dict(state)
        for path, buffer in self._ended.items():
            buffer.clear()
            buffer.extend(state["facts"].get(path, []))


def _checked_discount(name: str, discount: float) -> float:
    if not 0 <= discount <= 1:
        raise ConfigError(f"{name}.discount must be in [0, 1]; it is {discount}")
    return discount


def _as_column(per_env: Array, like: Array) -> Array:
    """`[B]` as `[B, 1, ...]`, to broadcast over an array `[B, ...]`."""
    return per_env.reshape(-1, *[1] * (like.ndim - 1))


def _weighted(reward: Array, weight: Array) -> Array:
    return reward * _as_column(weight, reward)


def _per_step(total: Array, length: Array) -> Array:
    return total / _as_column(np.maximum(length, 1), total)
