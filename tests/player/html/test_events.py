"""Events of episodes that were written by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf.player.html.events import Event, EventFinder, told_success


def found(
    values: list[float] | None = None,
    *,
    rewards: list[float] | None = None,
    entropies: list[float] | None = None,
    probabilities: list[list[float]] | None = None,
    actions: list[int] | None = None,
    ended: float = 1.0,
    success: bool | None = None,
) -> dict[str, Event]:
    """The events by kind; every list has a number for each step."""
    given_lists = (values, rewards, entropies, probabilities, actions)
    steps = next(len(one) for one in given_lists if one is not None)
    finder = EventFinder()
    for t in range(steps):
        row = {
            "value": math.nan if values is None else values[t],
            "reward": 0.0 if rewards is None else rewards[t],
            "entropy": math.nan if entropies is None else entropies[t],
            "runner_up": math.nan,
            "lead": math.nan,
            "ended": ended if t == steps - 1 else 0.0,
        }
        if probabilities is not None:
            ranked = np.sort(probabilities[t])[::-1]
            row["runner_up"] = int(np.argsort(probabilities[t])[-2])
            row["lead"] = ranked[0] - ranked[1]
        columns = {name: np.array([number]) for name, number in row.items()}
        columns["action/action"] = np.array([0 if actions is None else actions[t]])
        if probabilities is not None:
            columns["probabilities"] = np.array(probabilities[t])
        finder.add(columns)
    return {event.kind: event for event in finder.events(ended == 1.0, success)}


class TestValues:
    def test_lowest_value(self):
        """The step with the smallest value, the first of equals."""
        events = found([5.0, 2.0, 4.0, 2.0, 3.0], ended=2.0)

        assert events["lowest value"] == Event("lowest value", 1, {"value": 2.0})

    def test_the_end_by_the_task_is_no_expectation(self):
        """What is said where nothing follows does not count; at a time limit it does."""
        assert found([5.0, 4.0, -9.0], ended=1.0)["lowest value"].step == 1
        assert found([5.0, 4.0, -9.0], ended=2.0)["lowest value"].step == 2

    def test_blunder(self):
        """The action before the largest drop, with both values and the action not taken."""
        probabilities = [[0.9, 0.1], [0.45, 0.55], [0.8, 0.2], [0.8, 0.2]]
        events = found(
            [10.0, 9.5, 3.0, 4.0],
            rewards=[0.0, 1.0, -2.0, 1.0],
            probabilities=probabilities,
            actions=[0, 1, 0, 0],
            ended=2.0,
        )
        facts = events["blunder"].facts

        assert events["blunder"].step == 1
        assert facts == pytest.approx(
            {
                "before": 9.5,
                "after": 3.0,
                "drop": 6.5,
                "reward": -2.0,
                "lead": 0.1,
                "action": 1,
                "runner_up": 0,
            }
        )

    def test_a_steady_decline_is_no_blunder(self):
        """Less time is left at every step: the largest drop is named, not blamed."""
        events = found([5.0, 4.0, 3.0, 1.9, 1.0], ended=2.0)

        assert "blunder" not in events
        assert events["largest drop"].step == 2

    def test_trembling_is_no_blunder(self):
        """A drop that stands out, and is next to nothing beside the value, is not blamed."""
        events = found([2.5, 2.501, 2.5, 2.501, 2.48, 2.481], ended=2.0)

        assert "blunder" not in events
        assert events["largest drop"].step == 3

    def test_rising_values_have_no_drop(self):
        """Nothing is named where nothing fell."""
        assert not {"blunder", "largest drop"} & set(found([1.0, 2.0, 3.0], ended=2.0))

    def test_gaps_are_passed_over(self):
        """Where the policy says nothing for a while, there is no change to speak of."""
        events = found([5.0, math.nan, 1.0, 0.0, -5.0, -5.0], ended=2.0)

        assert events["blunder"].step == 3
        assert events["lowest value"].step == 4


class TestChoices:
    def test_highest_entropy(self):
        """The decision that was widest; at the last step nothing is decided any more."""
        events = found(entropies=[0.2, 0.6, 0.1, 0.69])

        assert events["highest entropy"] == Event("highest entropy", 1, {"entropy": 0.6})

    def test_near_tie(self):
        """The narrowest lead, if it is a tenth at most, with both actions."""
        events = found(probabilities=[[0.9, 0.1], [0.52, 0.48], [0.7, 0.3]], actions=[0, 0, 0])

        assert events["near-tie"].step == 1
        assert events["near-tie"].facts == pytest.approx(
            {"lead": 0.04, "action": 0, "runner_up": 1}
        )

    def test_clear_choices_are_no_tie(self):
        """A lead of 0.2 is no near-tie, though it is the narrowest."""
        assert "near-tie" not in found(probabilities=[[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])


class TestFailure:
    @pytest.mark.parametrize(
        ("rewards", "failed"),
        [
            ([0.0, 1.0, 1.0, 1.0], True),  # a pole falls: no more income
            ([0.0, -1.0, -1.0, -1.0], False),  # a top is reached: no more costs
            ([0.0, 0.1, -0.2, -100.0], True),  # a crash
            ([0.0, 0.1, -0.2, 100.0], False),  # a landing
            ([0.0, 0.0, 0.0, 0.0], True),  # a hole in the ice
            ([0.0, 0.0, 0.0, 1.0], False),  # the other shore
            ([0.0, -1.0, -1.0, -0.5], False),
        ],
    )
    def test_it_is_told_by_what_is_paid(self, rewards, failed):
        """Ends by the task itself, in environments that do not say how they were meant."""
        events = found(rewards=rewards)

        assert ("failure" in events) == failed
        if failed:
            assert events["failure"].step == 3

    def test_the_environment_knows_better(self):
        """Where it says success or not, that counts."""
        assert "failure" not in found(rewards=[0.0, 1.0, 1.0], success=True)
        assert "failure" in found(rewards=[0.0, -1.0, -1.0], success=False)

    def test_a_time_limit_is_no_failure(self):
        """Nor is an episode that was not played to its end."""
        assert "failure" not in found(rewards=[0.0, 1.0, 1.0], ended=2.0)
        assert "failure" not in found(rewards=[0.0, 1.0, 1.0], ended=0.0)

    def test_success_is_read_from_the_environment(self):
        """By its usual names, of a batch of one."""
        assert told_success({"is_success": np.array([1.0])}) is True
        assert told_success({"success": np.array([False])}) is False
        assert told_success({"lives": np.array([3])}) is None
        assert told_success(()) is None


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=30),
    st.sampled_from([0.0, 1.0, 2.0]),
)
def test_events_stand_at_steps_of_the_episode(values, ended):
    """And the lowest value and the largest drop are what numpy finds."""
    events = found(values, ended=ended)
    seen = values[:-1] if ended == 1.0 else values
    drops = -np.diff(seen)

    assert all(0 <= event.step < len(values) for event in events.values())
    assert events["lowest value"].step == int(np.argmin(seen))
    drop = events.get("blunder") or events.get("largest drop")
    if len(drops) and drops.max() > 0:
        assert drop is not None
        assert drop.step == int(np.argmax(drops))
    else:
        assert drop is None
