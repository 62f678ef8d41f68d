"""Writes what a job on another machine has made into the folder of the search."""

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from alf.errors import AlfError
from alf.search.node import Changes

_ARRIVING = ".arriving"


def land(root_dir: Path, changes: Changes, watched: Sequence[str], added_only: str) -> None:
    """Write changes, so that each file, and each new folder, is there whole or not at all.

    Args:
        root_dir: the folder of the search.
        changes: what has changed; paths are relative to it.
        watched: where changes may be: files and folders below these alone are written.
        added_only: among these, the folder in which files are only ever added.

    Raises:
        AlfError: a path leads elsewhere.
        OSError: the disk is full, or cannot be written.
    """
    with _Arrivals() as arrivals:
        for name, place, content in changes.files:
            path = _inside(root_dir, name, watched)
            if _is_below(name, added_only) and path.exists():
                continue
            if place is None:
                _write_whole(arrivals.place_of(path), content)
            else:
                _append(path, place, content)
    for name in changes.gone:
        if not _is_below(name, added_only):
            _remove(_inside(root_dir, name, watched), root_dir)


class _Arrivals:
    """Collects the files of a new folder beside it, until all that come together are there."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._stage = Path()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._finish()

    def place_of(self, path: Path) -> Path:
        """Where to write a file for now; its folder is there."""
        if self._folder is not None and not path.is_relative_to(self._folder):
            self._finish()
        missing = _highest_missing(path)
        if missing is not None and self._folder is None:
            self._folder = missing
            self._stage = missing.with_name(f".{missing.name}{_ARRIVING}")
            if self._stage.exists():  # whoever wrote it was killed
                shutil.rmtree(self._stage)
        if self._folder is not None:
            path = self._stage / path.relative_to(self._folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _finish(self) -> None:
        if self._folder is not None:
            self._stage.rename(self._folder)
            self._folder = None


def _inside(root_dir: Path, name: str, watched: Sequence[str]) -> Path:
    parts = PurePosixPath(name).parts
    if ".." in parts or not any(_is_below(name, folder) for folder in watched):
        raise AlfError(f"a worker sent the file '{name}', which is none of its job's.")
    return root_dir.joinpath(*parts)


def _is_below(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")


def _highest_missing(path: Path) -> Path | None:
    """The highest folder above a file that is not there; `None` if all are."""
    found = None
    for folder in path.parents:
        if folder.exists():
            break
        found = folder
    return found


def _append(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)
        file.truncate()


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}{_ARRIVING}")
    partial.write_bytes(content)
    partial.replace(path)


def _remove(path: Path, root_dir: Path) -> None:
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == root_dir or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()
