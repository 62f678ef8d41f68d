"""Noise and bounds of actions: statistics of the noise, by formula, and where it begins anew."""

import itertools
import math
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alf.algorithms.exploration import (
    ActionBox,
    DriftingNoise,
    choose_sometimes,
    epsilon_in_play,
    epsilon_in_rollout,
    explorers,
)
from alf.errors import ConfigError
from alf.schedulers import LinearScheduler
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
WIDE = BoundedTensorSpec((2,), torch.float32, [-1, 0], [3, 10])
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)


def drift(noise, steps, size=20_000):
    """All values of the first steps, `[steps, size, 2]`."""
    torch.manual_seed(0)
    action, state = torch.zeros(size, 2), torch.zeros(size, 2)
    values = []
    for _ in range(steps):
        value, state = noise.step(state, action)
        values.append(value)
    return torch.stack(values)


def test_drift_by_formula():
    """x_t = (1 - 0.25) x_{t-1} + 0.2 N(0, 1) from 0.

    The variance after t steps is 0.04 (1 - 0.75^(2 t)) / (1 - 0.75^2); neighbours in the long run
    correlate by 0.75.
    """
    values = drift(DriftingNoise(BOX, stddev=0.2, damping=0.25), steps=40)

    for t in (1, 2, 5, 40):
        expected = math.sqrt(0.04 * (1 - 0.75 ** (2 * t)) / (1 - 0.75**2))
        assert expected == pytest.approx(values[t - 1].std().item(), rel=0.02)
        assert 0 == pytest.approx(values[t - 1].mean().item(), abs=0.01)
    last, before = values[-1].flatten(), values[-2].flatten()
    correlation = torch.corrcoef(torch.stack([last, before]))[0, 1].item()
    assert 0.75 == pytest.approx(correlation, abs=0.02)


def test_a_step_by_hand():
    """Without the random part the last value shrinks by the damping."""
    noise = DriftingNoise({"a": BOX}, stddev=0.0, damping=0.15)
    state = {"a": torch.tensor([[1.0, -2.0]])}

    value, state = noise.step(state, {"a": torch.zeros(1, 2)})

    torch.testing.assert_close(value["a"], torch.tensor([[0.85, -1.7]]))
    assert value is state
    assert {"a": TensorSpec((2,))} == noise.state_spec


def test_full_damping_is_independent_noise():
    """Gaussian, without a memory."""
    noise = DriftingNoise(BOX, stddev=0.3, damping=1.0)
    torch.manual_seed(0)
    first, state = noise.step((), torch.zeros(20_000, 2))
    second, _ = noise.step(state, torch.zeros(20_000, 2))

    assert () == noise.state_spec == state
    assert 0.3 == pytest.approx(first.std().item(), rel=0.02)
    pairs = torch.stack([first.flatten(), second.flatten()])
    assert 0 == pytest.approx(torch.corrcoef(pairs)[0, 1].item(), abs=0.02)


def test_in_the_long_run():
    """`sample` gives what many steps lead to: 0.2 / sqrt(0.25 * 1.75)."""
    noise = DriftingNoise(BOX, stddev=0.2, damping=0.25)
    torch.manual_seed(0)
    sampled = noise.sample(torch.zeros(20_000, 2)).std().item()

    assert 0.2 / math.sqrt(0.25 * 1.75) == pytest.approx(sampled, rel=0.02)
    assert drift(noise, steps=40)[-1].std().item() == pytest.approx(sampled, rel=0.02)


@pytest.mark.parametrize(
    ("stddev", "damping", "name"), [(-0.1, 0.5, "ou_stddev"), (0.1, 0, "ou_damping")]
)
def test_numbers_out_of_range(stddev, damping, name):
    """The lesson names the parameter."""
    with pytest.raises(ConfigError, match=name):
        DriftingNoise(BOX, stddev, damping)


def test_bounds_of_each_element():
    """Clipped to the nearest, and sampled from all of them."""
    box = ActionBox((WIDE, BOX), "DdpgAlgorithm")
    action = (torch.tensor([[-2.0, 11.0], [0.5, 5.0]]), torch.tensor([[2.0, 0.0], [0.0, -3.0]]))

    clipped = box.clip(action)
    assert [[-1, 10], [0.5, 5]] == clipped[0].tolist()
    assert [[1, 0], [0, -1]] == clipped[1].tolist()
    torch.manual_seed(0)
    sampled, _ = box.sample((torch.zeros(20_000, 2), torch.zeros(20_000, 2)))
    torch.testing.assert_close(sampled.amin(0), torch.tensor([-1.0, 0.0]), atol=0.01, rtol=0)
    torch.testing.assert_close(sampled.amax(0), torch.tensor([3.0, 10.0]), atol=0.01, rtol=0)
    torch.testing.assert_close(sampled.mean(0), torch.tensor([1.0, 5.0]), atol=0.1, rtol=0)
    assert {} == box.state_dict()


