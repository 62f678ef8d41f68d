"""The newest snapshot as plain files in the root dir, for people to read and to edit.

What was put there is recorded in the store, so that a later snapshot removes exactly that and
nothing that a user placed beside it. While the copy is being changed the record says so; whoever
finds that record after a crash finishes the work.
"""

# Hundreds of small files a snapshot: with Path a status takes three times as long.
# ruff: noqa: PTH116

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from alf.errors import SnapshotError
from alf.snapshot.capture import CONF_TEXT_NAME
from alf.snapshot.exclusions import is_safe_path
from alf.snapshot.links import Links, refuse_links_out
from alf.snapshot.lock import hold_store
from alf.snapshot.pack import BLOB, object_id, remove_leftovers, write_file
from alf.snapshot.progress import Progress
from alf.snapshot.repository import cannot_write
from alf.snapshot.side_files import read_side_file, write_form
from alf.snapshot.store import (
    EXECUTABLE_MODE,
    MANIFEST_NAME,
    Blob,
    Entry,
    Store,
)

_RECORD_NAME = "alf-working-copy.z"


@dataclass
class Record:
    """What the root dir holds of a snapshot.

    Attributes:
        commit: the snapshot, or empty for none yet.
        is_whole: false while the copy is being changed.
        files: path -> `[blob id, size, mtime_ns]` of every file that was put there.
    """

    commit: str = ""
    is_whole: bool = True
    files: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    @classmethod
    def load(cls, store: Store) -> "Record":
        """Reads the record; a missing or damaged one counts as empty.

        So does one that names a place outside of the root dir: what it lists may be removed.
        """
        data = read_side_file(store.path / _RECORD_NAME)
        commit, files = data.get("commit"), data.get("files")
        if not isinstance(commit, str) or not isinstance(files, dict):
            return cls()
        listed = cast(dict[str, Any], files)
        if not all(is_safe_path(path) and _is_known(item) for path, item in listed.items()):
            return cls()
        return cls(commit, bool(data.get("is_whole", True)), listed)

    def save(self, store: Store, *, sync: bool) -> None:
        """Writes the record whole or not at all."""
        data = {"commit": self.commit, "is_whole": self.is_whole, "files": self.files}
        write_file(store.path / _RECORD_NAME, write_form(data), aside=store.path, sync=sync)


def _is_known(item: object) -> bool:
    return isinstance(item, list) and len(cast(list[object], item)) == 3


def copied_files(files: Mapping[str, Blob]) -> dict[str, Blob]:
    """The files of a snapshot that the copy holds: code, not the manifest or the conf text."""
    return {
        path: blob for path, blob in files.items() if path not in (MANIFEST_NAME, CONF_TEXT_NAME)
    }


def write_working_copy(
    store: Store,
    entry: Entry,
    in_place: Iterable[str] = (),
    files: Mapping[str, Blob] | None = None,
    data: Mapping[str, bytes] | None = None,
    report: Callable[[str], None] | None = None,
) -> list[str]:
    """Makes the root dir's copy equal to a snapshot. What is the same already is not touched.

    Args:
        store: the store of the root dir.
        entry: which snapshot.
        in_place: packages that the job itself imports from this root dir; left as they are.
        files: all files of the snapshot, path -> blob; None to read that from the store.
        data: content of some of the files, path -> bytes; the rest is read from the store.
        report: gets a line each second that this takes, or None.

    Returns:
        The paths of edited files that were replaced or removed; the store keeps what they held.

    Raises:
        SnapshotError: the root dir cannot be written.
    """
    root = store.root_dir
    refuse_links_out(root)
    skipped = _below(in_place)
    every = store.files(entry.tree) if files is None else files
    wanted = {p: b for p, b in copied_files(every).items() if not skipped(p)}
    record = Record.load(store)
    ours = {path: known for path, known in record.files.items() if not skipped(path)}
    try:
        links = Links(root)
        found = {path: _content(root, path, record, links) for path in {*wanted, *ours}}
        edits = [path for path in sorted(found) if _is_edit(path, found[path], wanted, ours)]
        if edits:
            store.keep_edits({path: (root / path).read_bytes() for path in edits}, entry.commit)
        missing = {p: blob for p, blob in wanted.items() if found[p].blob_id != blob.id}
        gone = [path for path in ours if path not in wanted]
        if missing:
            store.refuse_bombs(
                blob.id for path, blob in missing.items() if path not in (data or {})
            )
        if missing or gone:
            # From here on a crash leaves a mixture; the record knows both sides of it.
            new = {path: [blob.id, -1, -1] for path, blob in missing.items()}
            Record(entry.commit, False, {**new, **record.files}).save(store, sync=True)
            for path in gone:
                if not links.crossed(path):  # what lies behind a link was never ours
                    _remove(root, path)
            writer = _Writer(store, root, data or {})
            progress = Progress("copied", len(missing), report=report)
            for path, blob in missing.items():
                progress.next()
                writer.write(path, blob)
                found[path] = _status(root, path, blob.id)
        kept = {path: known for path, known in record.files.items() if skipped(path)}
        placed = {path: found[path].known() for path in wanted}
        done = Record(entry.commit, True, {**kept, **placed})
        if done != record:
            done.save(store, sync=False)
    except OSError as error:
        cannot_write(root, error)
    return edits


