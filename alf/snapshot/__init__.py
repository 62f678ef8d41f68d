"""Immutable records of the code, config and surroundings of a job, and running them again.

    snapshot = take(root_dir, confs=[conf])             at the start of a job
    late = LateImports(root_dir, snapshot.id)           right after it
    late.complete()                                     before a checkpoint is written
    tag_checkpoint(root_dir, snapshot.id, iteration)    when a checkpoint is written
    run_with_snapshot(root_dir, module, arguments)      the code of then, in a process of its own
    prove()                                             first thing in that process

Nothing here imports torch; docs/snapshot.md tells the whole story.
"""

from pathlib import Path

from alf.snapshot.completing import LateImports, describe_completion
from alf.snapshot.conf_text import conf_is_edited, conf_to_run
from alf.snapshot.exclusions import Limits
from alf.snapshot.launch import Proof, prove, run_with_snapshot
from alf.snapshot.lock import hold_root_dir
from alf.snapshot.records import LeftOut, Package, Snapshot
from alf.snapshot.relevant import Changed, changed_since
from alf.snapshot.sharing import export_store, share, stand_alone
from alf.snapshot.store import Store
from alf.snapshot.taking import describe, take
from alf.snapshot.working_copy import copied_entry, edited_files, is_copy_of

__all__ = [
    "Changed",
    "LateImports",
    "LeftOut",
    "Limits",
    "Package",
    "Proof",
    "Snapshot",
    "Store",
    "changed_since",
    "conf_is_edited",
    "conf_to_run",
    "copy_holds",
    "describe",
    "describe_completion",
    "edited",
    "export_store",
    "hold_root_dir",
    "prove",
    "run_with_snapshot",
    "share",
    "stand_alone",
    "tag_checkpoint",
    "take",
]


def tag_checkpoint(root_dir: Path | str, snapshot_id: str, n: int) -> None:
    """Notes that checkpoint `ckpt-<n>` was made by a snapshot.

    Args:
        root_dir: the job's folder.
        snapshot_id: `Snapshot.id`, or more digits of it.
        n: the number of the checkpoint, the iterations trained.

    Raises:
        SnapshotError: there is no such snapshot, or the store cannot be written.
    """
    with Store(root_dir) as store:
        store.tag_checkpoint(snapshot_id, n)


def copy_holds(root_dir: Path | str, name: str) -> bool:
    """Whether the root dir's copy was made from the same code as a snapshot, edits aside.

    True after a resume that changed the conf or the machine only, so that the copy, which a user
    may have edited to look into a model, is the right thing to run for this snapshot too.

    Args:
        root_dir: the job's folder.
        name: an id or `ckpt-N`.

    Raises:
        SnapshotError: there is no such snapshot, or the store is damaged.
    """
    with Store(root_dir) as store:
        return is_copy_of(store, store.resolve(name))


def edited(root_dir: Path | str) -> list[str]:
    """Files of the root dir's copy that differ from its snapshot, relative to the root dir.

    Raises:
        SnapshotError: there is no snapshot, or the store is damaged.
    """
    with Store(root_dir) as store:
        return list(edited_files(store, copied_entry(store)))
