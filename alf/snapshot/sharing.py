"""Runs of a search share one store: what they have in common is stored once.

The store of a run borrows objects from that of its search, and keeps for itself only what no other
run has: its conf text, its commits, its checkpoints. The code, and the manifest, which says the
same for runs in the same surroundings, go to the lender, where `refs/runs/` keeps them from being
collected. `stand_alone` and `export_store` end the borrowing.
"""

import contextlib
import os
from collections.abc import Generator, Mapping
from pathlib import Path

from alf.errors import SnapshotError
from alf.snapshot.exclusions import STORE_NAME
from alf.snapshot.lock import hold_store
from alf.snapshot.pack import PackWriter
from alf.snapshot.repository import cannot_write, stop_borrowing
from alf.snapshot.store import Store, now
from alf.snapshot.trees import Blob, write_trees


def share(root_dir: Path | str, lender: Path | str) -> None:
    """Makes the empty store of a run, which borrows from that of its search.

    Args:
        root_dir: the run's folder. A store that is there already stays as it is.
        lender: the search's folder.

    Raises:
        SnapshotError: the lender has no store, or the disk cannot be written.
    """
    Store(lender).close()
    Store(root_dir, create=True, shared=lender).close()


@contextlib.contextmanager
def lending(store: Store) -> Generator[Store]:
    """The store that takes what runs have in common, locked for writing.

    It is `store` itself where that borrows from none, or from one that this user cannot write. The
    store of a search lies right above its runs; nobody writes to another one because a file says
    that it lends.
    """
    shared = store.shared
    if shared is None or not (
        shared.resolve() == store.root_dir.resolve().parent
        and os.access(shared / STORE_NAME / "objects" / "pack", os.W_OK)
    ):
        yield store
        return
    with Store(shared) as lender, hold_store(lender.path):
        yield lender


def keep_lent(lender: Store, files: Mapping[str, Blob], writer: PackWriter) -> None:
    """Finishes a writer of the lender, and refers to what runs have in common.

    Args:
        lender: the store of the search.
        files: path in the snapshot -> blob, stored in the lender or in `writer`.
        writer: holds what is new.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    tree = write_trees(files, writer, lender.has)
    ref = f"refs/runs/{tree[:12]}"
    if ref not in lender.references():
        commit = lender.commit(files, "code of runs of this search", {}, writer, None, now())
        lender.refer(ref, commit)


def stand_alone(root_dir: Path | str) -> int:
    """Copies all that a store borrows into the store itself, so that its root dir can be moved.

    Args:
        root_dir: the job's folder.

    Returns:
        The number of objects that were copied; 0 where nothing was borrowed.

    Raises:
        SnapshotError: the lender is not there, an object is missing, or the disk cannot be written.
    """
    with Store(root_dir) as store, hold_store(store.path):
        try:
            with store.pack_writer() as writer:
                count = _copy(store, writer, own=False)
                writer.finish()
            stop_borrowing(store.path)
        except OSError as error:
            cannot_write(store.path, error)
        return count


def export_store(root_dir: Path | str, target: Path | str) -> int:
    """Copies a store, with all that it borrows and all that it refers to, to another folder.

    Args:
        root_dir: the job's folder.
        target: a folder that has no `snapshots.git` yet; made if it is not there.

    Returns:
        The number of objects in `<target>/snapshots.git`.

    Raises:
        SnapshotError: there is a store already, an object is missing, or the disk cannot be
            written.
    """
    if os.path.lexists(Path(target) / STORE_NAME):
        raise SnapshotError(
            f"'{Path(target) / STORE_NAME}' is there already. Name a folder without one, so that"
            " no snapshot is overwritten."
        )
    with Store(root_dir) as store, Store(target, create=True) as copy:
        try:
            with copy.pack_writer() as writer:
                count = _copy(store, writer, own=True)
                writer.finish()
        except OSError as error:
            cannot_write(copy.path, error)
        for ref, commit in store.references().items():
            if ref != "HEAD":
                copy.refer(ref, commit)
        return count


def _copy(store: Store, writer: PackWriter, own: bool) -> int:
    """Adds every object that a reference leads to; with `own` also those that are not borrowed."""
    seen: set[str] = set()
    count = 0
    pending = list(store.references().values())
    while pending:
        commit = pending.pop()
        if commit in seen:
            continue
        entry = store.entry(commit)
        pending += [entry.parent] if entry.parent is not None else []
        # Inner objects first would not matter: a pack is there as a whole or not at all.
        for name in store.object_ids(entry):
            if name not in seen:
                seen.add(name)
                if own or store.borrows(name):
                    kind, data = store.raw(name)
                    writer.add(kind, data, bytes.fromhex(name))
                    count += 1
    return count
