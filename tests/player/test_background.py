"""Work beside the play: in order, bounded, and not confused by Ctrl-C."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from alf.player.background import Background
from alf.player.stopping import uninterrupted


def picture(i: int) -> np.ndarray:
    return np.full((2, 3, 3), i, np.uint8)


def test_all_pictures_in_order():
    """What comes back is worked on: its memory may be drawn on again."""
    seen: list[int] = []
    background: Background[np.ndarray] = Background(lambda p: seen.append(int(p[0, 0, 0])))
    memory = None
    for i in range(50):
        memory = picture(i) if memory is None else memory
        memory[:] = i
        memory = background.put(memory)
    background.finish()

    assert seen == list(range(50))


def test_ctrl_c_while_it_waits_loses_no_picture():
    """The interrupt comes to the play that waits for slow work, which still finishes."""
    seen: list[int] = []

    def work(p: np.ndarray) -> None:
        time.sleep(0.15)
        seen.append(int(p[0, 0, 0]))

    background = Background(work)
    put: list[int] = []

    def play() -> None:
        for i in range(50):
            background.put(picture(i))
            put.append(i)

    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        play()
    background.finish()

    assert 2 < len(put) < 49
    assert seen == put


def test_a_failure_is_told_once_and_ends_the_work():
    """What the work raised reaches whoever gives pictures; no picture after it is worked on."""
    seen: list[int] = []

    def work(p: np.ndarray) -> None:
        seen.append(int(p[0, 0, 0]))
        if len(seen) == 2:
            raise OSError("full")

    background = Background(work)

    def play() -> None:
        for i in range(50):
            background.put(picture(i))

    with pytest.raises(OSError, match="full"):
        play()
    background.put(picture(99))
    background.finish()

    assert 99 not in seen


def test_signals_wait_where_they_must_not_come():
    """Ctrl-C inside arrives at the end, once, and the handler is what it was."""
    before = signal.getsignal(signal.SIGINT)
    done: list[int] = []

    def write() -> None:
        with uninterrupted(), uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        write()

    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_are_not_concerned():
    """In a thread, where no signal arrives, it does nothing."""
    done: list[int] = []

    def work() -> None:
        with uninterrupted():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert done == [1]
