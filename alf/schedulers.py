"""Values that change with the progress of training: learning rates, exploration, weights.

The trainer reports progress with `update_progress`; a scheduler, called without arguments, tells
its value now. There is one table of progress in a process; `isolated` gives a block one of its own.
"""

import inspect
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

from alf._config import configurable
from alf.errors import ConfigError

PROGRESS_TYPES = ("percent", "iterations", "env_steps", "global_counter")
"""What progress is counted in; `percent` runs from 0 to 1."""


class _Progress:
    """The one owner of how far training has come."""

    def __init__(self) -> None:
        self.table: dict[str, float] = dict.fromkeys(PROGRESS_TYPES, 0.0)
        self.schedulers_allowed = True


class _Current:
    """Holds the table in use."""

    def __init__(self) -> None:
        self.progress = _Progress()


_current = _Current()


def update_progress(progress_type: str, value: float) -> None:
    """Report progress.

    Args:
        progress_type: one of `PROGRESS_TYPES`.
        value: for `percent` in `[0, 1]`, else a count.

    Raises:
        ConfigError: if there is no such type.
    """
    _check_type(progress_type)
    _current.progress.table[progress_type] = float(value)


def update_all_progresses(progresses: Mapping[str, float]) -> None:
    """Report several kinds of progress at once."""
    table = _current.progress.table
    for progress_type, value in progresses.items():
        if progress_type not in table:
            _check_type(progress_type)
        table[progress_type] = float(value)


def get_progress(progress_type: str) -> float:
    """The progress last reported, 0 at first.

    Raises:
        ConfigError: if there is no such type.
    """
    _check_type(progress_type)
    return _current.progress.table[progress_type]


def get_all_progresses() -> dict[str, float]:
    """A copy of the whole table."""
    return dict(_current.progress.table)


@contextmanager
def isolated() -> Iterator[None]:
    """A block with a fresh table; the table from before comes back, also after an error."""
    before, _current.progress = _current.progress, _Progress()
    try:
        yield
    finally:
        _current.progress = before


@contextmanager
def disallow_scheduler() -> Iterator[None]:
    """A block in which asking a scheduler that follows progress is an error.

    For processes that progress is not reported to, where the value would silently stand still.
    """
    progress = _current.progress
    before, progress.schedulers_allowed = progress.schedulers_allowed, False
    try:
        yield
    finally:
        progress.schedulers_allowed = before


class Scheduler(ABC):
    """A value that depends on progress.

    Args:
        progress_type: one of `PROGRESS_TYPES`.

    Raises:
        ConfigError: if there is no such type.
    """

    def __init__(self, progress_type: str):
        _check_type(progress_type)
        self._progress_type = progress_type

    def progress(self) -> float:
        """How far training has come, in this scheduler's kind of progress.

        Raises:
            ConfigError: within `disallow_scheduler`.
        """
        if not _current.progress.schedulers_allowed:
            raise ConfigError(
                f"{self!r} is asked where no progress is reported: give a constant here"
            )
        return _current.progress.table[self._progress_type]

    @abstractmethod
    def __call__(self) -> float:
        """The value now."""

    @abstractmethod
    def final_value(self) -> float:
        """The value at the end of the schedule."""


@configurable
class ConstantScheduler(Scheduler):
    """The same value always.

    Args:
        value: the value.
    """

    def __init__(self, value: float):
        super().__init__("global_counter")
        self._value = value

    def __call__(self) -> float:
        """The value now."""
        return self._value

    def final_value(self) -> float:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return repr(self._value)


@configurable
class StepScheduler(Scheduler):
    """A value that jumps.

    The value is `v_1` while progress is below `p_1`, then `v_2` below `p_2`, and so on; the last
    value stays.

    Args:
        progress_type: one of `PROGRESS_TYPES`.
        schedule: pairs `(p_i, v_i)` with rising `p_i`.
        warm_up_period: while progress is within this much of `start`, the value rises in
            proportion from 0.
        start: where the warm-up begins; the value is 0 before it, if there is a warm-up.

    Raises:
        ConfigError: if the schedule is empty or does not rise.
    """

    def __init__(
        self,
        progress_type: str,
        schedule: Sequence[tuple[float, float]],
        warm_up_period: float = 0,
        start: float = 0,
    ):
        super().__init__(progress_type)
        self._progresses, self._values = _checked_schedule(schedule)
        self._warm_up_period = warm_up_period
        self._start = start

    def __call__(self) -> float:
        """The value now."""
        progress = self.progress()
        index = bisect_right(self._progresses, progress)
        value = self._values[min(index, len(self._values) - 1)]
        if self._warm_up_period > 0:
            value *= min(1.0, max(0.0, (progress - self._start) / self._warm_up_period))
        return value

    def final_value(self) -> float:
        """The last value."""
        return self._values[-1]

    def __repr__(self) -> str:
        return f"StepScheduler({self._progress_type!r}, {_pairs(self._progresses, self._values)})"


@configurable
class LinearScheduler(Scheduler):
    """A value that moves along straight lines between points, and stays outside of them.

    Args:
        progress_type: one of `PROGRESS_TYPES`.
        schedule: points `(progress, value)` with rising progress.

    Raises:
        ConfigError: if the schedule is empty or does not rise.
    """

    def __init__(self, progress_type: str, schedule: Sequence[tuple[float, float]]):
        super().__init__(progress_type)
        self._progresses, self._values = _checked_schedule(schedule)

    def __call__(self) -> float:
        """The value now."""
        progress = self.progress()
        right = bisect_right(self._progresses, progress)
        if right == 0:
            return self._values[0]
        if right == len(self._values):
            return self._values[-1]
        p0, p1 = self._progresses[right - 1 : right + 1]
        v0, v1 = self._values[right - 1 : right + 1]
        return v0 + (v1 - v0) * (progress - p0) / (p1 - p0)

    def final_value(self) -> float:
        """The last value."""
        return self._values[-1]

    def __repr__(self) -> str:
        return f"LinearScheduler({self._progress_type!r}, {_pairs(self._progresses, self._values)})"


