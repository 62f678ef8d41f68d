"""Writes objects to a git repository in one pack: all of them are there, or none.

The pack format is https://git-scm.com/docs/gitformat-pack. It is written here and not by a library,
because a snapshot needs three things together: no time lost on data that cannot be compressed, a
flush to the disk before anything refers to the objects, and the index last, since git sees no pack
without one. A few small objects, which an index would outweigh, go to files of their own instead,
and small texts are compressed together (`alf.snapshot.bundle`).
"""

# Two hundred small files a snapshot: with Path each takes three times as long.
# ruff: noqa: PTH105, PTH108

import contextlib
import hashlib
import itertools
import os
import secrets
import struct
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from alf.snapshot.bundle import OFFSET_DELTA, Bundle, belongs_in_bundle, distance

COMMIT, TREE, BLOB = 1, 2, 3
_TYPE_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
_ZLIB_LEVEL = 5  # 6 takes a third more time for a hundredth less bytes
_SAMPLE_BYTES = 16_384
_FEW_OBJECTS = 8
_FEW_BYTES = 65_536
_WAITING_BYTES = 100_000_000
_CHUNK = 1 << 20
TEMPORARY_PREFIX = "tmp_alf_"
_TOKEN = secrets.token_hex(6)
_NUMBERS = itertools.count()


def object_id(kind: int, data: bytes) -> bytes:
    """The 20 bytes by which git names this content.

    Args:
        kind: `COMMIT`, `TREE` or `BLOB`.
        data: the content, without git's header.
    """
    header = b"%s %d\0" % (_TYPE_NAMES[kind], len(data))
    return hashlib.sha1(header + data, usedforsecurity=False).digest()


def sync_folder(folder: Path) -> None:
    """Makes renames in `folder` survive a power cut, where the platform can."""
    if os.name != "posix":
        return  # Windows cannot open a folder; its renames are journalled.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path | str, data: bytes, *, aside: Path | str, sync: bool = True) -> None:
    """Writes a file whole or not at all.

    Args:
        path: the file; an existing one is replaced.
        data: its content.
        aside: an existing folder on the same file system, where a reader takes no notice of
            temporary files.
        sync: flush to the disk first, so that a power cut leaves no empty file of this name. The
            folder is not flushed: file systems keep the order of renames, so that whatever refers
            to this file is lost with it.
    """
    temporary = f"{aside}{os.sep}{TEMPORARY_PREFIX}{os.getpid()}_{_TOKEN}_{next(_NUMBERS)}"
    try:
        with open(temporary, "xb", buffering=0) as file:  # noqa: PTH123
            file.write(data)
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


class _Waiting(NamedTuple):
    """An object that is being compressed, and the differences from it that are to follow it."""

    oid: bytes
    header: bytes
    size: int
    work: Future[bytes]
    copies: list[tuple[bytes, bytes]]


