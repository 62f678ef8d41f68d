"""The git state of a source tree, read without a git binary: commit, branch, what differs.

The snapshot holds the code itself. This is for people, who want to know which commit a model came
from.
"""

import contextlib
import difflib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alf.snapshot.exclusions import holds_private_key, is_secret_name
from alf.snapshot.git_cache import GitCache
from alf.snapshot.pack import BLOB, object_id

_MOST_FILES = 20_000
_MOST_DIFF_BYTES = 500_000
_MOST_FILE_BYTES = 200_000


def describe_git(folder: Path, cache: GitCache | None = None) -> dict[str, Any] | None:
    """The state of the repository that `folder` belongs to.

    Args:
        folder: a folder of source code.
        cache: remembers comparisons, or None.

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
            return _describe(repo, cache)
    except NotGitRepository:
        return None
    except (OSError, ValueError, KeyError, AssertionError, NotImplementedError) as error:
        return {"error": f"git state was not read: {error!r}"}


def _describe(repo: Any, cache: GitCache | None) -> dict[str, Any]:
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
    commit, index_path = facts["commit"] or "", Path(repo.index_path())
    known = cache.get(top, commit, index_path) if cache is not None else None
    if known is not None:
        return facts | known
    index = repo.open_index()
    if len(index) > _MOST_FILES:
        return facts | {"dirty": None, "diff": f"(not compared: {len(index)} tracked files)"}
    diff, names = _diff(repo, top, index, head)
    compared = {"dirty": bool(names), "changed": names, "diff": diff}
    if cache is not None:
        cache.put(top, commit, index_path, map(os.fsdecode, index), compared)
    return facts | compared


def _diff(repo: Any, top: Path, index: Any, head: bytes | None) -> tuple[str, list[str]]:
    """The unified diff from the commit to the files on the disk, and the names of what differs."""
    committed = dict(_flat(repo, repo[head].tree, b"")) if head else {}
    names: list[str] = []
    parts: list[str] = []
    size = 0
    for path in sorted({*committed, *index}):
        old = committed.get(path)
        if old is not None and not stat.S_ISREG(old[0]):
            continue
        new = _on_disk(top, path, index)
        if new == old or (new is None and path in index and not _is_plain(index[path])):
            continue
        names.append(os.fsdecode(path))
        if size < _MOST_DIFF_BYTES:
            before = repo[old[1]].data if old else b""
            after = (top / names[-1]).read_bytes() if new else b""
            parts.append(_file_diff(names[-1], before, after))
            size += len(parts[-1])
    if size >= _MOST_DIFF_BYTES:
        parts.append("(the rest of the diff is left out; the snapshot holds the files)\n")
    return "".join(parts), names


def _file_diff(name: str, before: bytes, after: bytes) -> str:
    """The diff of one file; one line in its place where a diff would show a secret or no text."""
    if is_secret_name(name.rpartition("/")[2]) or any(map(holds_private_key, (before, after))):
        return f"(diff of {name} is left out: may hold a secret)\n"
    if b"\0" in before + after or len(before) + len(after) > _MOST_FILE_BYTES:
        return f"(diff of {name} is left out: binary or large)\n"
    old, new = (text.decode("utf-8", "replace").splitlines(True) for text in (before, after))
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


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
    if not _is_plain(entry):
        return None
    try:
        status = (top / os.fsdecode(path)).lstat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    times = (_nanoseconds(entry.mtime), _nanoseconds(entry.ctime))
    if status.st_size == entry.size and times == (status.st_mtime_ns, status.st_ctime_ns):
        return entry.mode, entry.sha
    data = (top / os.fsdecode(path)).read_bytes()
    blob = object_id(BLOB, data).hex().encode("ascii")
    if blob != entry.sha and b"\r\n" in data:
        # With core.autocrlf git stores other line ends than lie on the disk.
        plain = object_id(BLOB, data.replace(b"\r\n", b"\n")).hex().encode("ascii")
        blob = plain if plain == entry.sha else blob
    return entry.mode, blob


def _is_plain(entry: Any) -> bool:
    """Whether an index entry is a file, and not a submodule, a link or a merge conflict."""
    return hasattr(entry, "sha") and stat.S_ISREG(entry.mode)


def _nanoseconds(time: Any) -> int:
    """Index times are seconds, or (seconds, nanoseconds); the result is in nanoseconds."""
    if isinstance(time, tuple):
        seconds, nanoseconds = time  # pyright: ignore[reportUnknownVariableType]
        return int(seconds) * 1_000_000_000 + int(nanoseconds)  # pyright: ignore[reportUnknownArgumentType]
    return int(float(time) * 1_000_000_000)


def _without_credentials(url: str) -> str:
    """Without user, password and query; a password may hold an `@` of its own."""
    url = re.sub(r"[?#].*", "", url)
    url = re.sub(r"^([A-Za-z][\w+.-]*://)[^/]*@", r"\1", url)
    return re.sub(r"^[^/@:]*:[^/]*@(?=[^/@]*:)", "", url)  # git's short form with a password
