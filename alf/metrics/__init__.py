"""Counters and averages over episodes, vectorised over environments, in NumPy."""

from alf.metrics.buffer import MetricBuffer
from alf.metrics.episodic import (
    AverageDiscountedReturnMetric,
    AverageEnvInfoMetric,
    AverageEpisodeLengthMetric,
    AverageEpisodicAggregationMetric,
    AverageReturnMetric,
    AverageRewardMetric,
    EpisodicStartAverageDiscountedReturnMetric,
)
from alf.metrics.metric import EnvironmentSteps, Metric, NumberOfEpisodes, StepView
from alf.metrics.standard import StandardMetrics

__all__ = [
    "AverageDiscountedReturnMetric",
    "AverageEnvInfoMetric",
    "AverageEpisodeLengthMetric",
    "AverageEpisodicAggregationMetric",
    "AverageReturnMetric",
    "AverageRewardMetric",
    "EnvironmentSteps",
    "EpisodicStartAverageDiscountedReturnMetric",
    "Metric",
    "MetricBuffer",
    "NumberOfEpisodes",
    "StandardMetrics",
    "StepView",
]