class PackWriter:
    """Collects objects in a temporary file; `finish` makes them part of the repository.

    Use as a context manager: left without `finish`, it removes what it wrote.

    An object must be added after those that it refers to: should there be but a few, each gets a
    file of its own, in this order, and who is killed in between leaves none that lacks another.

    Args:
        folder: `objects/pack` of the repository.
        finished: called once the objects are there, with the names (40 hexadecimal digits) of those
            that nobody added, and whose parts others are.
    """

    def __init__(self, folder: Path, finished: Callable[[list[str]], None] = lambda _: None):
        self._folder = folder
        self._finished = finished
        self._names: set[bytes] = set()
        # oid -> (offset in the pack, crc32 of the packed bytes)
        self._entries: dict[bytes, tuple[int, int]] = {}
        self._offset = 12
        # What was added, as long as it is little.
        self._few: list[tuple[bytes, int, bytes]] | None = []
        # What is being compressed, in the order of the pack.
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "alf-pack")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._bundle = Bundle()
        self._bundled: list[str] = []
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=".pack", dir=folder)
        self._path = Path(name)
        self._file: BinaryIO = os.fdopen(handle, "w+b")
        self._file.write(bytes(12))  # the header, written when the count is known

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __contains__(self, oid: bytes) -> bool:
        return oid in self._names

    def __len__(self) -> int:
        return len(self._names)

    def add(self, kind: int, data: bytes, oid: bytes | None = None) -> bytes:
        """Adds an object, once.

        Args:
            kind: `COMMIT`, `TREE` or `BLOB`.
            data: its content.
            oid: its name if it is known already, or None.

        Returns:
            Its name, 20 bytes.
        """
        oid = object_id(kind, data) if oid is None else oid
        if oid in self._names:
            return oid
        self._names.add(oid)
        if self._few is None:
            self._pack(oid, kind, data)
            return oid
        self._few.append((oid, kind, data))
        size = sum(len(content) for _, _, content in self._few)
        if len(self._few) > _FEW_OBJECTS or size > _FEW_BYTES:
            for item in self._few:
                self._pack(*item)
            self._few = None
        return oid

    def _pack(self, oid: bytes, kind: int, data: bytes) -> None:
        """Puts an object into the pack, alone or together with others."""
        if kind == BLOB and belongs_in_bundle(data):
            self._bundle.add(oid, data)
            if self._bundle.is_full:
                self._pack_bundle()
        else:
            self._compress(oid, kind, data)

    def _pack_bundle(self) -> None:
        bundle, self._bundle = self._bundle, Bundle()
        if bundle.is_worth_it:
            joined = bundle.joined()
            oid = object_id(BLOB, joined)
            self._bundled.append(oid.hex())
            self._compress(oid, BLOB, joined, bundle.copies())
        else:
            for oid, data in bundle.members:
                self._compress(oid, BLOB, data)

    def _compress(
        self, oid: bytes, kind: int, data: bytes, copies: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Has an object compressed, and writes what is ready."""
        work = self._pool.submit(_compressed, data)
        header = _entry_header(kind, len(data))
        self._waiting.append(_Waiting(oid, header, len(data), work, list(copies)))
        self._waiting_bytes += len(data)
        while self._waiting_bytes > _WAITING_BYTES or (
            self._waiting and self._waiting[0].work.done()
        ):
            self._write_next()

    def _write_next(self) -> None:
        item = self._waiting.popleft()
        self._waiting_bytes -= item.size
        start = self._offset
        self._write(item.oid, item.header + item.work.result())
        for oid, difference in item.copies:
            header = _entry_header(OFFSET_DELTA, len(difference)) + distance(self._offset - start)
            self._write(oid, header + zlib.compress(difference))

    def _write(self, oid: bytes, packed: bytes) -> None:
        self._file.write(packed)
        self._entries[oid] = (self._offset, zlib.crc32(packed))
        self._offset += len(packed)

    def finish(self) -> None:
        """Makes all objects visible at once. Without any, nothing is written.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        if self._few is not None:
            self._write_few(self._few)
            self._finished([])
            return
        self._pack_bundle()
        while self._waiting:
            self._write_next()
        self._file.seek(0)
        self._file.write(b"PACK" + struct.pack(">II", 2, len(self._entries)))
        checksum = self._digest()
        self._file.write(checksum)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

        name = hashlib.sha1(b"".join(sorted(self._entries)), usedforsecurity=False).hexdigest()
        pack = self._folder / f"pack-{name}.pack"
        index = self._folder / f"pack-{name}.idx"
        self._path.chmod(0o444)
        self._path.replace(pack)
        write_file(index, _index_bytes(self._entries, checksum), aside=self._folder)
        self._finished(self._bundled)

    def _write_few(self, few: Iterable[tuple[bytes, int, bytes]]) -> None:
        """Writes each object to a file, as git does: `objects/ab/cdef...`."""
        for oid, kind, data in few:
            path = self._folder.parent / oid.hex()[:2] / oid.hex()[2:]
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                content = b"%s %d\0" % (_TYPE_NAMES[kind], len(data)) + data
                write_file(path, zlib.compress(content, 9), aside=self._folder)

    def _digest(self) -> bytes:
        digest = hashlib.sha1(usedforsecurity=False)
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            digest.update(chunk)
        return digest.digest()


def remove_leftovers(folder: Path) -> None:
    """Removes temporary files of writers that were killed. Call it while no other one writes."""
    for path in folder.glob(TEMPORARY_PREFIX + "*"):
        path.unlink(missing_ok=True)


def _compressed(data: bytes) -> bytes:
    """In zlib's format; without effort for what is compressed already, as images and films are."""
    level = _ZLIB_LEVEL
    if len(data) > 2 * _SAMPLE_BYTES:
        middle = len(data) // 2
        sample = data[middle : middle + _SAMPLE_BYTES]
        level = 0 if len(zlib.compress(sample, 1)) > 0.97 * len(sample) else _ZLIB_LEVEL
    return zlib.compress(data, level)


def _entry_header(kind: int, size: int) -> bytes:
    """Type and size of an object: 4 bits of size in the first byte, then 7 a byte, lowest first."""
    byte = (kind << 4) | (size & 0x0F)
    size >>= 4
    header = bytearray()
    while size:
        header.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    header.append(byte)
    return bytes(header)


def _index_bytes(entries: dict[bytes, tuple[int, int]], checksum: bytes) -> bytes:
    """A version 2 index: fan-out, names, crc32, offsets, and 64-bit offsets past 2 GiB."""
    names = sorted(entries)
    counts = [0] * 256
    for name in names:
        counts[name[0]] += 1
    fan_out: list[int] = []
    for count in counts:
        fan_out.append(count + (fan_out[-1] if fan_out else 0))

    large: list[int] = []
    offsets: list[int] = []
    for name in names:
        offset = entries[name][0]
        if offset < 0x80000000:
            offsets.append(offset)
        else:
            offsets.append(0x80000000 | len(large))
            large.append(offset)

    data = b"".join(
        (
            b"\xfftOc" + struct.pack(">I", 2),
            struct.pack(">256I", *fan_out),
            b"".join(names),
            struct.pack(f">{len(names)}I", *(entries[name][1] for name in names)),
            struct.pack(f">{len(names)}I", *offsets),
            struct.pack(f">{len(large)}Q", *large),
            checksum,
        )
    )
    return data + hashlib.sha1(data, usedforsecurity=False).digest()
