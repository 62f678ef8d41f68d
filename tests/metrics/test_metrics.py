import numpy as np
import pytest
import torch

from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.metrics import (
    AverageDiscountedReturnMetric,
    AverageEnvInfoMetric,
    AverageEpisodeLengthMetric,
    AverageReturnMetric,
    AverageRewardMetric,
    EnvironmentSteps,
    EpisodicStartAverageDiscountedReturnMetric,
    MetricBuffer,
    NumberOfEpisodes,
    StandardMetrics,
)

# Two environments; the columns are theirs.
#   environment 0: rewards 1, 2, 3 | 4, 5            returns 6, 9    lengths 3, 2
#   environment 1: rewards 10, 20 | 30, then cut     returns 30, 30  lengths 2, 1
KINDS = [[0, 0], [1, 1], [1, 2], [2, 0], [0, 2], [1, 0], [2, 1]]
REWARDS = [[0, 0], [1, 10], [2, 20], [3, 0], [0, 30], [4, 0], [5, 40]]


def time_steps(rewards=REWARDS, info=()):
    return [
        TimeStep(
            step_type=torch.tensor(kinds, dtype=torch.int32),
            reward=torch.tensor(reward, dtype=torch.float32),
            discount=torch.ones(2),
            env_info={name: torch.tensor(values[i]) for name, values in dict(info).items()} or (),
        )
        for i, (kinds, reward) in enumerate(zip(KINDS, rewards, strict=True))
    ]


def after(metric, steps):
    for step in steps:
        metric(step)
    return metric


STEPS = time_steps()
EXAMPLE = STEPS[0]


def test_counts():
    """FIRST steps are no environment steps: 14 rows, of which 2 + 1 + 1 + 1 are FIRST."""
    assert 9 == after(EnvironmentSteps(), STEPS).result()
    assert 4 == after(NumberOfEpisodes(), STEPS).result()


def test_return():
    """The episodes end in the order 30, 6, 30, 9."""
    metric = after(AverageReturnMetric(EXAMPLE), STEPS)

    assert (30 + 6 + 30 + 9) / 4 == metric.result()
    assert 9 == metric.latest()
    assert np.std([30, 6, 30, 9]) == pytest.approx(metric.std())


def test_last_episodes_only():
    """The oldest episodes leave the buffer."""
    assert (30 + 9) / 2 == after(AverageReturnMetric(EXAMPLE, buffer_size=2), STEPS).result()


def test_length_and_reward():
    """Lengths 2, 3, 1, 2; mean rewards 15, 2, 30, 4.5."""
    assert 8 / 4 == after(AverageEpisodeLengthMetric(EXAMPLE), STEPS).result()
    assert (15 + 2 + 30 + 4.5) / 4 == after(AverageRewardMetric(EXAMPLE), STEPS).result()


def test_discounted_return_of_all_states():
    """With discount 0.5.

    Rewards 1, 2, 3: the states are worth 1 + 1 + 0.75 = 2.75, 2 + 1.5 = 3.5 and 3; mean 9.25 / 3.
    Rewards 10, 20: 20 and 20; mean 20. Rewards 4, 5: 6.5 and 5; mean 5.75. Reward 30: 30.
    """
    metric = after(AverageDiscountedReturnMetric(EXAMPLE, discount=0.5), STEPS)

    assert (9.25 / 3 + 20 + 5.75 + 30) / 4 == pytest.approx(metric.result())


def test_discounted_return_from_the_start():
    """With discount 0.5: 2.75, 20, 6.5 and 30 are what the first states are worth."""
    metric = after(EpisodicStartAverageDiscountedReturnMetric(EXAMPLE, discount=0.5), STEPS)

    assert (2.75 + 20 + 6.5 + 30) / 4 == pytest.approx(metric.result())


