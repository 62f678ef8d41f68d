"""The numbers of a play in one `.npz` file: each step's action, reward, value, and what was seen.

A row is a moment; an episode of `n` actions has `n + 1` rows. `numpy.load` reads it:

    data = numpy.load("play.npz")
    data["value"][data["episode"] == 3]
"""

import os
from pathlib import Path

import numpy as np

from alf.errors import RenderError
from alf.nest import map_structure_with_path
from alf.player.episodes import Moment
from alf.player.thoughts import Thoughts, read_thoughts

MOST_NUMBERS = 256
"""Observations with more numbers than this, such as pictures, are left out."""


class NumbersWriter:
    """Collects what every moment says in numbers, and writes it when it is closed.

    Columns `[rows, ...]`: `episode, seed` (-1 without one), `step, reward, return, ended` (0 goes
    on, 1 terminated, 2 truncated), `value, entropy, runner_up, lead` (NaN where the policy does not
    say), `probabilities, action_values`, `action/<name>` and `observation/<name>`.

    Args:
        path: the target; an existing file is replaced on `close`.
    """

    def __init__(self, path: Path):
        self.path = path
        self._rows = 0
        self._columns: dict[str, bytearray] = {}
        self._widths: dict[str, int] = {}
        self._closed = False

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Notes a moment; frames that show none are passed over."""
        if moment is None:
            return
        row = row_of(moment, read_thoughts(moment.alg_step))
        if not self._rows:
            self._columns = {name: bytearray() for name in row}
            self._widths = {name: len(numbers) for name, numbers in row.items()}
        for name in self._columns:
            numbers = row.get(name, np.full(self._widths[name], np.nan))
            self._columns[name] += numbers.astype(np.float64).tobytes()
        self._rows += 1

    def close(self) -> str:
        """Write the file, whole or not at all."""
        if self._closed:
            return ""
        self._closed = True
        if not self._rows:
            return f"No step was played, so {self.path} was not written."
        arrays = {name: self._array(name) for name in self._columns}
        partial = self.path.with_name(f".{self.path.stem}.partial-{os.getpid()}.npz")
        try:
            np.savez_compressed(partial, allow_pickle=False, **arrays)
            partial.replace(self.path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RenderError(
                f"The numbers {self.path} cannot be written: {error.strerror or error}. Check that "
                "the folder is there, can be written and has space left."
            ) from error
        return f"{self.path}: {self._rows} rows, {len(arrays)} columns"

    def _array(self, name: str) -> np.ndarray:
        numbers = np.frombuffer(bytes(self._columns[name]), np.float64)
        if name in _SINGLE:
            return numbers
        return numbers.reshape(self._rows, self._widths[name])


_SINGLE = ("episode", "seed", "step", "reward", "return", "ended")
_SINGLE += ("value", "entropy", "runner_up", "lead")


def row_of(moment: Moment, thoughts: Thoughts) -> dict[str, np.ndarray]:
    """The numbers of a moment by column, each a vector.

    Args:
        moment: the moment.
        thoughts: what the policy thinks there.
    """
    ended = 0.0
    if moment.result is not None:
        ended = 1.0 if moment.result.ended == "terminated" else 2.0
    singles = {
        "episode": moment.episode,
        "seed": -1 if moment.seed is None else moment.seed,
        "step": moment.step,
        "reward": moment.reward,
        "return": moment.ret,
        "ended": ended,
        "value": thoughts.value,
        "entropy": thoughts.entropy,
        "runner_up": thoughts.runner_up,
        "lead": thoughts.lead,
    }
    row = {k: np.array([np.nan if v is None else v], np.float64) for k, v in singles.items()}
    if thoughts.probabilities is not None:
        row["probabilities"] = thoughts.probabilities
    if thoughts.action_values is not None:
        row["action_values"] = thoughts.action_values
    row |= {f"action/{name}": numbers for name, numbers in thoughts.actions.items()}
    return row | observed(moment)


def observed(moment: Moment) -> dict[str, np.ndarray]:
    """The leaves of the observation with few numbers, each flat, by `observation/<name>`."""
    found: dict[str, np.ndarray] = {}

    def note(path: str, leaf: object) -> object:
        numbers = np.asarray(leaf, np.float64).reshape(-1)
        if numbers.size <= MOST_NUMBERS:
            found[f"observation/{path or 'observation'}"] = numbers
        return leaf

    map_structure_with_path(note, moment.time_step.observation)
    return found
