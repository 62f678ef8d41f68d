"""Which objects a repository holds: the names in its pack indices, and those of its loose files.

A snapshot asks for hundreds of objects, almost all of which are there; reading all names at once
takes less time than a few questions.
"""

import struct
from pathlib import Path

_MAGIC = b"\xfftOc\0\0\0\2"  # https://git-scm.com/docs/gitformat-pack, version 2
_NAME_BYTES = 20


def object_names(objects: Path) -> set[bytes]:
    """The names, 20 bytes each, of all objects in the folder `objects` of a repository.

    An index of another version is passed over; what it names counts as not there.
    """
    found: set[bytes] = set()
    for index in (objects / "pack").glob("*.idx"):
        if index.with_suffix(".pack").is_file():
            found |= _indexed_names(index)
    for folder in objects.glob("[0-9a-f][0-9a-f]"):
        for file in folder.iterdir():
            name = folder.name + file.name
            if len(name) == 2 * _NAME_BYTES:
                found.add(bytes.fromhex(name))
    return found


def _indexed_names(index: Path) -> set[bytes]:
    with index.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return set()
        (count,) = struct.unpack(">I", file.read(256 * 4)[-4:])
        names = file.read(count * _NAME_BYTES)
    return {names[i : i + _NAME_BYTES] for i in range(0, len(names), _NAME_BYTES)}
