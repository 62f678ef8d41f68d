"""Remembers what differed from a commit, as long as nothing is touched that was compared.

To compare a working tree with its commit takes as long as all else of an unchanged snapshot.
"""

import hashlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alf.snapshot.content import SETTLED_NS, signature
from alf.snapshot.pack import write_file
from alf.snapshot.side_files import read_side_file, write_form

_NAME = "alf-git.z"


class GitCache:
    """Comparisons of working trees, in a side file of the store.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._entries: dict[str, Any] = read_side_file(folder / _NAME)
        self._is_new = False

    def get(self, top: Path, head: str, index: Path) -> dict[str, Any] | None:
        """What was remembered of a working tree, or None where something in it was touched.

        Args:
            top: of the working tree.
            head: its commit, or empty.
            index: git's index file.
        """
        entry = self._entries.get(str(top), {})
        try:
            if entry["head"] != head or entry["index"] != _state(index.parent, [index.name])[0]:
                return None
            is_same = entry["files"] == _state(top, entry["paths"])[0]
            return dict(entry["facts"]) if is_same else None
        except (KeyError, TypeError, ValueError):
            return None

    def put(
        self, top: Path, head: str, index: Path, paths: Iterable[str], facts: Mapping[str, Any]
    ) -> None:
        """Remembers facts, unless a file is so young that its time stamp proves nothing.

        Args:
            top: of the working tree.
            head: its commit, or empty.
            index: git's index file.
            paths: every file that was compared, relative to `top`.
            facts: JSON.
        """
        known = list(paths)
        index_state, index_time = _state(index.parent, [index.name])
        files_state, files_time = _state(top, known)
        if time.time_ns() - max(index_time, files_time) > SETTLED_NS:
            self._is_new = True
            self._entries[str(top)] = {
                "head": head,
                "index": index_state,
                "paths": known,
                "files": files_state,
                "facts": dict(facts),
            }

    def save(self) -> None:
        """Writes the side file, if anything is new. It may be lost without harm.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        if self._is_new:
            data = write_form(self._entries)
            write_file(self._folder / _NAME, data, aside=self._folder, sync=False)


def _state(top: Path, paths: Iterable[str]) -> tuple[str, int]:
    """A digest of the status of files, and the latest time in it."""
    digest = hashlib.sha1(usedforsecurity=False)
    latest = 0
    for path in paths:
        found = signature(f"{top}/{path}")
        digest.update(repr((path, found)).encode("utf-8", "surrogateescape"))
        latest = max(latest, *found[1:3]) if found is not None else latest
    return digest.hexdigest(), latest
