"""Recorded episodes as time steps: checked against the specs of the environment they are for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from alf.data_structures import StepType, TimeStep
from alf.errors import UsageError
from alf.nest import flatten, map_structure, pack_sequence_as
from alf.replay.offline_files import GOES_ON, TERMINATED, TRUNCATED, Columns, leaf_names
from alf.tensor_specs import BoundedTensorSpec, TensorSpec, numpy_dtype

_FLAGS = ("step", "reward", "ended")
_REWARD = TensorSpec(())
# How far beyond its bounds an action may lie, as a share of their distance: what is written in
# decimals, or was computed in another precision.
_SLACK = 1e-4


class StepSpecs(NamedTuple):
    """What steps must look like.

    Attributes:
        observation: nest of specs, as the environment gives it.
        action: nest of specs, as the environment takes it.
    """

    observation: Any
    action: Any

    def column_names(self) -> list[str]:
        """All columns that a recording must have."""
        return [
            *_FLAGS,
            *leaf_names(self.observation, "observation"),
            *leaf_names(self.action, "action"),
        ]


@dataclass(frozen=True)
class RecordedSteps:
    """Recorded episodes, one after the other, on the CPU.

    Attributes:
        time_step: nest of `[N, ...]`; as the environment gave it.
        action: nest of `[N, ...]`, what was done; that of a `LAST` row was not.
        starts: int64 `[E]`, the first row of each episode, in order.
    """

    time_step: TimeStep
    action: Any
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time_step.step_type)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each episode, int64 `[E]`, at least 2."""
        return np.diff(self.starts, append=len(self))

    def digest(self) -> str:
        """SHA-256 of all that is here."""
        digest = hashlib.sha256()
        for leaf in flatten((self.time_step, self.action)):
            digest.update(f"{leaf.dtype} {list(leaf.shape)}\n".encode())
            digest.update(leaf.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def newest(self, count: int) -> Self:
        """At most `count` rows, the last ones; an episode may begin where they are cut.

        Args:
            count: at least 2.
        """
        first = len(self) - count
        if first <= 0:
            return self
        if first + 1 in self.starts:  # the end of an episode alone leads nowhere
            first += 1
        whole = (self.time_step, self.action)
        time_step, action = map_structure(lambda x: x[first:].clone(), whole)
        time_step.step_type[0] = StepType.FIRST
        for leaf in flatten((time_step.reward, time_step.prev_action)):
            leaf[0] = 0
        starts = np.concatenate([[0], self.starts[self.starts > first] - first])
        return type(self)(time_step, action, starts)


def steps_of(columns: Columns, specs: StepSpecs, where: str) -> RecordedSteps:
    """Check a recording, and make time steps of it.

    Where an episode stops without an end, as in a recording that was broken off, its last row
    becomes one of a time limit. Episodes of one row are left out.

    Args:
        columns: see `alf.replay.offline_files`.
        specs: what the environment gives and takes.
        where: they come from, for messages.

    Raises:
        UsageError: a column is missing, or does not hold what the specs say; or the rows are not
            those of whole episodes in order.
    """
    _check_columns(columns, specs, where)
    starts = _starts(columns, where)
    lengths = np.diff(starts, append=len(columns["step"]))
    kept = np.repeat(lengths > 1, lengths)
    starts, columns = _without_single_rows(columns, lengths, kept)
    if not len(starts):
        raise UsageError(
            f"{where} holds no action that was taken: record at least one step of an episode"
        )
    observation = _nest_of(columns, specs.observation, "observation", where)
    columns = {**columns, "reward": _leaf(columns["reward"], _REWARD, "reward", where)}
    action = _nest_of(columns, specs.action, "action", where)
    ends = np.append(starts[1:], len(columns["step"])) - 1
    return RecordedSteps(_time_steps(columns, starts, ends, observation, action), action, starts)


def joined(recordings: Sequence[RecordedSteps]) -> RecordedSteps:
    """Several recordings, one after the other."""
    if len(recordings) == 1:
        return recordings[0]
    steps, actions = zip(*((r.time_step, r.action) for r in recordings), strict=True)
    time_step, action = (
        map_structure(lambda *xs: torch.cat(xs), *parts) for parts in (steps, actions)
    )
    before = np.cumsum([0, *map(len, recordings[:-1])])
    starts = [r.starts + offset for r, offset in zip(recordings, before, strict=True)]
    return RecordedSteps(time_step, action, np.concatenate(starts))


def _check_columns(columns: Columns, specs: StepSpecs, where: str) -> None:
    missing = [name for name in specs.column_names() if name not in columns]
    if missing:
        raise UsageError(
            f"{where} has no column {', '.join(missing)}. Is it of this environment? "
            f"(`alf play --record_file x.npz` leaves out observations of more than 256 numbers, "
            f"such as pictures: write those with alf.replay.write_episodes())"
        )
    rows = {name: len(column) if column.ndim else 0 for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise UsageError(f"the columns of {where} must have as many rows as each other: {told}")
    if not rows["step"]:
        raise UsageError(f"{where} is empty: record at least one step of an episode")
    for name in specs.column_names():
        _check_numbers(name, columns[name], where)
    for name in _FLAGS:
        if columns[name].ndim != 1:
            raise UsageError(
                f"column '{name}' of {where} is of shape {list(columns[name].shape)}, and must "
                f"have one number a row"
            )


def _check_numbers(name: str, column: NDArray[Any], where: str) -> None:
    if column.dtype.kind not in "biuf":
        raise UsageError(
            f"column '{name}' of {where} holds {column.dtype}: it must hold real numbers"
        )
    if column.dtype.kind == "f":
        broken = np.flatnonzero(~np.isfinite(column).reshape(len(column), -1).all(axis=1))
        if len(broken):
            raise UsageError(
                f"column '{name}' of {where} is not finite in {len(broken)} of {len(column)} rows "
                f"(NaN or infinity), row {broken[0]} first: leave those episodes out"
            )


def _starts(columns: Columns, where: str) -> NDArray[np.int64]:
    """The first row of each episode."""
    step, ended = columns["step"], columns["ended"]
    unknown = np.flatnonzero(~np.isin(ended, (GOES_ON, TERMINATED, TRUNCATED)))
    if len(unknown):
        raise UsageError(
            f"column 'ended' of {where} is {ended[unknown[0]]} in row {unknown[0]}: 0 goes on, 1 "
            f"is an end by the task, 2 any other"
        )
    begins = step == 0
    follows = np.append(False, step[1:] == step[:-1] + 1) & np.append(True, ended[:-1] == GOES_ON)
    wrong = np.flatnonzero(~begins & ~follows)
    if len(wrong):
        raise UsageError(
            f"row {wrong[0]} of {where} is step {step[wrong[0]]:g} of an episode, and does not "
            f"follow the row before: an episode is the steps 0, 1, ... in order, the last of "
            f"which alone has 'ended'; keep or drop whole episodes"
        )
    return np.flatnonzero(begins)


def _without_single_rows(
    columns: Columns, lengths: NDArray[np.int64], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Columns]:
    """Starts and columns without episodes in which nothing was done."""
    if not kept.all():
        columns = {name: column[kept] for name, column in columns.items()}
        lengths = lengths[lengths > 1]
    return np.cumsum(lengths) - lengths, columns


def _nest_of(columns: Columns, spec: Any, kind: str, where: str) -> Any:
    """The nest of `[N, ...]` that a spec describes."""
    leaves = [
        torch.from_numpy(_leaf(columns[name], leaf, name, where))
        for name, leaf in zip(leaf_names(spec, kind), flatten(spec), strict=True)
    ]
    if kind == "action":
        for name, values, leaf in zip(leaf_names(spec, kind), leaves, flatten(spec), strict=True):
            _check_bounds(values, leaf, f"column '{name}' of {where}")
    return pack_sequence_as(spec, leaves)


def _leaf(column: NDArray[Any], spec: TensorSpec, name: str, where: str) -> NDArray[Any]:
    """A column in the shape and dtype of a spec."""
    shape, rows = tuple(spec.shape), len(column)
    if column.shape[1:] != shape and column.shape[1:] != (spec.numel,):
        raise UsageError(
            f"column '{name}' of {where} is of shape {list(column.shape[1:])} a row, and this "
            f"environment has {list(shape)}: is it a recording of another one?"
        )
    wanted = numpy_dtype(spec.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is told below
        cast = column.reshape(rows, *shape).astype(wanted)
    if spec.is_discrete and not np.array_equal(cast, column.reshape(rows, *shape)):
        raise UsageError(
            f"column '{name}' of {where} holds numbers ({column.dtype}) that are no {wanted}, "
            f"which this environment has: is it a recording of another one?"
        )
    if spec.is_continuous and not np.isfinite(cast).all():
        raise UsageError(f"column '{name}' of {where} holds numbers too large for {wanted}")
    return cast


def _check_bounds(values: torch.Tensor, spec: TensorSpec, what: str) -> None:
    if not isinstance(spec, BoundedTensorSpec):
        return
    low, high = spec.minimum.astype(np.float64), spec.maximum.astype(np.float64)
    slack = 0.0 if spec.is_discrete else _SLACK * np.minimum(high - low, 1e6)
    numbers = values.numpy()
    outside = (numbers < low - slack) | (numbers > high + slack)
    if outside.any():
        worst = numbers[outside][0]
        raise UsageError(
            f"{what} holds {worst:g}, outside of the bounds of the action, {low.min():g} to "
            f"{high.max():g}. Actions are recorded as the environment of this conf takes them: "
            f"with wrap_env.normalize_action that is shares of the greatest, -1 to 1, without it "
            f"the environment's own units"
        )


def _time_steps(
    columns: Columns,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    observation: Any,
    action: Any,
) -> TimeStep:
    count = len(columns["step"])
    step_type = np.full(count, StepType.MID, np.int32)
    step_type[starts], step_type[ends] = StepType.FIRST, StepType.LAST
    reward = columns["reward"].copy()
    reward[starts] = 0.0
    discount = np.where(columns["ended"] == TERMINATED, 0.0, 1.0).astype(np.float32)
    return TimeStep(
        step_type=torch.from_numpy(step_type),
        reward=torch.from_numpy(reward),
        discount=torch.from_numpy(discount),
        observation=observation,
        prev_action=map_structure(lambda x: _one_later(x, starts), action),
        env_id=torch.zeros(count, dtype=torch.int32),
    )


def _one_later(action: torch.Tensor, starts: NDArray[np.int64]) -> torch.Tensor:
    """The action before each row; zeros where an episode begins."""
    before = torch.cat([torch.zeros_like(action[:1]), action[:-1]])
    before[torch.from_numpy(starts)] = 0
    return before
