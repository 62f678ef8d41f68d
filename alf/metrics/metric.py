"""What a metric is, and the two that count."""

import abc
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from alf.data_structures import StepType, TimeStep
from alf.nest import flatten

Array = npt.NDArray[Any]


class StepView:
    """What metrics need of a time step, computed once for all of them.

    Args:
        time_step: `[B, ...]`, on any device.

    Attributes:
        batch_size: `B`.
        reward: `[B]` or `[B, k]`.
        info: the leaf arrays of `env_info`.
        first: bool `[B]`, or `None` if no environment is at a `FIRST` step.
        last: bool `[B]`, or `None` if none is at a `LAST` step.
    """

    __slots__ = ("batch_size", "first", "info", "last", "reward")

    def __init__(self, time_step: TimeStep):
        kinds = _array(time_step.step_type)
        self.batch_size = len(kinds)
        self.reward = _array(time_step.reward)
        info = time_step.env_info
        self.info = [] if info == () else [_array(leaf) for leaf in flatten(info)]
        self.first: Array | None = None
        self.last: Array | None = None
        if np.count_nonzero(kinds != StepType.MID):  # a third of the time of `any` for few
            first, last = kinds == StepType.FIRST, kinds == StepType.LAST
            self.first = first if first.any() else None
            self.last = last if last.any() else None


def _array(tensor: torch.Tensor) -> Array:
    if tensor.is_cpu and not tensor.requires_grad:
        return tensor.numpy()  # half the time of the general way
    return tensor.numpy(force=True)


class Metric(abc.ABC):
    """A quantity that follows the time steps of a batch of environments.

    Args:
        name: what it is called in summaries.
        prefix: the first part of its summary tag.
    """

    def __init__(self, name: str, prefix: str = "Metrics"):
        self.name = name
        self.prefix = prefix

    @property
    def tag(self) -> str:
        """The summary tag, `prefix/name`."""
        return f"{self.prefix}/{self.name}" if self.prefix else self.name

    def __call__(self, time_step: TimeStep) -> None:
        """Take in one time step `[B, ...]`."""
        self.update(StepView(time_step))

    @abc.abstractmethod
    def update(self, view: StepView) -> None:
        """Take in a time step that other metrics look at too."""

    @abc.abstractmethod
    def result(self) -> Any:
        """The quantity: a number, an array, or a dict of them; NaN while there is none."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Start again from nothing."""

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, as numbers, lists and tensors."""

    @abc.abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


class _Counter(Metric):
    """A number that only grows."""

    def __init__(self, name: str, prefix: str):
        super().__init__(name, prefix)
        self._count = 0

    def result(self) -> int:
        """The count."""
        return self._count

    def reset(self) -> None:
        """Count from 0 again."""
        self._count = 0

    def state_dict(self) -> dict[str, Any]:
        """See `Metric`."""
        return {"count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Metric`."""
        self._count = int(state["count"])


class EnvironmentSteps(_Counter):
    """The steps that environments made; a `FIRST` step is none, as no action led to it."""

    def __init__(self, name: str = "EnvironmentSteps", prefix: str = "Metrics"):
        super().__init__(name, prefix)

    def update(self, view: StepView) -> None:
        """See `Metric`."""
        self._count += view.batch_size
        if view.first is not None:
            self._count -= int(np.count_nonzero(view.first))


class NumberOfEpisodes(_Counter):
    """The episodes that ended."""

    def __init__(self, name: str = "NumberOfEpisodes", prefix: str = "Metrics"):
        super().__init__(name, prefix)

    def update(self, view: StepView) -> None:
        """See `Metric`."""
        if view.last is not None:
            self._count += int(np.count_nonzero(view.last))
