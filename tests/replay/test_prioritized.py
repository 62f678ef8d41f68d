"""Prioritized replay."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.errors import ConfigError, TrainingError
from alf.replay import PrioritizedReplayBuffer


def filled(num_rows: int, num_environments: int = 1, max_length: int = 8, **kwargs):
    buffer = PrioritizedReplayBuffer(num_environments, max_length, **kwargs)
    for time in range(num_rows):
        buffer.add(torch.full((num_environments,), time))
    return buffer


def probabilities(buffer: PrioritizedReplayBuffer, length: int, draws: int = 40000):
    """How often each start was drawn, `[num_starts, B]`."""
    batch = buffer.sample(draws, length)
    starts = (batch.positions - buffer.first_position) * buffer.num_environments + batch.env_ids
    counts = torch.bincount(starts, minlength=buffer.total_size).double() / draws
    return counts.reshape(buffer.num_steps, buffer.num_environments)


def test_hand_computed_probabilities_and_weights():
    """Priorities 1, 8 and 27 with alpha 1/3 have masses 1 : 2 : 3."""
    buffer = filled(3, alpha=1 / 3, beta=0.5, eps=1e-12)
    buffer.update_priorities(
        torch.zeros(3, dtype=torch.int64), torch.arange(3), torch.tensor([1.0, 8.0, 27.0])
    )

    batch = buffer.sample(600, 1)
    counts = torch.bincount(batch.positions, minlength=3)
    by_position = {int(p): float(w) for p, w in zip(batch.positions, batch.weights, strict=True)}

    # Strata hit their parts exactly: 600 equal parts of a line of length 6.
    assert [100, 200, 300] == counts.tolist()
    # w = (3 P)^-1/2 = (1/2)^-1/2, 1, (3/2)^-1/2; divided by the first: 1, (1/2)^1/2, (1/3)^1/2
    assert 1.0 == pytest.approx(by_position[0], abs=1e-6)
    assert 2**-0.5 == pytest.approx(by_position[1], abs=1e-6)
    assert 3**-0.5 == pytest.approx(by_position[2], abs=1e-6)
    assert torch.float32 == batch.weights.dtype


def test_weights_without_normalisation():
    """Then they are (N P)^-beta."""
    buffer = filled(2, alpha=1.0, beta=1.0, eps=1e-12, normalize_weights_by_max=False)
    buffer.update_priorities(
        torch.zeros(2, dtype=torch.int64), torch.arange(2), torch.tensor([1.0, 3.0])
    )

    batch = buffer.sample(4, 1)

    # P = 1/4, 3/4 and N = 2: weights 1 / (2/4) = 2 and 1 / (6/4) = 2/3
    assert [0, 1, 1, 1] == batch.positions.tolist()
    assert [2.0, 2 / 3, 2 / 3, 2 / 3] == pytest.approx(batch.weights.tolist())


def test_weights_make_up_for_the_priorities():
    """With beta 1, a weighted mean is the mean over all steps."""
    buffer = filled(8, alpha=1.0, beta=1.0, normalize_weights_by_max=False)
    buffer.update_priorities(
        torch.zeros(8, dtype=torch.int64), torch.arange(8), torch.rand(8) * 5 + 0.1
    )

    batch = buffer.sample(50000, 1)

    mean = (batch.weights * batch.experience[0]).mean()
    assert 3.5 == pytest.approx(float(mean), abs=0.02)


def test_new_steps_get_the_largest_mass():
    """A new step is as likely as the most important one so far."""
    buffer = filled(4, alpha=1.0, eps=1e-9)
    where = torch.zeros(4, dtype=torch.int64), torch.arange(4)
    buffer.update_priorities(*where, torch.tensor([1.0, 5.0, 1.0, 1.0]))
    buffer.update_priorities(*where, torch.tensor([1.0, 2.0, 1.0, 1.0]))
    buffer.add(torch.tensor([4]))

    expected = torch.tensor([1.0, 2, 1, 1, 5])[:, None] / 10

    torch.testing.assert_close(probabilities(buffer, 1), expected.double(), rtol=0, atol=2e-4)


def test_alpha_zero_is_uniform():
    """Then priorities do not matter, and all weights are 1."""
    buffer = filled(6, alpha=0.0)
    buffer.update_priorities(torch.tensor([0]), torch.tensor([2]), torch.tensor([100.0]))

    torch.testing.assert_close(
        probabilities(buffer, 1), torch.full((6, 1), 1 / 6).double(), rtol=0, atol=2e-4
    )
    assert torch.ones(5).equal(buffer.sample(5, 1).weights)


def test_priority_of_zero_can_be_drawn():
    """eps keeps every step possible."""
    buffer = filled(2, alpha=1.0, eps=0.5)
    buffer.update_priorities(
        torch.zeros(2, dtype=torch.int64), torch.arange(2), torch.tensor([0.0, 1.0])
    )

    assert 0.25 == pytest.approx(float(probabilities(buffer, 1)[0]), abs=1e-3)


def test_extreme_priorities_stay_numbers():
    """Masses have bounds, so that no step is impossible and no weight is infinite or undefined."""
    buffer = filled(2, alpha=6.0, beta=1.0)
    buffer.update_priorities(
        torch.zeros(2, dtype=torch.int64),
        torch.arange(2),
        torch.tensor([0.0, 1e50], dtype=torch.float64),
    )
    batch = buffer.sample(100, 1)
    assert batch.weights.isfinite().all()

    buffer.update_priorities(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.0]))

    # (1e-6)^6 = 1e-36 is below the bound of masses for both, so they are equally likely.
    assert 0.5 == pytest.approx(float(probabilities(buffer, 1)[0]), abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    num_environments=st.integers(1, 3),
    max_length=st.integers(2, 6),
    plan=st.lists(
        st.tuples(st.sampled_from(["add", "rows", "update", "stale", "sample"]), st.integers(1, 5)),
        min_size=1,
        max_size=15,
    ),
    data=st.data(),
)
def test_is_a_list_of_masses(num_environments, max_length, plan, data):
    """Whatever happens, a start's share is its mass among those from which a sequence fits."""
    buffer = PrioritizedReplayBuffer(num_environments, max_length, alpha=1.0, eps=1e-9)
    masses: list[list[float]] = []  # by time
    largest = 1.0
    for action, number in plan:
        if action in ("add", "rows"):
            count = 1 if action == "add" else number
            buffer.add_rows(torch.zeros(count, num_environments))
            masses += [[largest] * num_environments for _ in range(count)]
        elif action in ("update", "stale") and masses:
            oldest = 0 if action == "stale" else buffer.first_position
            times = [data.draw(st.integers(oldest, len(masses) - 1)) for _ in range(number)]
            envs = [data.draw(st.integers(0, num_environments - 1)) for _ in range(number)]
            new = [data.draw(st.floats(0.125, 8)) for _ in range(number)]
            buffer.update_priorities(torch.tensor(envs), torch.tensor(times), torch.tensor(new))
            for time, env, mass in zip(times, envs, new, strict=True):
                if time >= buffer.first_position:
                    masses[time][env] = float(torch.tensor(mass))
                    largest = max(largest, masses[time][env])
        length = 1 + number % 3
        if action == "sample" and buffer.num_steps >= length:
            last = len(masses) - length + 1
            expected = torch.tensor(masses[buffer.first_position : last]).double()
            actual = probabilities(buffer, length, 2000)[: len(expected)]
            assert float(actual.sum()) == pytest.approx(1.0)
            torch.testing.assert_close(actual, expected / expected.sum(), rtol=0, atol=2 / 2000)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_bad_priorities_are_refused(wrong):
    """A priority that is no number stops training, and names itself."""
    buffer = filled(3)

    with pytest.raises(TrainingError, match=r"LossInfo.priority"):
        buffer.update_priorities(
            torch.zeros(2, dtype=torch.int64), torch.arange(2), torch.tensor([1.0, wrong])
        )