def test_vector_reward():
    """Each element of a vector reward has a return of its own."""
    steps = time_steps([[[a, -a], [b, -b]] for a, b in REWARDS])

    assert [18.75, -18.75] == after(AverageReturnMetric(steps[0]), steps).result().tolist()
    assert [12.875, -12.875] == after(AverageRewardMetric(steps[0]), steps).result().tolist()


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ("sum", (-6 + 30 - 9 + 30) / 4),
        ("mean", (-2 + 15 - 4.5 + 30) / 4),
        ("max", (-1 + 20 - 4 + 30) / 4),
        ("last", (-3 + 20 - 5 + 30) / 4),
    ],
)
def test_env_info(aggregation, expected):
    """Facts -1, -2, -3 | -4, -5 and 10, 20 | 30; those of FIRST steps (99) do not count."""
    info = {"x": [[99.0, 99], [-1, 10], [-2, 20], [-3, 99], [99, 30], [-4, 99], [-5, 40]]}
    steps = time_steps(info={"x": info["x"], "y": info["x"]})
    metric = AverageEnvInfoMetric(steps[0], fields=["x"], aggregation=aggregation)
    assert {} == metric.result()

    assert {"x": expected} == after(metric, steps).result()


def test_env_info_refusals():
    """Unknown fields and aggregations are named."""
    steps = time_steps(info={"x": REWARDS})
    with pytest.raises(ConfigError, match=r"no \['z'\]; it has \['x'\]"):
        AverageEnvInfoMetric(steps[0], fields=["z"])
    with pytest.raises(ConfigError, match="'median'"):
        AverageEnvInfoMetric(steps[0], aggregation="median")
    with pytest.raises(ConfigError, match=r"in \[0, 1\]; it is 2"):
        AverageDiscountedReturnMetric(steps[0], discount=2)


def test_nothing_yet():
    """There is no average before the first episode ends."""
    metric = AverageReturnMetric(EXAMPLE)

    assert np.isnan([metric.result(), metric.std(), metric.latest()]).all()


def test_standard():
    """All in one: numbers by tag; averages only once there are some."""
    info = {"x": [[float(a), float(b)] for a, b in REWARDS]}
    steps = time_steps(info=info)
    metrics = StandardMetrics(steps[0])
    metrics(steps[0])
    assert {"Metrics/EnvironmentSteps": 0.0, "Metrics/NumberOfEpisodes": 0.0} == metrics.results()

    after(metrics, steps[1:])

    assert {
        "Metrics/EnvironmentSteps": 9.0,
        "Metrics/NumberOfEpisodes": 4.0,
        "Metrics/AverageReturn": 18.75,
        "Metrics/AverageEpisodeLength": 2.0,
        "Metrics/AverageEnvInfo/x": 18.75,
    } == metrics.results()


def test_state_goes_on_exactly(tmp_path):
    """A stored state, taken amid episodes, ends in the same results."""
    info = {"x": [[float(a), float(b)] for a, b in REWARDS]}
    steps = time_steps(info=info)

    def make():
        extra = [
            AverageRewardMetric(steps[0]),
            AverageDiscountedReturnMetric(steps[0]),
            EpisodicStartAverageDiscountedReturnMetric(steps[0]),
        ]
        return StandardMetrics(steps[0], extra=extra)

    expected = after(make(), steps).results()
    for cut in range(len(steps)):
        torch.save(after(make(), steps[:cut]).state_dict(), tmp_path / "state.pt")
        resumed = make()
        resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))

        assert expected == after(resumed, steps[cut:]).results()


def test_reset():
    """Nothing of before a reset counts."""
    info = {"x": [[float(a), float(b)] for a, b in REWARDS]}
    steps = time_steps(info=info)
    metrics = after(StandardMetrics(steps[0]), steps)
    expected = metrics.results()
    metrics.reset()

    assert expected == after(metrics, steps).results()


def test_buffer():
    """The last three of 1, 2, 3, 4."""
    buffer = MetricBuffer(3)
    buffer.extend([1, 2, 3])
    buffer.append(4)

    assert (3.0, 4.0, 3) == (buffer.mean(), buffer.latest(), len(buffer))
    assert np.std([2, 3, 4]) == buffer.std()

    buffer.clear()
    assert 0 == len(buffer)
    with pytest.raises(ValueError, match="at least 1"):
        MetricBuffer(0)
