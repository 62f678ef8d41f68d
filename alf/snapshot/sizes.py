"""How large an object of a repository says that it is, read from its head without unpacking it.

A few hundred bytes can unpack to gigabytes: zeros compress a thousandfold, and a difference
from another object can copy it ten thousand times. So sizes are looked at before content is.
The formats: https://git-scm.com/docs/gitformat-pack
"""

import zlib
from pathlib import Path
from typing import IO

from dulwich.object_store import DiskObjectStore
from dulwich.pack import Pack

MOST_OBJECT_BYTES = 1 << 29
"""Ten times the largest file that a snapshot takes."""

_OFFSET_DELTA, _NAMED_DELTA = 6, 7
_NAME_BYTES = 20
_HEAD_BYTES = 512
_LONGEST_CHAIN = 4096  # what git writes at most


def largest_size(objects: DiskObjectStore, name: bytes) -> int:
    """The most bytes that unpacking a packed object takes at once, what it differs from included.

    Args:
        objects: of a repository; those that it borrows from are not looked at.
        name: of the object, 20 bytes.

    Returns:
        0 where the object is in no pack.

    Raises:
        ValueError: what stands at its place is no object.
        OSError: the pack cannot be read.
    """
    for pack in objects.packs:
        try:
            offset = pack.index.object_offset(name)  # pyright: ignore[reportArgumentType]
        except KeyError:
            continue
        with Path(pack.data.path).open("rb") as file:
            return _largest_in_chain(pack, file, offset)
    return 0


def _largest_in_chain(pack: Pack, file: IO[bytes], offset: int) -> int:
    largest = 0
    for _ in range(_LONGEST_CHAIN):
        size, base = _read_head(pack, file, offset)
        largest = max(largest, size)
        if base is None:
            return largest
        offset = base
    raise ValueError("differences from differences without end")


def _read_head(pack: Pack, file: IO[bytes], offset: int) -> tuple[int, int | None]:
    """The size of an object, and where the one begins that it differs from, if any."""
    file.seek(offset)
    head = file.read(_HEAD_BYTES)
    try:
        kind, size = (head[0] >> 4) & 7, head[0] & 15
        rest, place = (0, 1) if head[0] < 0x80 else _number(head, 1)
        size |= rest << 4
        if kind == _OFFSET_DELTA:
            distance, place = _distance(head, place)
            base = offset - distance
        elif kind == _NAMED_DELTA:
            named = head[place : place + _NAME_BYTES]
            base = pack.index.object_offset(named)  # pyright: ignore[reportArgumentType]
            place += _NAME_BYTES
        else:
            return size, None
        # A difference begins with the sizes of what it is made from and of what it makes.
        start = zlib.decompressobj().decompress(head[place:], 40)
        before, place = _number(start, 0)
        after, _ = _number(start, place)
    except (IndexError, KeyError, zlib.error) as error:
        raise ValueError(f"its head is damaged ({error!r})") from error
    return max(size, before, after), base


def _number(data: bytes, place: int) -> tuple[int, int]:
    """7 bits a byte, lowest first; the highest bit says that more follow. Also what comes next."""
    number = shift = 0
    while True:
        number |= (data[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if data[place - 1] < 0x80:
            return number, place


def _distance(data: bytes, place: int) -> tuple[int, int]:
    """7 bits a byte, highest first, each byte but the last one more than its bits."""
    number = data[place] & 0x7F
    while data[place] >= 0x80:
        place += 1
        number = ((number + 1) << 7) | (data[place] & 0x7F)
    return number, place + 1
