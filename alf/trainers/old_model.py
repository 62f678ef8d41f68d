"""What to tell somebody whose model does not behave today as it did when it was saved."""

import shlex
from pathlib import Path

from alf.errors import SnapshotError
from alf.snapshot import changed_since

_MOST_FILES = 6


def describe_changes(root_dir: Path, snapshot_id: str) -> list[str]:
    """Lines that name what changed since a snapshot, as far as this process has loaded it.

    Args:
        root_dir: the job's folder.
        snapshot_id: of the snapshot that made the checkpoint.
    """
    try:
        changed = changed_since(root_dir, snapshot_id)
    except SnapshotError as error:
        return [f"changed   cannot be told: {error}"]
    if not changed.loaded:
        if not changed.others:
            return [
                "changed   nothing in the code: look at the flags of this command, and at the "
                "versions of installed packages"
            ]
        return [f"changed   {_files(changed.others)}, none of which was imported by this process"]
    lines = [f"changed   {_files(changed.loaded)}"]
    if changed.others:
        lines.append(f"          and {len(changed.others)} more that this process has not imported")
    return lines


def with_its_code(root_dir: Path, checkpoint_step: int | None = None) -> str:
    """The command that plays a checkpoint with its own code."""
    command = f"alf play --root_dir {shlex.quote(str(root_dir))} --use_alf_snapshot"
    return command if checkpoint_step is None else f"{command} --checkpoint_step {checkpoint_step}"


def _files(paths: tuple[str, ...]) -> str:
    shown = ", ".join(paths[:_MOST_FILES])
    return shown if len(paths) <= _MOST_FILES else f"{shown} and {len(paths) - _MOST_FILES} more"
