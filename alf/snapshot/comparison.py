"""What differs between two snapshots, or between one and the code that an import finds now."""

import difflib
import importlib.machinery
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alf.errors import SnapshotError
from alf.snapshot.capture import CONF_TEXT_NAME
from alf.snapshot.content import read_steadily
from alf.snapshot.exclusions import Limits, holds_private_key, walk_folder
from alf.snapshot.pack import BLOB, object_id
from alf.snapshot.records import Package
from alf.snapshot.store import FILE_MODE, MANIFEST_NAME, Blob, Entry, Store, changes

CURRENT = "current"
_MOST_DIFF_BYTES = 200_000


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        label: a snapshot's id, or `current`.
        files: path -> blob.
        read: gives the content for a path.
    """

    label: str
    files: Mapping[str, Blob]
    read: Callable[[str], bytes]


@dataclass(frozen=True)
class Change:
    """A file that differs.

    Attributes:
        path: where it lies in the snapshot.
        change: `added`, `removed` or `modified`, seen from the first side.
        diff: unified diff, or one line in words for binary and very large files.
    """

    path: str
    change: str
    diff: str


def stored_side(store: Store, entry: Entry) -> Side:
    """A snapshot as one side of a comparison.

    Raises:
        SnapshotError: it is damaged.
    """
    files = store.files(entry.tree)
    return Side(entry.id, files, lambda path: store.read(files[path].id))


def current_side(store: Store, entry: Entry) -> Side:
    """What an import finds now, in this process, for each package that a snapshot holds.

    A package that cannot be found any more is looked for in the folder it was captured from.

    Raises:
        SnapshotError: the manifest is damaged.
    """
    places: dict[str, str] = {}
    for package in store.manifest(entry).packages:
        places |= _current_files(package, store.files(entry.tree))
    conf_text = store.root_dir / CONF_TEXT_NAME
    if conf_text.is_file():
        places[CONF_TEXT_NAME] = str(conf_text)
    files: dict[str, Blob] = {}
    stored = store.files(entry.tree)
    for path, place in places.items():
        try:
            data, _ = read_steadily(place)
        except OSError:
            continue
        if not holds_private_key(data):
            # Whether a file may be executed is no difference in code.
            mode = stored[path].mode if path in stored else FILE_MODE
            files[path] = Blob(object_id(BLOB, data).hex(), mode)
    return Side(CURRENT, files, lambda path: Path(places[path]).read_bytes())


def compare(before: Side, after: Side) -> list[Change]:
    """What differs, sorted by path."""
    return [
        Change(path, change, _diff(path, change, before, after))
        for path, change in changes(before.files, after.files).items()
        if path != MANIFEST_NAME
    ]


def _current_files(package: Package, stored: Mapping[str, Blob]) -> dict[str, str]:
    """Path in the snapshot -> path on the disk."""
    if package.kind == "files":
        found = {path: path.removeprefix(package.name + "/") for path in stored}
        return {
            path: str(Path(package.root, rest))
            for path, rest in found.items()
            if path != rest and Path(package.root, rest).is_file()
        }
    spec = _find(package.import_name or package.name)
    if package.kind == "module":
        file = spec.origin if spec is not None and spec.has_location else None
        return {package.name: file or str(Path(package.root, package.name))}
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    found: dict[str, str] = {}
    for folder in folders or [str(Path(package.root, package.import_name or package.name))]:
        if Path(folder).is_dir() and not _is_elsewhere(folder, package, folders):
            for file in walk_folder(Path(folder), Limits()).files:
                found.setdefault(f"{package.name}/{file.relative}", file.path)
    return found


def _is_elsewhere(folder: str, package: Package, folders: list[str]) -> bool:
    """Whether a namespace package's folder is a part that was not captured (in site-packages)."""
    return len(folders) > 1 and "site-packages" in Path(folder).parts


def _find(name: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _diff(path: str, change: str, before: Side, after: Side) -> str:
    try:
        old = before.read(path) if change != "added" else b""
        new = after.read(path) if change != "removed" else b""
    except OSError as error:
        raise SnapshotError(
            f"'{path}' cannot be read any more ({error.strerror}); it changed during the"
            " comparison. Run it again."
        ) from error
    if old == new:
        return f"{path}: only its mode differs\n"
    if b"\0" in old + new or len(old) + len(new) > _MOST_DIFF_BYTES:
        return f"{path}: {len(old)} bytes before, {len(new)} bytes after, not shown\n"
    first, second = (data.decode("utf-8", "replace").splitlines(True) for data in (old, new))
    lines = difflib.unified_diff(first, second, f"{before.label}/{path}", f"{after.label}/{path}")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
