"""A snapshot as git stores it: blobs, trees of them, and a commit."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from dulwich.objects import Commit, ObjectID, Tree

from alf.errors import SnapshotError
from alf.snapshot.exclusions import is_safe_name
from alf.snapshot.pack import TREE, PackWriter
from alf.snapshot.records import Entry

FILE_MODE = 0o100644
EXECUTABLE_MODE = 0o100755
FOLDER_MODE = 0o040000

MANIFEST_NAME = "snapshot.json"
ID_LENGTH = 12


@dataclass(frozen=True)
class Blob:
    """A file in a snapshot: `id` is 40 hexadecimal digits, `mode` one of git's two file modes."""

    id: str
    mode: int


Level = dict[str, "Blob | Level"]


def write_trees(files: Mapping[str, Blob], writer: PackWriter, has: Callable[[str], bool]) -> str:
    """Writes a tree for each folder, and gives the name of the topmost.

    Args:
        files: path in the snapshot -> blob.
        writer: where trees go that are not stored yet, inner ones first.
        has: whether an object (40 hexadecimal digits) is stored.
    """
    return _write_level(_nested(files), writer, has)


def _write_level(level: Level, writer: PackWriter, has: Callable[[str], bool]) -> str:
    tree = Tree()
    for name, item in level.items():
        if isinstance(item, Blob):
            tree.add(os.fsencode(name), item.mode, ObjectID(item.id.encode("ascii")))
        else:
            child = _write_level(item, writer, has)
            tree.add(os.fsencode(name), FOLDER_MODE, ObjectID(child.encode("ascii")))
    name = tree.id.decode("ascii")
    if not has(name):
        writer.add(TREE, tree.as_raw_string(), bytes.fromhex(name))
    return name


def _nested(files: Mapping[str, Blob]) -> Level:
    top: Level = {}
    for path, blob in files.items():
        *folders, name = path.split("/")
        level = top
        for folder in folders:
            child = level.setdefault(folder, {})
            assert isinstance(child, dict), f"{path}: a file and a folder of one name"
            level = child
        level[name] = blob
    return top


def checked_items(tree: Tree, where: str) -> Iterator[tuple[str, str, int]]:
    """What a tree holds: name, object (40 hexadecimal digits) and mode.

    Args:
        tree: of a snapshot.
        where: for the error: the beginning of its first sentence, up to the name.

    Raises:
        SnapshotError: something in it could lead out of the folder that it is written to.
    """
    for item in tree.iteritems():
        name, mode = os.fsdecode(item.path or b""), item.mode or 0
        if not is_safe_name(name) or mode not in (FILE_MODE, EXECUTABLE_MODE, FOLDER_MODE):
            raise SnapshotError(
                f"{where}{name}' (mode {mode:o}), which could lead out of its folder. alf did not"
                " write it: do not use it."
            )
        yield name, (item.sha or b"").decode("ascii"), mode


def read_entry(name: str, commit: Commit) -> Entry:
    """What a commit says of its snapshot.

    Args:
        name: of the commit, 40 hexadecimal digits.
        commit: what is stored of it.
    """
    text = commit.message.decode("ascii", "replace").partition("\n\n")[2]
    try:
        start = json.loads(text)
    except (ValueError, RecursionError):
        start = {}
    when = datetime.fromtimestamp(commit.commit_time, UTC)
    return Entry(
        id=name[:ID_LENGTH],
        commit=name,
        tree=commit.tree.decode("ascii"),
        parent=commit.parents[0].decode("ascii") if commit.parents else None,
        time=when.isoformat().replace("+00:00", "Z"),
        start=cast(dict[str, Any], start) if isinstance(start, dict) else {},
    )


def changes(before: Mapping[str, Blob], after: Mapping[str, Blob]) -> dict[str, str]:
    """What differs between two sets of files: path -> `added`, `removed` or `modified`, sorted."""
    found: dict[str, str] = {}
    for path in sorted({*before, *after} - {MANIFEST_NAME}):
        if path not in before:
            found[path] = "added"
        elif path not in after:
            found[path] = "removed"
        elif before[path] != after[path]:
            found[path] = "modified"
    return found