@configurable
class ExponentialScheduler(Scheduler):
    """`initial_value * decay_rate ** (progress / decay_time)`.

    Args:
        progress_type: one of `PROGRESS_TYPES`.
        initial_value: at progress 0.
        decay_rate: factor for each `decay_time`.
        decay_time: in the unit of the progress.

    Raises:
        ConfigError: if the rate or the time is not positive.
    """

    def __init__(
        self, progress_type: str, initial_value: float, decay_rate: float, decay_time: float
    ):
        super().__init__(progress_type)
        if decay_rate <= 0 or decay_time <= 0:
            raise ConfigError(
                f"decay_rate {decay_rate} and decay_time {decay_time} must be positive"
            )
        self._initial_value = initial_value
        self._decay_rate = decay_rate
        self._decay_time = decay_time

    def __call__(self) -> float:
        """The value now."""
        return self._initial_value * self._decay_rate ** (self.progress() / self._decay_time)

    def final_value(self) -> float:
        """The limit: 0, or the initial value if it does not decay.

        Raises:
            ConfigError: if the value grows without end.
        """
        if self._decay_rate > 1:
            raise ConfigError(f"{self!r} has no final value: it grows without end")
        return 0.0 if self._decay_rate < 1 else self._initial_value

    def __repr__(self) -> str:
        return (
            f"ExponentialScheduler({self._progress_type!r}, {self._initial_value}, "
            f"{self._decay_rate}, {self._decay_time})"
        )


@configurable
class CyclicalScheduler(Scheduler):
    """A value that goes back and forth between two.

    See "Cyclical Learning Rates for Training Neural Networks", https://arxiv.org/abs/1506.01186

    Args:
        progress_type: one of `PROGRESS_TYPES`.
        base_lr: the value at first.
        bound_lr: the value half a cycle later.
        half_cycle_size: in the unit of the progress.
        switch_mode: `"step"` jumps each half cycle; `"linear"` moves in straight lines.

    Raises:
        ConfigError: if the mode is another one, or the size not positive.
    """

    def __init__(
        self,
        progress_type: str,
        base_lr: float,
        bound_lr: float,
        half_cycle_size: float,
        switch_mode: str = "step",
    ):
        super().__init__(progress_type)
        if switch_mode not in ("step", "linear"):
            raise ConfigError(f"switch_mode is {switch_mode!r}: give 'step' or 'linear'")
        if half_cycle_size <= 0:
            raise ConfigError(f"half_cycle_size is {half_cycle_size}: it must be positive")
        self._base_lr = base_lr
        self._bound_lr = bound_lr
        self._half_cycle_size = half_cycle_size
        self._switch_mode = switch_mode

    def __call__(self) -> float:
        """The value now."""
        halves, rest = divmod(self.progress() / self._half_cycle_size, 1.0)
        share = rest if self._switch_mode == "linear" else 0.0
        if halves % 2:
            share = 1.0 - share
        return self._base_lr + share * (self._bound_lr - self._base_lr)

    def final_value(self) -> float:
        """The bound, by convention: a cycle does not end."""
        return self._bound_lr

    def __repr__(self) -> str:
        return (
            f"CyclicalScheduler({self._progress_type!r}, {self._base_lr}, {self._bound_lr}, "
            f"{self._half_cycle_size}, {self._switch_mode!r})"
        )


def as_scheduler(value_or_scheduler: float | Callable[[], float]) -> Callable[[], float]:
    """A scheduler as it is, a number as a constant one.

    Raises:
        ConfigError: it is neither a number nor a function without arguments.
    """
    if callable(value_or_scheduler):
        if _needs_arguments(value_or_scheduler):
            raise ConfigError(
                f"{value_or_scheduler!r} is no scheduler, as it cannot be called without "
                f"arguments: give a number, or one as alf.schedulers.LinearScheduler"
            )
        return value_or_scheduler
    if isinstance(value_or_scheduler, bool) or not isinstance(value_or_scheduler, (int, float)):
        raise ConfigError(f"{value_or_scheduler!r} is neither a number nor a scheduler")
    return ConstantScheduler(value_or_scheduler)


def _needs_arguments(function: Callable[..., object]) -> bool:
    # A module takes any arguments and hands them to its forward().
    function = getattr(function, "forward", function)
    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    except ValueError:  # written in C, it does not tell
        return False
    return False


def _check_type(progress_type: str) -> None:
    if progress_type not in PROGRESS_TYPES:
        raise ConfigError(
            f"progress_type is {progress_type!r}: give one of {', '.join(PROGRESS_TYPES)}"
        )


def _checked_schedule(
    schedule: Sequence[tuple[float, float]],
) -> tuple[list[float], list[float]]:
    progresses = [float(progress) for progress, _ in schedule]
    if not progresses:
        raise ConfigError("the schedule is empty: give pairs (progress, value)")
    if any(a >= b for a, b in pairwise(progresses)):
        raise ConfigError(f"the progress of schedule {schedule!r} must rise from pair to pair")
    return progresses, [value for _, value in schedule]


def _pairs(progresses: list[float], values: list[float]) -> str:
    return repr(list(zip(progresses, values, strict=True)))
