"""Recorded episodes from the replay buffer that a checkpoint keeps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alf.data_structures import StepType
from alf.errors import UsageError
from alf.replay.offline_files import GOES_ON, TERMINATED, TRUNCATED, Columns
from alf.replay.saving import INDEX_FILE, opened_buffer, step_name

_TIME_STEP = "0."
"""How the names of what belongs to the time step begin; a row is it and the policy's info."""


def has_replay(folder: Path) -> bool:
    """Whether a folder is that of a checkpoint with a replay buffer."""
    return (folder / INDEX_FILE).is_file()


def replay_columns(folder: Path) -> Columns:
    """The columns of a replay buffer, one environment after the other; see `offline_files`.

    Where the buffer begins in the middle of an episode, so does the first one of each environment.

    Args:
        folder: of a checkpoint.

    Raises:
        CheckpointError: a file is damaged.
        UsageError: the buffer does not hold what training in environments stores.
    """
    with opened_buffer(folder) as (contents, read):
        rows = range(contents.num_steps)
        leaves = {
            leaf.name.removeprefix(_TIME_STEP): read(step_name(leaf), rows).cpu().numpy()
            for leaf in contents.steps
            if leaf.name.startswith(_TIME_STEP)
        }
    if not {"step_type", "reward", "discount"} <= leaves.keys() or not contents.num_steps:
        raise UsageError(
            f"the replay buffer in '{folder}' holds no time steps of environments: give the folder "
            f"of a checkpoint that training with a replay buffer wrote"
        )
    step_type, count = leaves["step_type"], contents.num_steps
    begins = step_type == StepType.FIRST
    begins[0] = True
    times = np.arange(count)[:, None]
    ends = step_type == StepType.LAST
    columns = {
        "step": times - np.maximum.accumulate(np.where(begins, times, 0)),
        "reward": leaves["reward"],
        "ended": np.where(ends, np.where(leaves["discount"] == 0, TERMINATED, TRUNCATED), GOES_ON),
    }
    for name, leaf in leaves.items():
        kind, _, path = name.partition(".")
        if kind == "observation":
            columns[f"observation/{path or kind}"] = leaf
        elif kind == "prev_action":
            columns[f"action/{path or 'action'}"] = _one_earlier(leaf, ends)
    return {name: _one_after_the_other(column) for name, column in columns.items()}


def _one_earlier(prev_action: NDArray[np.generic], ends: NDArray[np.bool_]) -> NDArray[np.generic]:
    """What was done at each row, `[T, B, ...]`: what the next one has as its previous action.

    At the end of an episode, where nothing was done, the action before stands for it.
    """
    none = ends.copy()
    none[-1] = True
    later = np.concatenate([prev_action[1:], prev_action[-1:]])
    return np.where(none.reshape(*none.shape, *[1] * (later.ndim - 2)), prev_action, later)


def _one_after_the_other(column: NDArray[np.generic]) -> NDArray[np.generic]:
    """`[T, B, ...]` to `[B * T, ...]`."""
    return column.swapaxes(0, 1).reshape(-1, *column.shape[2:])
