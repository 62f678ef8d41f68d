"""A bare git repository on the disk: how it is made, what it refers to, whom it borrows from.

A repository may borrow objects from another one (`objects/info/alternates`,
https://git-scm.com/docs/gitrepository-layout). The path between the two is relative, so that both
can be moved together.
"""

import os
import re
import shutil
from pathlib import Path
from typing import NoReturn

from dulwich.errors import PackedRefsException, RefFormatError
from dulwich.refs import DiskRefsContainer

from alf.errors import SnapshotError
from alf.snapshot.exclusions import is_safe_path
from alf.snapshot.pack import write_file

MAIN = "refs/heads/main"
_TAG = "refs/tags/ckpt-"
_OLD = "refs/old/ckpt-"
_BUNDLES = "refs/bundles/"  # not to commits
_CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
"""
_REF = re.compile(r"refs/[\w./+-]+")
_ALTERNATES = "objects/info/alternates"


def create_repository(path: Path, borrow_from: Path | None = None) -> None:
    """Makes an empty repository, whole or not at all.

    Args:
        path: where; nothing or an empty folder is there.
        borrow_from: a repository whose objects this one uses, or None.

    Raises:
        SnapshotError: the disk cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
            (aside / folder).mkdir(parents=True)
        (aside / "config").write_text(_CONFIG, encoding="ascii", newline="\n")
        (aside / "HEAD").write_text(f"ref: {MAIN}\n", encoding="ascii", newline="\n")
        if borrow_from is not None:
            # From the real folder: a link on the way would make `..` lead elsewhere.
            start = path.parent.resolve() / path.name / "objects"
            way = Path(os.path.relpath(borrow_from.resolve() / "objects", start)).as_posix()
            (aside / _ALTERNATES).write_bytes(os.fsencode(way) + b"\n")
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        aside.rename(path)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if not (path / "HEAD").is_file():  # else another job was quicker, which is fine
            cannot_write(path, error)


def borrows_from(path: Path) -> list[Path]:
    """The repositories whose objects the one at `path` uses.

    Raises:
        SnapshotError: one of them is not there.
    """
    try:
        lines = (path / _ALTERNATES).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SnapshotError(
            f"'{path / _ALTERNATES}' cannot be read: {error.strerror}. Make it readable."
        ) from error
    found = [path / "objects" / os.fsdecode(line) for line in lines if line[:1] not in (b"", b"#")]
    for objects in found:
        if not objects.is_dir():
            missing = Path(os.path.normpath(objects.parent))
            raise SnapshotError(
                f"The snapshots in '{path}' share their files with '{missing}', which is not"
                " there: the run was moved, or the folder of its search was moved or deleted. Put"
                " them back side by side; `alf snapshot export --store` makes a copy of a run's"
                " snapshots that stands alone, while both are there."
            )
    return [Path(os.path.normpath(objects.parent)) for objects in found]


def stop_borrowing(path: Path) -> None:
    """Forgets whom the repository at `path` borrows from. All that it needs is in itself.

    Raises:
        OSError: the disk cannot be written.
    """
    (path / _ALTERNATES).unlink(missing_ok=True)


class References:
    """Branches and tags of a repository.

    Args:
        path: the repository.
    """

    def __init__(self, path: Path):
        self._path = path
        self._refs = DiskRefsContainer(str(path))

    def all(self) -> dict[str, str]:
        """Every reference to a commit, `refs/...` -> 40 hexadecimal digits."""
        try:
            known = self._refs.as_dict()
        except (PackedRefsException, RefFormatError, ValueError, OSError) as error:
            raise SnapshotError(
                f"The references of '{self._path}' cannot be read: {error}. Put a good copy of"
                " snapshots.git in its place."
            ) from error
        found = {os.fsdecode(ref): oid.decode("ascii", "replace") for ref, oid in known.items()}
        return {ref: commit for ref, commit in found.items() if not ref.startswith(_BUNDLES)}

    def keep(self, blob_id: str) -> None:
        """Refers to an object that is no part of a snapshot.

        Raises:
            SnapshotError: the disk cannot be written.
        """
        self.write(f"{_BUNDLES}{blob_id[:12]}", blob_id)

    def write(self, ref: str, commit: str) -> None:
        """Lets a reference point to a commit, whole or not at all.

        Raises:
            SnapshotError: the disk cannot be written.
        """
        if _REF.fullmatch(ref) is None or not is_safe_path(ref):
            raise SnapshotError(
                f"'{self._path}' has the reference {ref!r}, which alf did not write and which could"
                " lead out of the store. Delete it there."
            )
        path = self._path / ref
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, commit.encode("ascii") + b"\n", aside=self._path)
        except OSError as error:
            cannot_write(path, error)

    def tag_checkpoint(self, number: int, commit: str) -> None:
        """Notes which commit made checkpoint `ckpt-<number>`.

        Where another one had made it before, that stays as `refs/old/ckpt-<number>/<count>`.

        Raises:
            SnapshotError: the disk cannot be written.
        """
        known = self.all()
        before = known.get(f"{_TAG}{number}")
        if before == commit:
            return
        if before is not None:
            old = self._old(known).get(number, [])
            if before not in old[-1:]:  # else a crash came between the two
                self.write(f"{_OLD}{number}/{len(old) + 1}", before)
        self.write(f"{_TAG}{number}", commit)

    def checkpoints(self) -> dict[str, list[int]]:
        """Commit -> the numbers of the checkpoints that it made, ascending."""
        found: dict[str, list[int]] = {}
        for ref, commit in self.all().items():
            if match := re.fullmatch(re.escape(_TAG) + r"(\d+)", ref):
                found.setdefault(commit, []).append(int(match[1]))
        return {commit: sorted(numbers) for commit, numbers in found.items()}

    def old_checkpoints(self) -> dict[int, list[str]]:
        """Number -> the commits that made this checkpoint before it was made again, in order."""
        return self._old(self.all())

    def _old(self, known: dict[str, str]) -> dict[int, list[str]]:
        found: dict[int, dict[int, str]] = {}
        for ref, commit in known.items():
            if match := re.fullmatch(re.escape(_OLD) + r"(\d+)/(\d+)", ref):
                found.setdefault(int(match[1]), {})[int(match[2])] = commit
        return {number: [c for _, c in sorted(every.items())] for number, every in found.items()}


def cannot_write(path: Path, error: OSError) -> NoReturn:
    """Turns trouble with the disk into an error that says what to do.

    Raises:
        SnapshotError: always.
    """
    raise SnapshotError(
        f"The snapshot cannot be written to '{path}': {error.strerror or error}. Make space or"
        " mount the disk for writing, choose another --root_dir, or train with --nostore_snapshot."
    ) from error