@pytest.mark.parametrize(
    ("spec", "lesson"),
    [
        (CHOICE, "DdpgAlgorithm is for continuous actions.*use DqnAlgorithm"),
        (TensorSpec((2,)), "DdpgAlgorithm needs finite bounds"),
        (BoundedTensorSpec((1,), torch.float32, -1, math.inf), "DdpgAlgorithm needs finite bounds"),
    ],
)
def test_actions_that_have_no_box(spec, lesson):
    """Discrete and unbounded ones are refused, with what to do."""
    with pytest.raises(ConfigError, match=lesson):
        ActionBox({"a": BOX, "b": spec}, "DdpgAlgorithm")


def test_a_choice_is_one_for_all_leaves():
    """Each row takes all of one action or all of the other, as often as told."""
    ones = (torch.ones(10_000, 2), torch.ones(10_000))
    zeros = (torch.zeros(10_000, 2), torch.zeros(10_000))
    torch.manual_seed(0)
    wide, flat = choose_sometimes(0.3, ones, zeros)

    assert torch.equal(wide[:, 0], flat)
    assert torch.equal(wide[:, 1], flat)
    assert 0.3 == pytest.approx(flat.mean().item(), abs=0.02)


@pytest.mark.parametrize("epsilon", [0.02, 0.3, 0.9])
def test_each_explores_on_its_own(epsilon):
    """All eight patterns of three rows come as often as three independent coins give them."""
    torch.manual_seed(0)
    like, count = torch.zeros(3, 2), 20_000
    seen: Counter[tuple[bool, ...]] = Counter()
    for _ in range(count):
        explores = explorers(epsilon, like)
        seen[(False,) * 3 if explores is None else tuple(explores.tolist())] += 1

    for pattern in itertools.product([False, True], repeat=3):
        expected = math.prod(epsilon if explores else 1 - epsilon for explores in pattern)
        assert expected == pytest.approx(seen[pattern] / count, abs=0.012), pattern


@given(st.floats(0, 1), st.integers(1, 5))
def test_explorers_of_any_probability(epsilon, size):
    """Someone among the rows or nobody, also where the probability is next to none."""
    explores = explorers(epsilon, torch.zeros(size))

    assert explores is None or ((size,) == explores.shape and explores.any())
    assert epsilon > 0 or explores is None
    assert epsilon < 1 or (explores is not None and explores.all())


def test_who_explores_is_drawn_from_torch_alone():
    """An episode that is played again seeds nothing else."""

    def draws() -> list[list[bool] | None]:
        torch.manual_seed(5)
        found = [explorers(0.4, torch.zeros(3)) for _ in range(50)]
        return [None if explores is None else explores.tolist() for explores in found]

    assert draws() == draws()


def test_epsilon_in_play():
    """The algorithm's own, else the job's, else none."""
    job = SimpleNamespace(epsilon_greedy=0.25)

    assert epsilon_in_play("Dqn", 0, job) == 0.0
    assert epsilon_in_play("Dqn", None, job) == 0.25
    assert epsilon_in_play("Dqn", None, None) == 0.0


@pytest.mark.parametrize("value", [-1, 1.5, 10**30, float("nan"), "0.1", [0.1]])
def test_what_is_no_probability(value):
    """It is refused before anything is trained, by name and value."""
    with pytest.raises(ConfigError, match=r"Dqn.epsilon_greedy is .*between 0 and 1"):
        epsilon_in_play("Dqn", value, None)
    with pytest.raises(ConfigError, match=r"(between 0 and 1|number nor a scheduler)"):
        epsilon_in_rollout("Dqn", value)


def test_epsilon_in_rollout():
    """A number stays what it is; a schedule is asked each time, and for its start at once."""
    values = iter([1.0, 0.5, 0.25])
    assert epsilon_in_rollout("Dqn", 0.1)() == 0.1
    schedule = epsilon_in_rollout("Dqn", lambda: next(values))

    assert [0.5, 0.25] == [schedule(), schedule()]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        epsilon_in_rollout("Dqn", LinearScheduler("percent", [(0.0, 2.0), (1.0, 0.0)]))
    with pytest.raises(ConfigError, match=r"ReLU.* is no scheduler"):
        epsilon_in_rollout("Dqn", torch.nn.ReLU())
