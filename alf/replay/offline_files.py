"""Recorded episodes in one `.npz` file: columns of numbers, a row for each moment.

An episode of `n` actions has `n + 1` rows, as `alf play --record_file x.npz` writes them. The row
of step `t` holds what was observed there, the action that was taken then, and the reward that the
action before it earned. Columns `[rows, ...]`:

    step                  0, 1, ..., n within an episode
    reward                of the action before; 0 at step 0
    ended                 0 goes on, 1 the task ended the episode, 2 something else did
    observation/<name>    of each leaf of the observation, in its own shape or flat
    action/<name>         likewise; that of the last row of an episode was not taken

`<name>` is the dotted path of the leaf, `observation` or `action` where there is only one. What
else is in a file is passed over.
"""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from alf.errors import AlfError, UsageError
from alf.nest import map_structure_with_path

Columns = Mapping[str, NDArray[Any]]
"""Name -> `[rows, ...]`."""

GOES_ON, TERMINATED, TRUNCATED = 0, 1, 2
"""What the column `ended` says."""

_HEADERS: dict[tuple[int, int], Callable[[IO[bytes]], tuple[Any, bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


# What reading a broken file raises: the last three for compression, encryption, and sizes that no
# file has.
_DAMAGES = (zipfile.BadZipFile, ValueError, EOFError, zlib.error, RuntimeError, MemoryError)


class Episode(NamedTuple):
    """One recorded episode of `n` actions, or a piece of one.

    Attributes:
        observation: nest of `[n + 1, ...]`, the last one included; as the environment gives it.
        action: nest of `[n, ...]`, as the environment takes it.
        reward: `[n]`, of each action.
        terminated: whether the task itself ended it; else what came after is worth something, as
            with a time limit.
    """

    observation: Any
    action: Any
    reward: Any
    terminated: bool = False


def leaf_names(nest: Any, kind: str) -> list[str]:
    """The columns of a nest, in the order of its leaves.

    Args:
        nest: of anything.
        kind: `"observation"` or `"action"`.
    """
    names: list[str] = []
    map_structure_with_path(lambda path, _: names.append(f"{kind}/{path or kind}"), nest)
    return names


def write_episodes(path: str | Path, episodes: Iterable[Episode]) -> Path:
    """Write episodes to an `.npz` file, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        episodes: all of one structure.

    Returns:
        The path.

    Raises:
        UsageError: there is no episode, the lengths in one do not fit together, or it holds
            something else than numbers.
        AlfError: the file cannot be written.
    """
    path = Path(path).expanduser()
    columns = columns_of(episodes, f"what is to be written to '{path}'")
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}.npz")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, column in columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, column, allow_pickle=False)
        partial.replace(path)
    except ValueError as error:
        raise UsageError(f"'{path}' can hold numbers only: {error}") from None
    except OSError as error:
        raise AlfError(f"'{path}' cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def columns_of(episodes: Iterable[Episode], where: str) -> dict[str, NDArray[Any]]:
    """The columns of episodes.

    Args:
        episodes: all of one structure.
        where: they come from, for messages.

    Raises:
        UsageError: there is no episode, or they do not fit together.
    """
    parts: list[Columns] = []
    if not isinstance(cast(object, episodes), Iterable):
        raise UsageError(f"{where} is a {type(episodes).__name__}: give a list of Episode")
    for number, episode in enumerate(episodes):
        part = _columns_of_one(episode, f"episode {number} of {where}")
        if parts and part.keys() != parts[0].keys():
            raise UsageError(
                f"episode {number} of {where} has {', '.join(part)}, and the first one has "
                f"{', '.join(parts[0])}: all must have the same"
            )
        parts.append(part)
    if not parts:
        raise UsageError(f"there is no episode in {where}: give at least one")
    try:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    except ValueError as error:
        raise UsageError(f"the episodes of {where} differ in their shapes: {error}") from None


def read_columns(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Some columns of an `.npz` file, as far as they are there; nothing in it is ever executed.

    Args:
        path: of the file.
        names: of the columns that are wanted.

    Raises:
        UsageError: there is no such file, it is no `.npz` file, it is damaged, or a column in it
            holds Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            _refuse_objects(path, archive, members)
            found = {name.removesuffix(".npy"): name for name in members}
            return {name: _read(archive, found[name]) for name in names if name in found}
    except _DAMAGES as error:
        raise UsageError(
            f"'{path}' is no .npz file of recorded episodes, or is damaged: {error}. "
            f"`alf play --record_file x.npz` and alf.replay.write_episodes() write such files"
        ) from None
    except OSError as error:
        raise UsageError(
            f"'{path}', which TrainerConfig.offline_buffer_dir names, cannot be read: "
            f"{error.strerror or error}"
        ) from None


def _read(archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _refuse_objects(path: Path, archive: zipfile.ZipFile, members: Sequence[str]) -> None:
    """Objects are pickled, and to unpickle is to run what somebody put into the file."""
    for member in members:
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            read_header = _HEADERS.get(version)
            dtype = None if read_header is None else read_header(file)[2]
        if dtype is None or dtype.hasobject:
            raise UsageError(
                f"column '{member.removesuffix('.npy')}' of '{path}' holds Python objects, which "
                f"are never unpickled, as that can run any code: store plain numbers, for "
                f"example with alf.replay.write_episodes()"
            )


def _columns_of_one(episode: Episode, where: str) -> Columns:
    if not isinstance(cast(object, episode), Episode):
        raise UsageError(
            f"{where} is a {type(episode).__name__}: give an alf.replay.Episode(observation, "
            f"action, reward, terminated)"
        )
    reward = np.asarray(episode.reward)
    if reward.ndim != 1 or not len(reward):
        raise UsageError(
            f"{where} has rewards of shape {list(reward.shape)}: give [n], one of each action, "
            f"with at least one action"
        )
    count = len(reward)
    columns: dict[str, NDArray[Any]] = {
        "step": np.arange(count + 1),
        "reward": np.concatenate([np.zeros(1, reward.dtype), reward]),
        "ended": np.array(
            [GOES_ON] * count + [TERMINATED if episode.terminated else TRUNCATED], np.int8
        ),
    }
    columns |= _leaves(episode.observation, "observation", count + 1, where)
    for name, leaf in _leaves(episode.action, "action", count, where).items():
        columns[name] = np.concatenate([leaf, leaf[-1:]])  # the last row has none: any will do
    return columns


def _leaves(nest: Any, kind: str, length: int, where: str) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}

    def note(path: str, leaf: Any) -> None:
        array = np.asarray(leaf)
        if array.shape[:1] != (length,):
            raise UsageError(
                f"{where}: '{kind}/{path or kind}' is of shape {list(array.shape)}, and must have "
                f"{length} rows: n + 1 observations belong to n actions and n rewards"
            )
        found[f"{kind}/{path or kind}"] = array

    map_structure_with_path(note, nest)
    return found
