"""`snapshots.git`: every snapshot of a root dir, in a bare git repository that stock git reads.

One commit a snapshot, on the branch `main`; one tag `ckpt-N` a checkpoint. Objects are written
first and flushed, then the branch is moved by a rename: whoever is killed in between leaves the
earlier snapshots whole and an unreferenced pack at most. No git binary is used.
"""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from dulwich.objects import Commit, ObjectID

from alf.errors import SnapshotError
from alf.snapshot.exclusions import STORE_NAME
from alf.snapshot.names import object_names
from alf.snapshot.object_reader import ObjectReader
from alf.snapshot.pack import BLOB, COMMIT, PackWriter, remove_leftovers
from alf.snapshot.records import Entry
from alf.snapshot.repository import MAIN, References, borrows_from, create_repository
from alf.snapshot.trees import (
    EXECUTABLE_MODE,
    FILE_MODE,
    ID_LENGTH,
    MANIFEST_NAME,
    Blob,
    changes,
    read_entry,
    write_trees,
)

__all__ = [
    "EXECUTABLE_MODE",
    "FILE_MODE",
    "ID_LENGTH",
    "MANIFEST_NAME",
    "Blob",
    "Entry",
    "Store",
    "changes",
    "now",
]

_AUTHOR = b"alf <alf@localhost>"


