"""Checks that what is stored is what was written: snapshots, checkpoints, the working copy."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from alf.errors import CheckpointError, SnapshotError
from alf.snapshot.links import is_inside
from alf.snapshot.store import Entry, Store
from alf.snapshot.working_copy import copied_entry, edited_files, is_copy_of

CHECKPOINTS_FOLDER = Path("train", "algorithm")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written.

    Attributes:
        where: `store`, `checkpoint` or `copy`.
        path: which file, relative to the root dir where it lies there.
        problem: what is wrong with it, in words.
    """

    where: str
    path: str
    problem: str


@dataclass(frozen=True)
class Report:
    """What `verify` looked at and found.

    Attributes:
        snapshots: how many snapshots were read.
        objects: how many stored objects were hashed again.
        checkpoints: numbers of the checkpoints whose files were hashed again.
        unproved: numbers of checkpoints that hold no digests, so that nothing can be said of them.
        findings: everything that is wrong; empty if all is well.
    """

    snapshots: int
    objects: int
    checkpoints: tuple[int, ...]
    unproved: tuple[int, ...]
    findings: tuple[Finding, ...]


def verify(root_dir: Path | str, checkpoint: int | None = None) -> Report:
    """Hashes everything again that has a digest, and compares.

    Args:
        root_dir: the job's folder.
        checkpoint: only this checkpoint and the snapshot that made it; None for all there is.

    Raises:
        SnapshotError: there is no store.
        CheckpointError: checkpoint `ckpt-<checkpoint>` is not there.
    """
    root = Path(root_dir)
    folders = _checkpoint_folders(root, checkpoint)
    findings: list[Finding] = []
    with Store(root) as store:
        seen: set[str] = set()
        entries: list[Entry] = []
        try:
            entries = (
                store.entries() if checkpoint is None else [store.resolve(f"ckpt-{checkpoint}")]
            )
        except SnapshotError as error:
            findings.append(Finding("store", "snapshots.git", str(error)))
        for entry in entries:
            findings += _damaged_objects(store, entry, seen)
        if checkpoint is None:
            findings += _damaged_packs(store)
        if checkpoint is None or any(is_copy_of(store, entry) for entry in entries):
            findings += _edits(store)
    unproved: list[int] = []
    for number, folder in folders.items():
        digests = read_digests(folder)
        if digests is None:
            unproved.append(number)
        else:
            findings += _damaged_files(root, folder, digests)
    checked = tuple(number for number in folders if number not in unproved)
    return Report(len(entries), len(seen), checked, tuple(unproved), tuple(findings))


def refuse_damaged(root_dir: Path | str, name: str) -> None:
    """Raises if anything that a snapshot holds is not as it was stored.

    Args:
        root_dir: the job's folder.
        name: an id or `ckpt-N`.

    Raises:
        SnapshotError: naming what is damaged, or that there is no such snapshot.
    """
    with Store(root_dir) as store:
        found = next(_damaged_objects(store, store.resolve(name), set()), None)
    if found is not None:
        raise SnapshotError(
            f"{found.path}: {found.problem}, so it is not the code that made '{name}' any more. "
            f"`alf snapshot verify --root_dir {root_dir}` lists all damage; put a good copy of "
            "snapshots.git in its place, or play with today's code (without --use_alf_snapshot)."
        )


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_digests(folder: Path) -> Mapping[str, str] | None:
    """File name -> digest, as `checkpoint.json` in a checkpoint's folder says; None without any."""
    try:
        data = json.loads((folder / "checkpoint.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    digests = cast(dict[str, Any], data).get("digests") if isinstance(data, dict) else None
    if not isinstance(digests, dict):
        return None
    named = cast(dict[str, Any], digests)
    inside = all(is_inside(folder, name) and isinstance(text, str) for name, text in named.items())
    return named if inside else None


def _checkpoint_folders(root: Path, only: int | None) -> dict[int, Path]:
    folders = {
        int(path.name.removeprefix("ckpt-")): path
        for path in (root / CHECKPOINTS_FOLDER).glob("ckpt-*")
        if path.name.removeprefix("ckpt-").isdigit() and path.is_dir()
    }
    if only is None:
        return dict(sorted(folders.items()))
    if only not in folders:
        raise CheckpointError(
            f"There is no checkpoint {only} in '{root / CHECKPOINTS_FOLDER}'. There are:"
            f" {', '.join(str(number) for number in sorted(folders)) or 'none'}."
        )
    return {only: folders[only]}


def _damaged_objects(store: Store, entry: Entry, seen: set[str]) -> Iterator[Finding]:
    """Hashes every object of a snapshot that is not in `seen`, and adds it there."""
    try:
        paths = {blob.id: path for path, blob in store.files(entry.tree).items()}
        names = list(store.object_ids(entry))
    except SnapshotError as error:
        yield Finding("store", "snapshots.git", f"snapshot {entry.id}: {error}")
        return
    for name in names:
        if name not in seen:
            seen.add(name)
            problem = store.damage(name)
            if problem is not None:
                what = paths.get(name, f"object {name}")
                yield Finding("store", what, f"{problem} in snapshot {entry.id}")


def _damaged_packs(store: Store) -> Iterator[Finding]:
    """A pack ends with the SHA-1 of all that stands before."""
    for pack in sorted((store.path / "objects" / "pack").glob("*.pack")):
        digest = hashlib.sha1(usedforsecurity=False)
        left = pack.stat().st_size - digest.digest_size
        with pack.open("rb") as file:
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
            if file.read() != digest.digest():
                path = pack.relative_to(store.root_dir).as_posix()
                yield Finding("store", path, "its checksum does not match")


def _edits(store: Store) -> Iterator[Finding]:
    try:
        for path, change in edited_files(store, copied_entry(store)).items():
            yield Finding("copy", path, change)
    except SnapshotError as error:
        yield Finding("copy", "alf", str(error))


def _damaged_files(root: Path, folder: Path, digests: Mapping[str, str]) -> Iterator[Finding]:
    for name, expected in sorted(digests.items()):
        path = (folder / name).relative_to(root).as_posix()
        try:
            actual = file_digest(folder / name)
        except OSError as error:
            yield Finding("checkpoint", path, f"cannot be read: {error.strerror}")
            continue
        if actual != expected.rpartition(":")[2].lower():
            yield Finding("checkpoint", path, "its digest is not the one in checkpoint.json")
