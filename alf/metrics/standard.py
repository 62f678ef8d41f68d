"""The metrics that every job follows, updated together."""

from collections.abc import Sequence
from typing import Any

from alf.data_structures import TimeStep
from alf.metrics.episodic import (
    AverageEnvInfoMetric,
    AverageEpisodeLengthMetric,
    AverageReturnMetric,
)
from alf.metrics.metric import EnvironmentSteps, Metric, NumberOfEpisodes, StepView
from alf.nest import flatten


class StandardMetrics:
    """Steps, episodes, average return and length, and average facts where there are any.

    What they share of a time step is computed once.

    Args:
        example_time_step: `[B, ...]`.
        buffer_size: how many of the last episodes are averaged.
        extra: more metrics to update along.

    Attributes:
        environment_steps: counts steps.
        number_of_episodes: counts ended episodes.
        average_return: of the last episodes.
        average_episode_length: of the last episodes.
    """

    def __init__(
        self, example_time_step: TimeStep, buffer_size: int = 10, extra: Sequence[Metric] = ()
    ):
        self.environment_steps = EnvironmentSteps()
        self.number_of_episodes = NumberOfEpisodes()
        self.average_return = AverageReturnMetric(example_time_step, buffer_size=buffer_size)
        self.average_episode_length = AverageEpisodeLengthMetric(
            example_time_step, buffer_size=buffer_size
        )
        self._metrics: list[Metric] = [
            self.environment_steps,
            self.number_of_episodes,
            self.average_return,
            self.average_episode_length,
        ]
        if flatten(example_time_step.env_info):
            self._metrics.append(AverageEnvInfoMetric(example_time_step, buffer_size=buffer_size))
        self._metrics += extra

    @property
    def metrics(self) -> list[Metric]:
        """All of them."""
        return list(self._metrics)

    def __call__(self, time_step: TimeStep) -> None:
        """Take in one time step `[B, ...]`."""
        view = StepView(time_step)
        for metric in self._metrics:
            metric.update(view)

    def results(self) -> dict[str, float]:
        """Numbers by tag, e.g. `"Metrics/AverageReturn"`.

        A vector reward and each fact of `env_info` get a tag for each element. Averages are left
        out before the first episode ends.
        """
        averaged = bool(self.number_of_episodes.result())
        results: dict[str, float] = {}
        for metric in self._metrics:
            if averaged or isinstance(metric, (EnvironmentSteps, NumberOfEpisodes)):
                results |= _numbers(metric.tag, metric.result())
        return results

    def reset(self) -> None:
        """Start again from nothing."""
        for metric in self._metrics:
            metric.reset()

    def state_dict(self) -> dict[str, Any]:
        """The states of all metrics by tag."""
        return {metric.tag: metric.state_dict() for metric in self._metrics}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave; metrics that it does not know start from nothing."""
        for metric in self._metrics:
            if metric.tag in state:
                metric.load_state_dict(state[metric.tag])


def _numbers(tag: str, value: Any) -> dict[str, float]:
    if isinstance(value, dict):
        parts = [_numbers(f"{tag}/{name}", part) for name, part in value.items()]
        return {name: number for part in parts for name, number in part.items()}
    if getattr(value, "ndim", 0):
        flat = value.reshape(-1).tolist()
        return {f"{tag}/{i}": float(number) for i, number in enumerate(flat)}
    return {tag: float(value)}
