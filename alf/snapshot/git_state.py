"""The git state of a source tree, read without a git binary: commit, branch, and what differs from it.

The snapshot holds the code itself. This is for people, who want to know which commit a model came from.
"""

import contextlib
import io
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alf.snapshot.exclusions import holds_private_key, is_secret_name
from alf.snapshot.pack import BLOB, object_id

_MOST_FILES = 20_000
_MOST_DIFF_BYTES = 500_000
_MOST_FILE_BYTES = 1_000_000


def describe_git(folder: Path) -> dict[str, Any] | None:
    """The state of the repository that `folder` belongs to.

    Args:
        folder: a folder of source code.

    Returns:
        JSON: `top` (the checkout), `commit` (None before the first), `branch` (None if detached),
        `dirty`, `diff` (text against the commit, tracked files only, secrets left away), `remote`
        (without credentials); or `error`, with what went wrong in words; or None where there is no
        repository.
    """
    if not any((place / ".git").exists() for place in (folder, *folder.parents)):
        return None
    # Damaged and foreign repositories fail in many ways, and none of them may stop a training.
    try:
        from dulwich.errors import NotGitRepository
        from dulwich.repo import Repo
    except ImportError as error:
        return {"error": f"git state was not read: {error}"}
    try:
        with contextlib.closing(Repo.discover(str(folder))) as repo:
            return _describe(repo)
    except NotGitRepository:
        return None
    except (OSError, ValueError, KeyError, AssertionError, NotImplementedError) as error:
        return {"error": f"git state was not read: {error!r}"}


def _describe(repo: Any) -> dict[str, Any]:
    top = Path(repo.path)
    head = repo.refs.as_dict().get(b"HEAD")
    chain, _ = repo.refs.follow(b"HEAD")
    branch = chain[-1].decode("utf-8", "replace") if len(chain) > 1 else None
    facts: dict[str, Any] = {
        "top": str(top),
        "commit": head.decode("ascii") if head else None,
        "branch": branch.removeprefix("refs/heads/") if branch else None,
    }
    with contextlib.suppress(KeyError):
        url = repo.get_config().get((b"remote", b"origin"), b"url").decode("utf-8", "replace")
        facts["remote"] = _without_credentials(url)
    index = repo.open_index()
    if len(index) > _MOST_FILES:
        return facts | {"dirty": None, "diff": f"(not compared: {len(index)} tracked files)"}
    diff, names = _diff(repo, top, index, head)
    return facts | {"dirty": bool(names), "changed": names, "diff": diff}


def _diff(repo: Any, top: Path, index: Any, head: bytes | None) -> tuple[str, list[str]]:
    """The unified diff from the commit to the files on the disk, and the names of what differs."""
    from dulwich.patch import write_object_diff

    committed = dict(_flat(repo, repo[head].tree, b"")) if head else {}
    names: list[str] = []
    text = io.BytesIO()
    for path in sorted({*committed, *index}):
        new = _on_disk(top, path, index)
        old = committed.get(path)
        if new == old or (old is not None and stat.S_ISLNK(old[0])):
            continue
        name = os.fsdecode(path)
        names.append(name)
        if text.tell() > _MOST_DIFF_BYTES or _is_private(repo, top, path, old):
            continue
        before = (path, old[0], old[1]) if old else (None, None, None)
        after = (path, new[0], new[1]) if new else (None, None, None)
        write_object_diff(text, _WithDisk(repo.object_store, top, path, new), before, after)
    if text.tell() > _MOST_DIFF_BYTES:
        text.write(b"(the rest of the diff is left out; the snapshot holds the files)\n")
    return text.getvalue().decode("utf-8", "replace"), names


class _WithDisk:
    """The object store of a repository, and one file as it lies on the disk."""

    def __init__(self, objects: Any, top: Path, path: bytes, new: tuple[int, bytes] | None):
        self._objects = objects
        self._file = top / os.fsdecode(path)
        self._name = new[1] if new else None

    def __getitem__(self, name: bytes) -> Any:
        from dulwich.objects import Blob

        if name == self._name and name not in self._objects:
            return Blob.from_string(self._file.read_bytes())
        return self._objects[name]


def _flat(repo: Any, tree: bytes, prefix: bytes) -> Iterator[tuple[bytes, tuple[int, bytes]]]:
    """Path -> (mode, blob) of all files in a tree; submodules are skipped."""
    for item in repo[tree].iteritems():
        path = prefix + item.path
        if stat.S_ISDIR(item.mode):
            yield from _flat(repo, item.sha, path + b"/")
        elif stat.S_ISREG(item.mode) or stat.S_ISLNK(item.mode):
            yield path, (item.mode, item.sha)


def _on_disk(top: Path, path: bytes, index: Any) -> tuple[int, bytes] | None:
    """Mode and blob id of a tracked file as it is now; None if it is not there or not tracked."""
    if path not in index:
        return None
    entry = index[path]
    if not hasattr(entry, "sha") or not stat.S_ISREG(entry.mode):
        return None  # a merge conflict, a submodule, a link
    try:
        status = (top / os.fsdecode(path)).lstat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    if status.st_size == entry.size and _seconds(entry.mtime) == status.st_mtime_ns:
        return entry.mode, entry.sha
    data = (top / os.fsdecode(path)).read_bytes()
    blob = object_id(BLOB, data).hex().encode("ascii")
    if blob != entry.sha and b"\r\n" in data:
        # With core.autocrlf git stores other line ends than lie on the disk.
        plain = object_id(BLOB, data.replace(b"\r\n", b"\n")).hex().encode("ascii")
        blob = plain if plain == entry.sha else blob
    return entry.mode, blob


def _seconds(time: Any) -> int:
    """Index times are seconds, or (seconds, nanoseconds); the result is in nanoseconds."""
    if isinstance(time, tuple):
        seconds, nanoseconds = time  # pyright: ignore[reportUnknownVariableType]
        return int(seconds) * 1_000_000_000 + int(nanoseconds)  # pyright: ignore[reportUnknownArgumentType]
    return int(float(time) * 1_000_000_000)


def _is_private(repo: Any, top: Path, path: bytes, old: tuple[int, bytes] | None) -> bool:
    """Whether a diff of this file may show a secret, before or after, or would be too long to read."""
    file = top / os.fsdecode(path)
    if is_secret_name(file.name):
        return True
    versions: list[bytes] = [repo[old[1]].data] if old else []
    with contextlib.suppress(OSError):
        versions.append(file.read_bytes())
    return any(len(v) > _MOST_FILE_BYTES or holds_private_key(v) for v in versions)


def _without_credentials(url: str) -> str:
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", re.sub(r"[?#].*", "", url))
