"""The numbers of a play in one `.npz` file: each step's action, reward, value, and what was seen.

A row is a moment; an episode of `n` actions has `n + 1` rows. `numpy.load` reads it:

    data = numpy.load("play.npz")
    data["value"][data["episode"] == 3]
"""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from alf.errors import RenderError
from alf.nest import map_structure_with_path
from alf.player.episodes import Moment
from alf.player.thoughts import Thoughts, read_thoughts

MOST_NUMBERS = 256
"""Observations with more numbers than this, such as pictures, are left out."""

_PIECE_BYTES = 4_000_000


class NumbersWriter:
    """Notes what every moment says in numbers beside the target, and closes to one `.npz` file.

    Rows go to disk as they come and are turned into columns piece by piece, so that memory does
    not grow with the play.

    Columns `[rows, ...]`: `episode, seed` (-1 without one), `step, reward, return, ended` (0 goes
    on, 1 terminated, 2 truncated), `value, entropy, runner_up, lead` (NaN where the policy does not
    say), `probabilities, action_values`, `action/<name>` and `observation/<name>`.

    Args:
        path: the target; an existing file is replaced on `close`.

    Raises:
        RenderError: the file cannot be written there.
    """

    def __init__(self, path: Path):
        self.path = path
        self._rows = 0
        self._widths: dict[str, int] = {}
        self._closed = False
        self._partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
        self._rows_path = path.with_name(f".{path.stem}.rows-{os.getpid()}.f8")
        try:
            self._file: IO[bytes] = self._rows_path.open("wb")
        except OSError as error:
            raise RenderError(self._cannot(error)) from error

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Notes a moment; frames that show none are passed over.

        Raises:
            RenderError: it is closed, or the disk refuses.
        """
        if moment is None:
            return
        if self._closed:
            raise RenderError(f"{self.path} is closed already; open a new recording.")
        row = row_of(moment, read_thoughts(moment.alg_step))
        if not self._rows:
            self._widths = {name: len(numbers) for name, numbers in row.items()}
        numbers = [_fitted(row.get(name), width) for name, width in self._widths.items()]
        try:
            self._file.write(np.concatenate(numbers).tobytes())
        except OSError as error:
            raise RenderError(self._cannot(error)) from error
        self._rows += 1

    def close(self) -> str:
        """Write the file, whole or not at all.

        Raises:
            RenderError: the disk refuses.
        """
        if self._closed:
            return ""
        self._closed = True
        try:
            self._file.close()
            if not self._rows:
                return f"No step was played, so {self.path} was not written."
            self._write_columns()
            self._partial.replace(self.path)
        except OSError as error:
            raise RenderError(self._cannot(error)) from error
        finally:
            self._partial.unlink(missing_ok=True)
            self._rows_path.unlink(missing_ok=True)
        return f"{self.path}: {self._rows} rows, {len(self._widths)} columns"

    def _write_columns(self) -> None:
        """An `.npz` file is a zip file of `.npy` files, each a header and the numbers."""
        with zipfile.ZipFile(self._partial, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            start = 0
            for name, width in self._widths.items():
                shape = (self._rows,) if name in _SINGLE else (self._rows, width)
                header = {"descr": "<f8", "fortran_order": False, "shape": shape}
                with archive.open(f"{name}.npy", "w", force_zip64=True) as column:
                    np.lib.format.write_array_header_1_0(column, header)
                    for numbers in self._pieces(start, width):
                        column.write(numbers.tobytes())
                start += width

    def _pieces(self, start: int, width: int) -> Iterator[np.ndarray]:
        """Some columns, `[n, width]`, a piece of the rows at a time."""
        total = sum(self._widths.values())
        at_once = max(_PIECE_BYTES // (8 * total), 1)
        with self._rows_path.open("rb") as rows:
            while piece := rows.read(8 * total * at_once):
                yield np.frombuffer(piece, "<f8").reshape(-1, total)[:, start : start + width]

    def _cannot(self, error: OSError) -> str:
        return (
            f"The numbers {self.path} cannot be written: {error.strerror or error}. Check that "
            "the folder is there, can be written and has space left, or give --record_file "
            "another place."
        )


def _fitted(numbers: np.ndarray | None, width: int) -> np.ndarray:
    """A column's numbers in this row; NaN where it has none, or not as many as at first."""
    if numbers is None or len(numbers) != width:
        return np.full(width, np.nan)
    return numbers.astype("<f8", copy=False)


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