class Store(ObjectReader):
    """The snapshots of one root dir. Use as a context manager, or call `close`.

    Args:
        root_dir: the job's folder.
        create: make the store where there is none.
        shared: a root dir whose store a new one is to borrow from, or None.

    Raises:
        SnapshotError: there is no store and `create` is false, or it cannot be made, or the store
            that it borrows from is not there.
    """

    def __init__(
        self, root_dir: Path | str, *, create: bool = False, shared: Path | str | None = None
    ):
        self.root_dir = Path(root_dir)
        path = self.root_dir / STORE_NAME
        if not (path / "HEAD").is_file():
            if not create:
                raise SnapshotError(
                    f"There are no snapshots in '{self.root_dir}': '{path}' is not there. Give"
                    " the root dir of a job that was trained without --nostore_snapshot."
                )
            create_repository(path, None if shared is None else Path(shared) / STORE_NAME)
        super().__init__(path)
        self._borrowed = borrows_from(path)
        self._refs = References(self.path)
        self._names: set[bytes] | None = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def shared(self) -> Path | None:
        """The root dir, as that of a search, whose store this one borrows from; or None."""
        return next((p.parent for p in self._borrowed if p.name == STORE_NAME), None)

    # Writing

    def has(self, blob_id: str) -> bool:
        """Whether an object of this name (40 hexadecimal digits) is stored.

        Knows what was there at the first question, and what this object has written since.
        """
        if self._names is None:
            self._names = object_names(self.path / "objects")
            for path in self._borrowed:
                self._names |= object_names(path / "objects")
        return bytes.fromhex(blob_id) in self._names

    def look_again(self) -> None:
        """Lets `has` find out what others have written since."""
        self._names = None

    def pack_writer(self) -> PackWriter:
        """A writer for new objects; what killed writers left is removed first."""
        folder = self.path / "objects" / "pack"
        remove_leftovers(folder)
        remove_leftovers(self.path)
        return PackWriter(folder, self._packed)

    def _packed(self, bundled: list[str]) -> None:
        """What nobody names but parts of which are named is referred to, so that git keeps it."""
        self.look_again()
        for blob_id in bundled:
            self._refs.keep(blob_id)

    def commit(
        self,
        files: Mapping[str, Blob],
        summary: str,
        start: Mapping[str, Any],
        pack: PackWriter,
        parent: str | None,
        seconds: int,
    ) -> str:
        """Writes trees and a commit, and finishes the pack. No reference is moved.

        Args:
            files: path in the snapshot -> blob; the blobs are in `pack` or in the store.
            summary: the first line of the commit message.
            start: what was particular to this start; JSON after the first line.
            pack: where new objects go.
            parent: the commit before, or None.
            seconds: Unix time.

        Returns:
            The name of the commit, 40 hexadecimal digits.
        """
        commit = Commit()
        commit.tree = ObjectID(write_trees(files, pack, self.has).encode("ascii"))
        commit.parents = [ObjectID(parent.encode("ascii"))] if parent else []
        commit.author = commit.committer = _AUTHOR
        commit.author_time = commit.commit_time = seconds
        commit.author_timezone = commit.commit_timezone = 0
        body = json.dumps(start, indent=1, sort_keys=True)
        commit.message = f"{summary}\n\n{body}\n".encode("ascii", "backslashreplace")
        name = pack.add(COMMIT, commit.as_raw_string()).hex()
        pack.finish()
        return name

    def refer(self, ref: str, commit: str) -> None:
        """Lets a reference, `refs/...`, point to a commit.

        Raises:
            SnapshotError: the disk cannot be written.
        """
        self._refs.write(ref, commit)

    def move_main(self, commit: str) -> None:
        """Makes a commit the newest snapshot."""
        self._refs.write(MAIN, commit)

    def tag_checkpoint(self, snapshot: str, number: int) -> None:
        """Notes which snapshot made checkpoint `ckpt-<number>`.

        A later one takes over; the earlier one stays below `refs/old/`.

        Raises:
            SnapshotError: there is no such snapshot, or the store cannot be written.
        """
        self._refs.tag_checkpoint(number, self.resolve(snapshot).commit)

    def keep_edits(self, files: Mapping[str, bytes], parent: str) -> None:
        """Stores files that a user edited in the working copy and that are about to be replaced.

        They become a commit on a reference of its own below `refs/edits/`, which `git log --all`
        shows.

        Args:
            files: path in the snapshot -> content.
            parent: the commit of the snapshot that replaces them.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        with self.pack_writer() as pack:
            blobs = {
                path: Blob(pack.add(BLOB, data).hex(), FILE_MODE) for path, data in files.items()
            }
            summary = f"edited files that snapshot {parent[:ID_LENGTH]} replaced"
            commit = self.commit(blobs, summary, {}, pack, parent, now())
        self._refs.write(f"refs/edits/{commit[:ID_LENGTH]}", commit)

    # Reading

    def references(self) -> dict[str, str]:
        """Every branch and tag, `refs/...` -> commit."""
        return self._refs.all()

    def newest(self) -> str | None:
        """The commit of the newest snapshot, or None while there is none."""
        return self.references().get(MAIN)

    def checkpoints(self) -> dict[str, list[int]]:
        """Commit -> the numbers of the checkpoints that it made, ascending."""
        return self._refs.checkpoints()

    def old_checkpoints(self) -> dict[int, list[str]]:
        """Number -> the commits that made this checkpoint before it was made again, in order."""
        return self._refs.old_checkpoints()

    def entries(self) -> list[Entry]:
        """All snapshots, oldest first.

        Raises:
            SnapshotError: the history is damaged.
        """
        found: dict[str, Entry] = {}
        commit = self.newest()
        while commit is not None:
            if commit in found:
                raise SnapshotError(
                    f"Snapshot {found[commit].id} in '{self.path}' comes before itself: the store"
                    " was not written by alf. Do not use it."
                )
            found[commit] = self.entry(commit)
            commit = found[commit].parent
        return list(found.values())[::-1]

    def entry(self, commit: str) -> Entry:
        """One snapshot by its full commit name.

        Raises:
            SnapshotError: it is missing or damaged.
        """
        data = self.object(commit, "snapshot")
        if not isinstance(data, Commit):
            raise SnapshotError(
                f"'{commit}' in '{self.path}' is not a snapshot but a file or folder of one."
            )
        try:
            return read_entry(commit, data)
        except (ValueError, OverflowError, OSError) as error:  # a time that no calendar has
            raise SnapshotError(
                f"The snapshot {commit} in '{self.path}' is damaged ({error!r})."
            ) from error

    def resolve(self, name: str | None) -> Entry:
        """Finds a snapshot.

        Args:
            name: a snapshot's id or the beginning of it (4 digits or more), `ckpt-N`, or None or
                `newest`.

        Raises:
            SnapshotError: nothing or more than one thing has this name.
        """
        newest = self.newest()
        if newest is None:
            raise SnapshotError(f"No snapshot was finished yet in '{self.path}'. Train first.")
        if name is None or name == "newest":
            return self.entry(newest)
        if match := re.fullmatch(r"ckpt-(\d+)", name):
            return self.entry(self._of_checkpoint(int(match[1])))
        entries = self.entries()
        found = [entry for entry in entries if entry.commit.startswith(name.lower())]
        if len(found) == 1 and len(name) >= 4:
            return found[0]
        known = ", ".join(entry.id for entry in entries[-8:])
        what = "More than one snapshot begins with" if len(found) > 1 else "There is no snapshot"
        raise SnapshotError(
            f"{what} '{name}' in '{self.path}'. Known: {known}. `alf snapshot list --root_dir"
            f" {self.root_dir}` shows all of them."
        )

    def _of_checkpoint(self, number: int) -> str:
        every = self.checkpoints()
        for commit, numbers in every.items():
            if number in numbers:
                return commit
        known = sorted(number for numbers in every.values() for number in numbers)
        raise SnapshotError(
            f"No snapshot is noted for ckpt-{number} in '{self.path}'. Noted checkpoints:"
            f" {', '.join(map(str, known)) or 'none'}."
        )


def now() -> int:
    """Unix time in whole seconds, as git stores it."""
    return int(time.time())
