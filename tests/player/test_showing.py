"""From moments to sinks: how many frames, which, and what happens at an episode's end."""

import signal

import av
import numpy as np
import pytest

from alf.bin import command
from alf.player.showing import FACTS, make_layout, show, status
from alf.player.sinks import StopPlaying, open_sinks


class Collector:
    """A sink that keeps copies; stops when it has seen enough."""

    def __init__(self, enough: int = 10_000):
        self.frames: list[np.ndarray] = []
        self.enough = enough

    def write(self, frame: np.ndarray, moment: object = None) -> None:
        self.frames.append(frame.copy())
        if len(self.frames) == self.enough:
            raise StopPlaying

    def close(self) -> str:
        return ""


def test_a_film_has_steps_plus_one_frames_per_episode(painted_env, played, tmp_path, grey):
    """Frame i of the film shows step i, from the reset to the end."""
    with open_sinks([str(tmp_path / "a.mp4")], report=print) as sinks:
        show(played(painted_env([[5, 3]]), 2, render=True), sinks)
    with av.open(str(tmp_path / "a.mp4")) as film:
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]

    assert len(frames) == 6 + 4
    for frame, step in zip(frames, [0, 1, 2, 3, 4, 5, 0, 1, 2, 3], strict=True):
        assert abs(float(frame[100:200, 100:200].mean()) - grey(step)) < 2.5


def test_repeats_and_blanks_stand_at_the_end_of_each_episode(painted_env, played):
    """3 moments, 2 repeats of the last, 1 blank, for each of 2 episodes."""
    sink = Collector()
    show(
        played(painted_env([[2]]), 2, render=True),
        [sink],
        last_step_repeats=2,
        append_blank_frames=1,
    )
    first, second = sink.frames[:6], sink.frames[6:]

    assert len(second) == 6
    assert np.array_equal(first[2], first[3])
    assert np.array_equal(first[2], first[4])
    assert len(np.unique(first[5].reshape(-1, 3), axis=0)) == 1


def test_results_are_given_as_they_come(painted_env, played):
    """Each episode is reported at its end, in order."""
    seen = []
    results = show(
        played(painted_env([[2, 1]]), 2),
        [],
        on_result=lambda m: seen.append((m.episode, m.result)),
    )

    assert seen == [(0, results[0]), (1, results[1])]
    assert [r.length for r in results] == [2, 1]


@pytest.mark.parametrize(("enough", "finished"), [(2, 0), (4, 1), (3, 1)])
def test_the_watcher_may_stop(painted_env, played, enough, finished):
    """Whole episodes count, the one that was left does not."""
    moments = played(painted_env([[2]]), 5, render=True)

    assert len(show(moments, [Collector(enough)])) == finished


@pytest.mark.parametrize(("truncate", "end"), [(False, "ended"), (True, "time limit")])
def test_first_and_last_frames_are_labelled(painted_env, played, truncate, end):
    """The reset says start, the end how it ended, and nothing in between."""
    moments = played(painted_env([[2, 3]], truncate=truncate), 2)

    assert [status(moment) for moment in moments] == ["start", "", end, "start", "", "", end]


def test_labels_are_seen(painted_env, played):
    """In the picture itself: only the first and the last frame have letters at the status."""
    sink = Collector()
    show(played(painted_env([[3]]), 1, render=True), [sink])
    plan = make_layout(next(played(painted_env([[3]]), 1, render=True))).plan
    facts = plan.facts
    column = min((facts.width - 20) // len(FACTS), 150)
    left = facts.left + 14 + (len(FACTS) - 1) * column
    words = [f[facts.top + 22 : facts.top + facts.height, left:] for f in sink.frames]

    assert [bool((word < 100).any()) for word in words] == [True, False, False, True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_frame_is_written_reaches_all_recordings_or_none(
    painted_env, played, number
):
    """It arrives between two of them, and both hold the frame."""
    second = Collector()

    class First(Collector):
        def write(self, frame, moment=None):
            super().write(frame, moment)
            if len(self.frames) == 3:
                signal.raise_signal(number)

    first = First()
    with command.terminable(), pytest.raises(KeyboardInterrupt):
        show(played(painted_env([[9]]), 1, render=True), [first, second])

    assert len(first.frames) == len(second.frames) == 3