def is_on_demand(store: Store) -> bool:
    """Whether the copy is not made before somebody asks for it: as in the many runs of a search."""
    return store.shared is not None and not Record.load(store).commit


def heal(store: Store) -> None:
    """Makes a copy that is made on demand, and finishes one whose process died while writing it.

    Raises:
        SnapshotError: the root dir cannot be written.
    """
    if not is_on_demand(store) and Record.load(store).is_whole:
        return
    with hold_store(store.path):
        record = Record.load(store)  # another process may have done it meanwhile
        if is_on_demand(store):
            write_working_copy(store, store.resolve(None))
        elif not record.is_whole:
            write_working_copy(store, store.entry(record.commit))


def copied_entry(store: Store) -> Entry:
    """The snapshot that the root dir's copy was made from; the newest where that is not recorded.

    Raises:
        SnapshotError: there is no snapshot, or it is damaged.
    """
    commit = Record.load(store).commit
    return store.entry(commit) if commit else store.resolve(None)


def is_copy_of(store: Store, entry: Entry) -> bool:
    """Whether the root dir's copy was made from the same code as a snapshot, edits aside.

    Raises:
        SnapshotError: the store is damaged.
    """
    copied = copied_entry(store)
    return copied_files(store.files(copied.tree)) == copied_files(store.files(entry.tree))


def edited_files(store: Store, entry: Entry) -> dict[str, str]:
    """What differs between the root dir's copy and a snapshot.

    Returns:
        path -> `modified`, `missing`, or `added` for a file inside a captured package that is not
        in the snapshot. Caches do not count. A copy that nobody asked for yet differs in nothing.
    """
    if is_on_demand(store):
        return {}
    root = store.root_dir
    record = Record.load(store)
    found: dict[str, str] = {}
    wanted = copied_files(store.files(entry.tree))
    links = Links(root)
    for path, blob in wanted.items():
        content = _content(root, path, record, links).blob_id
        if content is None:
            found[path] = "missing"
        elif content != blob.id:
            found[path] = "modified"
    for folder in _package_folders(store, entry):
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if name not in wanted and path.is_file() and "__pycache__" not in path.parts:
                found[name] = "added"
    return dict(sorted(found.items()))


def _package_folders(store: Store, entry: Entry) -> list[str]:
    try:
        packages = store.manifest(entry).packages
    except SnapshotError:
        return []  # what is known of the files is worth saying all the same
    names = (package.name for package in packages if package.kind == "package")
    return sorted(name for name in names if is_safe_path(name))


