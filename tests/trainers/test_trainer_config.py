"""How much to train, and how often to look, as a conf may say it."""

from functools import partial
from typing import Any

import pytest

from alf.algorithms.algorithm import Algorithm
from alf.errors import ConfigError
from alf.trainers.trainer_config import TrainerConfig

make: Any = partial(TrainerConfig, root_dir="job", algorithm_ctor=Algorithm)


def test_counts_become_intervals():
    """Four evaluations and five summaries in 100 iterations: every 25 and every 20."""
    config = make(num_iterations=100, num_evals=4, num_summaries=5)

    assert (25, 20) == (config.eval_interval, config.summary_interval)


def test_more_events_than_iterations():
    """There is at most one in an iteration."""
    assert 1 == make(num_iterations=3, num_evals=10).eval_interval


def test_intervals_stay_without_counts():
    """`None` leaves the interval as it was set."""
    assert 7 == make(eval_interval=7, num_evals=None).eval_interval


@pytest.mark.parametrize("name", ["num_evals", "num_summaries"])
def test_counts_need_iterations(name):
    """Environment steps do not say how many iterations there are; the error says what to set."""
    with pytest.raises(ConfigError, match=rf"{name} is 4, and num_env_steps .*_interval"):
        make(num_iterations=0, num_env_steps=1000, **{name: 4})
    with pytest.raises(ConfigError, match=rf"{name} is 0: give a number of at least 1"):
        make(**{name: 0})


def test_steps_or_iterations():
    """No iterations are asked for where environment steps say how long; else one at least."""
    assert 0 == make(num_iterations=0, num_env_steps=10).num_iterations
    with pytest.raises(ConfigError, match="num_iterations is 0"):
        make(num_iterations=0)
