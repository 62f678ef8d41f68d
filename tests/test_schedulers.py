"""Schedules by hand, and the one table of progress."""

import threading

import pytest
import torch

from alf.errors import ConfigError
from alf.schedulers import (
    ConstantScheduler,
    CyclicalScheduler,
    ExponentialScheduler,
    LinearScheduler,
    StepScheduler,
    as_scheduler,
    disallow_scheduler,
    get_all_progresses,
    get_progress,
    isolated,
    update_all_progresses,
    update_progress,
)


@pytest.fixture(autouse=True)
def _own_table():
    with isolated():
        yield


def values(scheduler, progresses, kind="iterations"):
    seen = []
    for progress in progresses:
        update_progress(kind, progress)
        seen.append(scheduler())
    return seen


def test_constant():
    """A constant needs no progress, not even where schedulers are not allowed."""
    with disallow_scheduler():
        assert ConstantScheduler(0.5)() == 0.5
    assert ConstantScheduler(0.5).final_value() == 0.5
    assert repr(ConstantScheduler(0.5)) == "0.5"


def test_step():
    """v_1 below p_1, v_2 from p_1, and the last value stays."""
    scheduler = StepScheduler("iterations", [(10, 1.0), (20, 0.5), (30, 0.1)])

    assert values(scheduler, [0, 9, 10, 19, 20, 29, 30, 99]) == [
        *[1.0, 1.0, 0.5, 0.5, 0.1, 0.1],
        *[0.1, 0.1],
    ]
    assert scheduler.final_value() == 0.1


def test_step_warm_up():
    """The value rises in proportion during the warm-up."""
    scheduler = StepScheduler("iterations", [(100, 2.0)], warm_up_period=10, start=5)

    assert values(scheduler, [0, 5, 10, 15, 50]) == [0.0, 0.0, 1.0, 2.0, 2.0]


def test_linear():
    """Straight lines between points, constant outside of them."""
    scheduler = LinearScheduler("percent", [(0.2, 1.0), (0.6, 3.0), (1.0, 0.0)])

    assert values(scheduler, [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5], "percent") == pytest.approx(
        [1.0, 1.0, 2.0, 3.0, 1.5, 0.0, 0.0]
    )
    assert scheduler.final_value() == 0.0


def test_exponential():
    """Each decay time multiplies by the rate."""
    scheduler = ExponentialScheduler("env_steps", 8.0, 0.5, 100)

    assert values(scheduler, [0, 100, 200, 50], "env_steps") == pytest.approx(
        [8.0, 4.0, 2.0, 8.0 * 0.5**0.5]
    )
    assert scheduler.final_value() == 0.0


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("step", [1.0, 1.0, 3.0, 3.0, 1.0]), ("linear", [1.0, 2.0, 3.0, 2.0, 1.0])],
)
def test_cyclical(mode, expected):
    """There in half a cycle, back in the other half."""
    scheduler = CyclicalScheduler("global_counter", 1.0, 3.0, 10, mode)

    assert values(scheduler, [0, 5, 10, 15, 20], "global_counter") == pytest.approx(expected)


def test_as_scheduler():
    """Numbers become constants, schedulers and functions stay."""
    scheduler = LinearScheduler("percent", [(0, 1.0), (1, 0.0)])

    assert as_scheduler(3)() == 3
    assert as_scheduler(scheduler) is scheduler
    with pytest.raises(ConfigError, match="neither a number nor"):
        as_scheduler("fast")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("function", [lambda x: x, torch.nn.ReLU(), float.fromhex])
def test_what_cannot_be_called_is_no_scheduler(function):
    """It is refused where it is given, and not at the first step."""
    with pytest.raises(ConfigError, match="is no scheduler"):
        as_scheduler(function)


class TestProgress:
    def test_table(self):
        """What was reported is what is told; the table handed out is a copy."""
        update_all_progresses({"percent": 0.5, "iterations": 7})
        table = get_all_progresses()
        table["percent"] = 9.0

        assert get_progress("percent") == 0.5
        assert get_all_progresses() == {
            "percent": 0.5,
            "iterations": 7.0,
            "env_steps": 0.0,
            "global_counter": 0.0,
        }

    def test_isolated(self):
        """A block has a table of its own; the one before comes back, also after an error."""
        update_progress("percent", 0.25)

        def fail():
            with isolated():
                assert get_progress("percent") == 0.0
                update_progress("percent", 0.75)
                raise KeyError

        with pytest.raises(KeyError):
            fail()

        assert get_progress("percent") == 0.25

    def test_disallowed(self):
        """Where nothing is reported, asking is an error rather than a stale value."""
        scheduler = LinearScheduler("percent", [(0, 1.0), (1, 0.0)])
        with disallow_scheduler(), pytest.raises(ConfigError, match="give a constant here"):
            scheduler()

        assert scheduler() == 1.0

    def test_threads_share_it(self):
        """A worker thread sees the trainer's progress."""
        update_progress("iterations", 5)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(get_progress("iterations")))
        thread.start()
        thread.join()

        assert seen == [5.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: StepScheduler("minutes", [(1, 1.0)]),
        lambda: LinearScheduler("percent", []),
        lambda: LinearScheduler("percent", [(0.5, 1.0), (0.5, 2.0)]),
        lambda: ExponentialScheduler("percent", 1.0, 0.5, 0),
        lambda: CyclicalScheduler("percent", 1.0, 2.0, 1, "smooth"),
        lambda: CyclicalScheduler("percent", 1.0, 2.0, 0),
        lambda: update_progress("minutes", 1),
        lambda: ExponentialScheduler("percent", 1.0, 2.0, 1).final_value(),
    ],
)
def test_refusals(make):
    """Unknown kinds and impossible schedules are refused when they are written."""
    with pytest.raises(ConfigError):
        make()