@pytest.mark.parametrize("setting", [{"alpha": -1.0}, {"beta": 1.5}, {"eps": 0.0}])
def test_settings_are_checked(setting):
    """Each number has its range."""
    with pytest.raises(ConfigError, match="priority_replay_alpha"):
        PrioritizedReplayBuffer(1, 8, **setting)


def test_clear_forgets_priorities():
    """After clear, the buffer is as new."""
    buffer = filled(5)
    buffer.update_priorities(torch.tensor([0]), torch.tensor([2]), torch.tensor([100.0]))
    buffer.clear()
    for time in range(3):
        buffer.add(torch.tensor([time]))

    torch.testing.assert_close(
        probabilities(buffer, 1), torch.full((3, 1), 1 / 3).double(), rtol=0, atol=2e-4
    )


def test_dropped_steps_are_passed_over():
    """A priority that comes too late does not go to the step that took the place."""
    buffer = filled(11, alpha=1.0)  # holds times 3 to 10; time 10 lies where 2 was

    buffer.update_priorities(
        torch.zeros(3, dtype=torch.int64), torch.tensor([2, 3, 0]), torch.tensor([50.0, 1.0, 9.0])
    )

    torch.testing.assert_close(
        probabilities(buffer, 1), torch.full((8, 1), 1 / 8).double(), rtol=0, atol=2e-4
    )
