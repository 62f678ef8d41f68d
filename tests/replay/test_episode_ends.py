"""Where episodes end, against a plain search; and that a buffer never forgets what it was told."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.data_structures import StepType, TimeStep
from alf.errors import UsageError
from alf.replay import ReplayBuffer
from alf.replay.episode_ends import EpisodeEnds

FIRST, MID, LAST = StepType.FIRST, StepType.MID, StepType.LAST


def searched(kinds: np.ndarray, env: int, position: int) -> int:
    """The end of an episode, found by walking; `kinds` is `[T, B]`."""
    for time in range(position, len(kinds)):
        if kinds[time, env] == LAST:
            return time
    return len(kinds) - 1


def test_a_hand_made_row_of_episodes():
    """Two ended episodes and one that has not; each step knows the last one of its own."""
    ends = EpisodeEnds(1, 10, 0)
    ends.read(np.array([[FIRST], [MID], [LAST], [FIRST], [LAST], [FIRST], [MID]], np.int32))

    found = ends.of(np.zeros(7, np.int64), np.arange(7))

    assert [2, 2, 2, 4, 4, 6, 6] == found.tolist()


def test_an_end_that_comes_later_ends_the_steps_before():
    """Until then the newest step is the end."""
    ends = EpisodeEnds(2, 10, 0)
    ends.read(np.array([[FIRST, FIRST], [MID, MID]], np.int32))
    both = np.array([0, 1])
    assert [1, 1] == ends.of(both, np.zeros(2, np.int64)).tolist()
    ends.read(np.array([[LAST, MID]], np.int32))
    ends.read(np.array([[FIRST, MID]], np.int32))

    assert [2, 3] == ends.of(both, np.zeros(2, np.int64)).tolist()


def typed(*kinds: int) -> list[TimeStep]:
    return [TimeStep(step_type=torch.tensor([kind])) for kind in kinds]


def all_ends(buffer: ReplayBuffer) -> list[int]:
    """Of all steps that one environment's buffer holds."""
    held = torch.arange(buffer.first_position, buffer.end_position)
    return buffer.episode_ends(torch.zeros_like(held), held).tolist()


class TestAskedNowAndThen:
    """Between two questions, steps may go as well as come."""

    def test_an_episode_that_began_before_what_is_held(self):
        """Its end is not written over the newest steps, which took the place of its first ones."""
        buffer = ReplayBuffer(1, 3)
        for row in typed(FIRST, MID):
            buffer.add(row)
        assert [1, 1] == all_ends(buffer)
        for row in typed(LAST, LAST):
            buffer.add(row)

        assert [2, 2, 3] == all_ends(buffer)

    def test_nothing_that_was_held_is_left(self):
        """What was known of it does not count any more."""
        buffer = ReplayBuffer(1, 3)
        for row in typed(FIRST, MID):
            buffer.add(row)
        assert [1, 1] == all_ends(buffer)
        for row in typed(MID, MID, LAST, FIRST, LAST, FIRST):
            buffer.add(row)

        assert [6, 6, 7] == all_ends(buffer)

    def test_times_that_begin_anew(self):
        """After `clear`, time 0 is another one."""
        buffer = ReplayBuffer(1, 9)
        for row in typed(FIRST, LAST, FIRST, LAST):
            buffer.add(row)
        assert [1, 1, 3, 3] == all_ends(buffer)
        buffer.clear()
        for row in typed(FIRST, MID, LAST):
            buffer.add(row)

        assert [2, 2, 2] == all_ends(buffer)


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.tuples(*[st.sampled_from([MID, LAST])] * 2), min_size=1, max_size=40),
    max_length=st.integers(1, 9),
    asked=st.sets(st.integers(0, 40)),
    cleared=st.one_of(st.none(), st.integers(0, 40)),
)
def test_a_buffer_finds_what_a_search_finds(kinds, max_length, asked, cleared):
    """Whenever it is asked, around the ring, and after it was cleared."""
    buffer = ReplayBuffer(2, max_length)
    rows = np.array(kinds, np.int32)
    start = 0
    for time, row in enumerate(rows):
        if time == cleared:
            buffer.clear()
            start = time
        buffer.add(({"x": torch.zeros(2)}, TimeStep(step_type=torch.tensor(row))))
        if time in asked or time == len(rows) - 1:
            held = rows[start : time + 1]
            for position in range(buffer.first_position, buffer.end_position):
                found = buffer.episode_ends(torch.tensor([0, 1]), torch.full((2,), position))
                assert [searched(held, env, position) for env in (0, 1)] == found.tolist()


def test_a_loaded_buffer_knows_its_ends(tmp_path):
    """They are read from the steps."""
    buffer = ReplayBuffer(1, 4)
    for kind in (FIRST, MID, MID, LAST, FIRST, LAST):
        buffer.add(TimeStep(step_type=torch.tensor([kind])))
    buffer.save(tmp_path)
    loaded = ReplayBuffer(1, 4).load(tmp_path)

    found = loaded.episode_ends(torch.zeros(4).long(), torch.arange(2, 6))

    assert [3, 3, 5, 5] == found.tolist()


def test_steps_without_a_type_have_no_ends():
    """The lesson says what is there and what is missing."""
    buffer = ReplayBuffer(1, 4)
    buffer.add({"reward": torch.zeros(1)})

    with pytest.raises(UsageError, match="holds reward, and no step_type"):
        buffer.episode_ends(torch.zeros(1).long(), torch.zeros(1).long())