def export_files(store: Store, entry: Entry, target: Path) -> int:
    """Writes every file of a snapshot, the manifest and the conf text too, into an empty folder.

    Args:
        store: where the snapshot is.
        entry: which one.
        target: a folder that is empty or not there yet.

    Returns:
        The number of files.

    Raises:
        SnapshotError: the folder holds something, or cannot be written, or the snapshot is damaged.
    """
    files = store.files(entry.tree)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SnapshotError(
            f"'{target}' is not an empty folder. Name a folder that is empty or does not exist, so"
            " that nothing of yours is overwritten."
        )
    store.refuse_bombs(blob.id for blob in files.values())
    try:
        writer = _Writer(store, target, {})
        for path, blob in files.items():
            writer.write(path, blob)
    except OSError as error:
        raise SnapshotError(
            f"The snapshot cannot be exported to '{target}': {error.strerror or error}. Choose"
            " another folder with --to."
        ) from error
    return len(files)


def _below(names: Iterable[str]) -> Callable[[str], bool]:
    """A predicate: is a path one of these names, or below one?"""
    exact = frozenset(names)

    def is_below(path: str) -> bool:
        while path and path not in exact:
            path = path.rpartition("/")[0]
        return bool(path)

    return is_below


@dataclass(frozen=True)
class _Found:
    """What lies at a path now; `blob_id` is None where nothing does."""

    blob_id: str | None
    size: int = -1
    mtime_ns: int = -1

    def known(self) -> list[Any]:
        return [self.blob_id, self.size, self.mtime_ns]


def _content(root: Path, path: str, record: Record, links: Links) -> _Found:
    """What lies at `path` now. Files that did not change are not read.

    A link counts as nothing: what it leads to is not ours to keep, or to compare.
    """
    if links.crossed(path):
        return _Found(None)
    place = f"{root}/{path}"
    try:
        status = os.stat(place)
        known = record.files.get(path)
        if known is not None and known[1:] == [status.st_size, status.st_mtime_ns]:
            return _Found(str(known[0]), status.st_size, status.st_mtime_ns)
        blob_id = object_id(BLOB, Path(place).read_bytes()).hex()
        return _Found(blob_id, status.st_size, status.st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return _Found(None)


def _status(root: Path, path: str, blob_id: str) -> _Found:
    status = os.stat(f"{root}/{path}")
    return _Found(blob_id, status.st_size, status.st_mtime_ns)


def _is_edit(
    path: str, found: _Found, wanted: Mapping[str, Blob], ours: Mapping[str, list[Any]]
) -> bool:
    """Whether a file holds something that neither the last nor the next snapshot put there."""
    content = found.blob_id
    is_wanted = path in wanted and wanted[path].id == content
    is_ours = path in ours and ours[path][0] == content
    return content is not None and not is_wanted and not is_ours


class _Writer:
    """Places files below a folder.

    Args:
        store: where their content is.
        root: the folder.
        data: content of some of the files; the rest is read from the store.
    """

    def __init__(self, store: Store, root: Path, data: Mapping[str, bytes]):
        self._store = store
        self._root = root
        self._data = data
        self._made: set[str] = set()

    def write(self, path: str, blob: Blob) -> None:
        """Places one file."""
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            self._make(folder)
            self._made.add(folder)
        target = f"{self._root}/{path}"
        data = self._data.get(path)
        if data is None:
            data = self._store.read(blob.id)
        try:
            write_file(target, data, aside=f"{self._root}/{folder}", sync=False)
        except IsADirectoryError as error:
            raise SnapshotError(
                f"'{target}' is a folder where the snapshot has a file. Move it away and try again."
            ) from error
        if blob.mode == EXECUTABLE_MODE:
            Path(target).chmod(os.stat(target).st_mode | 0o111)

    def _make(self, folder: str) -> None:
        """Links on the way are replaced by folders: they could lead out of the root."""
        place = self._root
        place.mkdir(parents=True, exist_ok=True)
        for part in folder.split("/") if folder else ():
            place = place / part
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                place.unlink()
            place.mkdir(exist_ok=True)
        remove_leftovers(place)


def _remove(root: Path, path: str) -> None:
    """Removes a file that a snapshot had placed, and the folders that are empty without it."""
    target = root / path
    target.unlink(missing_ok=True)
    for folder in target.parents:
        if folder == root:
            break
        drop_bytecode(folder)
        if any(folder.iterdir()) if folder.is_dir() else True:
            break
        folder.rmdir()


def drop_bytecode(folder: Path) -> None:
    """Removes `__pycache__` in one folder, if it is there and can be removed."""
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
