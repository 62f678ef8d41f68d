"""Files and folders of a snapshot as git stores them: blobs, and trees of them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dulwich.objects import ObjectID, Tree

from alf.snapshot.pack import TREE, PackWriter

FILE_MODE = 0o100644
EXECUTABLE_MODE = 0o100755
FOLDER_MODE = 0o040000

MANIFEST_NAME = "snapshot.json"


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
