"""Reads files into a pack, and remembers what did not change since the last snapshot."""

import builtins
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from alf.snapshot.exclusions import RULES_VERSION, FoundFile, holds_private_key
from alf.snapshot.pack import BLOB, PackWriter, object_id, write_file
from alf.snapshot.progress import Progress
from alf.snapshot.records import LeftOut
from alf.snapshot.side_files import read_side_file, write_form
from alf.snapshot.store import EXECUTABLE_MODE, FILE_MODE, Blob, Store

_CACHE_NAME = "alf-files.z"
# A file that was written this short a time ago can change again without a new time stamp.
SETTLED_NS = 2_000_000_000
_ATTEMPTS = 3
_KEPT_BYTES = 64_000_000

_Signature = tuple[int, int, int, int]


@dataclass
class Content:
    """What `store_files` did.

    Attributes:
        blobs: path in the snapshot -> where its content is stored.
        left_out: files that turned out to be secret, unreadable or gone.
        bytes: size of the stored files, path in the snapshot -> bytes.
        data: what was read, path in the snapshot -> content, as far as there is room for it.
    """

    blobs: dict[str, Blob] = field(default_factory=dict[str, Blob])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    bytes: dict[str, int] = field(default_factory=dict[str, int])
    data: dict[str, "builtins.bytes"] = field(default_factory=dict[str, "builtins.bytes"])
    _room: int = _KEPT_BYTES

    def keep(self, path: str, data: "builtins.bytes") -> None:
        """Keeps what was read, if there is room for it."""
        if len(data) <= self._room:
            self._room -= len(data)
            self.data[path] = data


def store_files(
    files: Mapping[str, FoundFile],
    store: Store,
    pack: PackWriter,
    cache_folder: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Content:
    """Adds the content of files to a pack; files that did not change since last time are not read.

    Args:
        files: path in the snapshot -> file.
        store: where earlier content is.
        pack: where new content goes.
        cache_folder: where to remember the status of the files; None for the folder of the store.
        report: gets a line each second that it takes, or None.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    folder = store.path if cache_folder is None else cache_folder
    cache = FileCache.load(folder)
    size = sum(file.status.st_size for file in files.values())
    progress = Progress("stored", len(files), size, report)
    content = _store_all(files, store, pack, cache, progress)
    cache.keep(file.path for file in files.values())
    cache.save(folder)
    return content


def store_anew(files: Mapping[str, FoundFile], store: Store, pack: PackWriter) -> Content:
    """As `store_files`, but reads every file, and remembers none.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    return _store_all(files, store, pack, FileCache({}), Progress("stored", len(files)))


def _store_all(
    files: Mapping[str, FoundFile],
    store: Store,
    pack: PackWriter,
    cache: "FileCache",
    progress: Progress,
) -> Content:
    content = Content()
    for path, file in files.items():
        progress.next(file.status.st_size)
        blob_id = cache.blob_id(file.path, file.status)
        size = file.status.st_size
        if blob_id is None or not store.has(blob_id):
            try:
                data, status = read_steadily(file.path)
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}"
                content.left_out.append(LeftOut(path, reason, size))
                continue
            if holds_private_key(data):
                content.left_out.append(LeftOut(path, "holds a private key", len(data)))
                continue
            name = object_id(BLOB, data)
            blob_id, size = name.hex(), len(data)
            if not store.has(blob_id):
                pack.add(BLOB, data, name)
            cache.note(file.path, status, blob_id)
            content.keep(path, data)
        is_executable = os.name == "posix" and bool(file.status.st_mode & 0o111)
        content.blobs[path] = Blob(blob_id, EXECUTABLE_MODE if is_executable else FILE_MODE)
        content.bytes[path] = size
    return content


def read_steadily(path: str) -> tuple[bytes, os.stat_result]:
    """Reads a file so that all of it is from one moment.

    Returns:
        Its content, and its status while it was read.

    Raises:
        OSError: it cannot be read, or changes all the time.
    """
    for _ in range(_ATTEMPTS):
        with Path(path).open("rb") as file:
            before = os.fstat(file.fileno())
            data = file.read()
            after = os.fstat(file.fileno())
        if _signature(before) == _signature(after) and len(data) == after.st_size:
            return data, after
    raise OSError("it changes while it is read")


class FileCache:
    """Status of files on the disk -> blob, in a side file of the store.

    Args:
        entries: absolute path -> `[size, mtime_ns, ctime_ns, inode, blob id]`.
    """

    def __init__(self, entries: dict[str, list[Any]]):
        self._entries = entries
        self._fresh = False
        self._now_ns = time.time_ns()

    @classmethod
    def load(cls, folder: Path) -> "FileCache":
        """Reads the side file in `folder`; a missing or damaged one counts as empty."""
        known = read_side_file(folder / _CACHE_NAME)
        entries = known.get("files")
        if known.get("rules_version") != RULES_VERSION or not isinstance(entries, dict):
            return cls({})
        listed = cast(dict[str, Any], entries)
        return cls({path: entry for path, entry in listed.items() if _is_entry(entry)})

    def blob_id(self, path: str, status: os.stat_result) -> str | None:
        """The blob of a file if it is certain that the file did not change; else None."""
        entry = self._entries.get(path)
        if entry is None or tuple(entry[:4]) != _signature(status):
            return None
        return str(entry[4])

    def note(self, path: str, status: os.stat_result, blob_id: str) -> None:
        """Remembers a file, unless it is so young that its time stamp proves nothing."""
        self._fresh = True
        self._entries.pop(path, None)
        if self._now_ns - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS:
            self._entries[path] = [*_signature(status), blob_id]

    def keep(self, paths: Iterable[str]) -> None:
        """Forgets everything but these files."""
        wanted = set(paths)
        gone = [path for path in self._entries if path not in wanted]
        self._fresh = self._fresh or bool(gone)
        for path in gone:
            del self._entries[path]

    def save(self, folder: Path) -> None:
        """Writes the side file, if anything is new. It may be lost without harm."""
        if self._fresh:
            data = {"rules_version": RULES_VERSION, "files": self._entries}
            write_file(folder / _CACHE_NAME, write_form(data), aside=folder, sync=False)


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, list):
        return False
    items = cast(list[object], entry)
    return len(items) == 5 and re.fullmatch("[0-9a-f]{40}", str(items[4])) is not None


def _signature(status: os.stat_result) -> _Signature:
    # The change time catches tools that set the modification time back (rsync -t, cp -p).
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def signature(path: str) -> tuple[int, int, int, int] | None:
    """Size, modification and change time in ns, and inode of a file; None where there is none."""
    try:
        return _signature(os.stat(path))  # noqa: PTH116 -- called for thousands of files
    except OSError:
        return None
