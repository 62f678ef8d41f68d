"""Keeps what was unpacked last, since small texts are parts of one object (`alf.snapshot.bundle`).

Reading all files of a snapshot would otherwise unpack half a megabyte for each of them: dulwich
keeps what it made of a difference, and not what it made it from.
"""

from collections import OrderedDict
from collections.abc import Callable

from dulwich.object_store import DiskObjectStore
from dulwich.pack import PackData

_MOST_BYTES = 1_000_000  # a bundle has half of it
_MOST_KEPT = 4


def keep_bundles(objects: DiskObjectStore) -> None:
    """Lets a repository's packs remember a few objects that others are made from.

    Args:
        objects: of a repository; those that it borrows from are not looked at.
    """
    for pack in objects.packs:
        data = pack.data
        if "get_object_at" not in vars(data):
            vars(data)["get_object_at"] = _remembering(data)


def _remembering(data: PackData) -> Callable[[int], tuple[int, object]]:
    read = data.get_object_at
    kept: OrderedDict[int, tuple[int, object]] = OrderedDict()

    def get_object_at(offset: int) -> tuple[int, object]:
        if offset in kept:
            kept.move_to_end(offset)
            return kept[offset]
        kind, content = read(offset)
        if not isinstance(content, list):  # a difference, or what was made of one
            return kind, content
        joined = b"".join(content)
        if len(joined) <= _MOST_BYTES:
            kept[offset] = kind, [joined]
            if len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
        return kind, [joined]

    return get_object_at
