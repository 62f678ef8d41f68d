"""Reading the objects of a store, of which nothing is believed before it was looked at.

A store may be damaged, or made by somebody who wishes ill: an object may unpack to more than the
memory holds, a tree may lead out of its folder, and ten folders that hold each other may be ten
thousand million files.
"""

import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, FileFormatException
from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID, Tree
from dulwich.pack import PackFileDisappeared, UnresolvedDeltas

from alf.errors import SnapshotError
from alf.snapshot.pack import object_id
from alf.snapshot.records import Entry, Manifest
from alf.snapshot.sizes import MOST_OBJECT_BYTES, largest_size
from alf.snapshot.trees import FOLDER_MODE, MANIFEST_NAME, Blob, checked_items
from alf.snapshot.unpacking import keep_bundles

_MOST_FILES = 300_000
_DEEPEST = 200
_MOST_BYTES = 4 << 30
# What reading a damaged pack can raise.
_DAMAGE = (
    ApplyDeltaError,
    UnresolvedDeltas,
    FileFormatException,
    PackFileDisappeared,
    EOFError,
    OverflowError,
    struct.error,
    ChecksumMismatch,
    zlib.error,
    LookupError,
    ValueError,
    AssertionError,
)


class ObjectReader:
    """Reads commits, trees and files.

    Args:
        path: the repository.
    """

    def __init__(self, path: Path):
        self.path = path
        self._objects = DiskObjectStore(str(path / "objects"))

    def close(self) -> None:
        """Closes the files that are open for reading."""
        self._objects.close()

    def files(self, tree: str) -> dict[str, Blob]:
        """Path -> blob of everything in a tree (40 hexadecimal digits), sorted by path.

        Raises:
            SnapshotError: a tree is damaged, has a path that could lead out of a folder, or more
                files than any code.
        """
        found: dict[str, Blob] = {}
        for path, blob in self._walk(tree, ""):
            found[path] = blob
            # Ten folders, each ten times in the one above, are ten thousand million files.
            if len(found) > _MOST_FILES:
                raise SnapshotError(
                    f"'{self.path}' holds a snapshot of more than {_MOST_FILES:,} files. alf did"
                    " not write it: do not use it."
                )
        return dict(sorted(found.items()))

    def _walk(self, tree: str, prefix: str) -> Iterator[tuple[str, Blob]]:
        if prefix.count("/") > _DEEPEST:
            raise SnapshotError(
                f"'{self.path}' holds folders in folders, {_DEEPEST} deep: '{prefix[:40]}...'. alf"
                " did not write it: do not use it."
            )
        data = self.object(tree, f"folder '{prefix or '/'}'")
        if not isinstance(data, Tree):
            raise SnapshotError(
                f"'{prefix}' in '{self.path}' should be a folder and is not; it is damaged."
            )
        for name, oid, mode in checked_items(data, f"'{self.path}' holds '{prefix}"):
            if mode == FOLDER_MODE:
                yield from self._walk(oid, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", Blob(oid, mode)

    def read(self, blob_id: str) -> bytes:
        """The content of a file by the id of its blob.

        Raises:
            SnapshotError: it is missing or damaged.
        """
        return self.object(blob_id, "file").as_raw_string()

    def manifest(self, entry: Entry) -> Manifest:
        """The manifest of a snapshot.

        Raises:
            SnapshotError: it is missing or damaged.
        """
        tree = self.object(entry.tree, f"tree of snapshot {entry.id}")
        try:
            _, blob_id = cast(Tree, tree)[MANIFEST_NAME.encode("ascii")]
            return Manifest.from_json(json.loads(self.read(blob_id.decode("ascii"))))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise SnapshotError(
                f"'{MANIFEST_NAME}' of snapshot {entry.id} in '{self.path}' cannot be read"
                f" ({error!r}). `alf snapshot verify` says what else is damaged."
            ) from error

    def refuse_bombs(self, blob_ids: Iterable[str]) -> None:
        """Raises if files would take more of the disk than any snapshot does.

        Args:
            blob_ids: of the files, one for each place that a file is to be written to.

        Raises:
            SnapshotError: so it is, or one of them is damaged.
        """
        counts = Counter(blob_ids)
        total = sum(self._unpacked(blob_id) * count for blob_id, count in counts.items())
        if total > _MOST_BYTES:
            raise SnapshotError(
                f"A snapshot in '{self.path}' would take {total / 1e9:,.0f} GB on the disk. alf did"
                " not write it: do not use it."
            )

    def _unpacked(self, name: str) -> int:
        """How many bytes unpacking an object takes, before it is done; 0 if it is in no pack."""
        size = 0
        try:
            for repository in (self._objects, *self._objects.alternates):
                objects = cast(DiskObjectStore, repository)
                keep_bundles(objects)
                size = max(size, largest_size(objects, bytes.fromhex(name)))
        except (*_DAMAGE, OSError) as error:
            raise SnapshotError(
                f"The object {name} in '{self.path}' is damaged ({error!r}). `alf snapshot verify`"
                " names everything that is; restore that file from a backup."
            ) from error
        if size > MOST_OBJECT_BYTES:
            raise SnapshotError(
                f"The object {name} in '{self.path}' would take {size / 1e9:,.1f} GB of memory. alf"
                " did not write it: do not use it."
            )
        return size

    def object(self, name: str, what: str) -> Any:
        """A commit, tree or file of the kind that dulwich makes.

        Args:
            name: 40 hexadecimal digits.
            what: it is to be, for messages.

        Raises:
            SnapshotError: it is missing or damaged.
        """
        self._unpacked(name)
        try:
            return self._objects[ObjectID(name.encode("ascii"))]
        except (*_DAMAGE, OSError) as error:
            raise SnapshotError(
                f"The {what} {name} in '{self.path}' is missing or damaged ({error!r})."
                " `alf snapshot verify` names everything that is; restore that file from a backup."
            ) from error

    def borrows(self, name: str) -> bool:
        """Whether an object is in a store that this one borrows from, and not in this one."""
        oid = ObjectID(name.encode("ascii"))
        return not (self._objects.contains_packed(oid) or self._objects.contains_loose(oid))

    def raw(self, name: str) -> tuple[int, bytes]:
        """The kind and the content of any object.

        Raises:
            SnapshotError: it is missing or damaged.
        """
        self.object(name, "object")
        return self._objects.get_raw(ObjectID(name.encode("ascii")))

    def damage(self, name: str) -> str | None:
        """What is wrong with an object, in words; None if its content still has the name `name`."""
        try:
            self._unpacked(name)
        except SnapshotError as error:
            return str(error)
        try:
            kind, data = self._objects.get_raw(ObjectID(name.encode("ascii")))
        except (*_DAMAGE, OSError) as error:
            return f"missing or unreadable ({error!r})"
        return None if object_id(kind, data).hex() == name else "its content was changed"

    def object_ids(self, entry: Entry) -> Iterable[str]:
        """Every object that a snapshot needs: commit, trees and blobs."""
        yield entry.commit
        pending = [entry.tree]
        seen: set[str] = set()
        while pending:
            tree = pending.pop()
            if tree in seen:
                continue
            seen.add(tree)
            yield tree
            for item in cast(Tree, self.object(tree, "tree")).iteritems():
                oid = (item.sha or b"").decode("ascii")
                if item.mode == FOLDER_MODE:
                    pending.append(oid)
                else:
                    yield oid
