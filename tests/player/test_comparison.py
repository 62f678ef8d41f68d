"""Where two recorded plays part."""

import numpy as np
import pytest

from alf.errors import RenderError
from alf.player.comparison import compare_plays, episode_rows, read_columns


def play(*episodes, seen=None):
    """Columns of a play whose episodes took these actions; each sees how often it has acted."""
    rows = []
    for number, actions in enumerate(episodes):
        for step in range(len(actions) + 1):
            is_last = step == len(actions)
            rows.append(
                {
                    "episode": number,
                    "seed": 7 + number,
                    "step": step,
                    "return": 2.0 * step,
                    "ended": 1.0 if is_last else 0.0,
                    "action/action": [99.0 if is_last else actions[step]],
                    "observation/observation": [step, 0.0 if seen is None else seen(step)],
                }
            )
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def test_equal_plays_are_the_same():
    """Nothing differs, and both outcomes are told."""
    (pair,) = compare_plays(play([1, 0, 1]), play([1, 0, 1]))

    assert pair.is_same
    assert 7 == pair.seed
    assert (6.0, 3, "terminated") == (pair.a.ret, pair.a.length, pair.a.ended)


def test_the_first_other_action_is_named():
    """Its step, and what each side did there."""
    (pair,) = compare_plays(play([1, 0, 1, 1]), play([1, 0, 0, 0]))

    assert 2 == pair.parted
    assert ([1.0], [0.0]) == pair.actions
    assert not pair.is_same


def test_the_action_after_the_end_does_not_count():
    """An episode that has ended takes no action any more, whatever the policy would have done."""
    one, other = play([1, 0]), play([1, 0])
    other["action/action"][-1] = -1.0

    assert compare_plays(one, other)[0].is_same


def test_an_episode_that_goes_on_differs_where_the_other_ends():
    """There is no action to name for the side that has ended."""
    (pair,) = compare_plays(play([1, 0]), play([1, 0, 1]))

    assert 2 == pair.parted
    assert ([], [1.0]) == pair.actions


def test_other_observations_are_told_apart_from_other_actions():
    """Seen differently, done alike: the environment differs."""
    (pair,) = compare_plays(play([1, 0]), play([1, 0], seen=lambda step: step >= 1))

    assert 1 == pair.seen
    assert pair.parted is None
    assert not pair.is_same


def test_what_is_no_number_equals_itself():
    """NaN in both is no difference."""
    nan = lambda step: float("nan")  # noqa: E731
    (pair,) = compare_plays(play([1], seen=nan), play([1], seen=nan))

    assert pair.is_same


def test_episodes_are_paired_by_their_number():
    """Each is compared with its own; what only one side played is left out."""
    pairs = compare_plays(play([1], [0, 0], [1]), play([1], [0, 1]))

    assert [True, False] == [pair.is_same for pair in pairs]
    assert [slice(0, 2), slice(2, 5)] == list(episode_rows(play([1], [0, 0])))


def test_a_file_that_is_no_recording_is_refused(tmp_path):
    """The message names the file."""
    path = tmp_path / "a.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(RenderError, match=r"a\.npz"):
        read_columns(path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(RenderError, match="no recorded play"):
        read_columns(path)
