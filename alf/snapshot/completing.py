"""Completes a snapshot by what a job imports after it was taken.

A job may import code late: an environment that is only needed for evaluation, a loss that a
schedule turns on. The evidence for it comes after the snapshot. What the job had imported before
stays as it was captured then, since that text is what runs, whatever became of the files.
"""

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from alf.errors import SnapshotError
from alf.snapshot.capture import Capture, add_source, below, fit, missing_code, place
from alf.snapshot.content import read_steadily
from alf.snapshot.evidence import LoadedModule, Source, find_sources, loaded_modules
from alf.snapshot.exclusions import FoundFile, Limits, file_reason, walk_folder
from alf.snapshot.lock import hold_store
from alf.snapshot.pack import BLOB, object_id
from alf.snapshot.records import Entry, LeftOut, Manifest, Package, Snapshot
from alf.snapshot.repository import cannot_write
from alf.snapshot.store import MANIFEST_NAME, Blob, Store
from alf.snapshot.surroundings import describe_surroundings
from alf.snapshot.taking import in_place
from alf.snapshot.working_copy import is_on_demand, write_working_copy
from alf.snapshot.writing import Base, write_snapshot


class LateImports:
    """Watches what a job imports once its snapshot is taken. Make it right after `take`.

    Args:
        root_dir: the job's folder.
        snapshot_id: what `take` returned.
        limits: sizes; None for those of `take`.
        modules: what is imported; None for `sys.modules`.
        import_path: where it is found; None for `sys.path`.

    Attributes:
        snapshot_id: the snapshot that holds all that was seen.
    """

    def __init__(
        self,
        root_dir: Path | str,
        snapshot_id: str,
        limits: Limits | None = None,
        modules: Mapping[str, ModuleType] | None = None,
        import_path: Iterable[str] | None = None,
    ):
        self.snapshot_id = snapshot_id
        self._root_dir = Path(root_dir).absolute()
        self._limits = limits or Limits()
        self._modules = sys.modules if modules is None else modules
        self._import_path = sys.path if import_path is None else import_path
        self._seen = set(self._modules)
        self._looked = time.time()

    def complete(self) -> Snapshot | None:
        """Adds what was imported since the last call to a new snapshot.

        Takes a fraction of a millisecond where nothing was imported. A call that fails can be
        repeated.

        Returns:
            The new snapshot, which holds everything of the earlier one too; None where that holds
            all that was imported. `warnings` are those of the addition.

        Raises:
            SnapshotError: a package cannot be read, or the disk cannot be written.
        """
        new = [name for name in list(self._modules) if name not in self._seen]
        if not new:
            self._looked = time.time()
            return None
        now = time.time()
        late = loaded_modules({n: self._modules[n] for n in new if n in self._modules})
        try:
            snapshot = self._take_late(late) if late else None
        except OSError as error:
            raise SnapshotError(
                f"What was imported late cannot be read: {error}. Make it readable; it is tried"
                " again at the next checkpoint."
            ) from error
        self._seen.update(new)
        self._looked = now
        return snapshot

    def _take_late(self, late: list[LoadedModule]) -> Snapshot | None:
        started = time.perf_counter()
        with Store(self._root_dir) as store, hold_store(store.path):
            earlier = _Earlier.load(store, self.snapshot_id)
            found = Capture()
            for source, files in self._sources(late):
                _add(found, source, files, earlier, self._limits, self._root_dir)
            changed = sorted(path for path in found.files if path in earlier.blobs)
            self._fit(found, earlier)
            if not found.files and not found.left_out:
                return None
            found.warnings += missing_code(found.left_out)
            found.warnings += [_unsure_warning(path) for path in self._unsure(found, late)]
            facts = {
                "completes": earlier.entry.id,
                "late_modules": sorted(module.name for module in late),
                "changed": changed,
            }
            snapshot = _write(store, earlier, found, facts, started)
        self.snapshot_id = snapshot.id
        return snapshot

    def _sources(self, late: list[LoadedModule]) -> list[tuple[Source, list[Path]]]:
        """Every package, module or folder of files that something late is in, with those files."""
        files = {module.file.resolve(): module.file for module in late}
        # All modules, not the late ones alone: those tell which package a file belongs to.
        sources = find_sources(dict(self._modules), (), self._import_path)
        found: list[tuple[Source, list[Path]]] = []
        for source in sources:
            folders = [(root / source.name).resolve() for root in source.roots]
            only = {file.resolve() for file in source.only}
            inside = [
                file
                for real, file in files.items()
                if (real in only if only else any(real.is_relative_to(f) for f in folders))
            ]
            if inside:
                found.append((source, inside))
        return found

    def _fit(self, found: Capture, earlier: "_Earlier") -> None:
        left = max(0, self._limits.total_bytes - int(earlier.entry.start.get("bytes", 0)))
        fit(found, replace(self._limits, total_bytes=left))

    def _unsure(self, found: Capture, late: list[LoadedModule]) -> list[str]:
        """Late modules whose file was written since the last look: before the import, or after?"""
        files = {str(module.file.resolve()) for module in late}
        return sorted(
            path
            for path, file in found.files.items()
            if file.path in files and file.status.st_mtime > self._looked
        )


@dataclass(frozen=True)
class _Earlier:
    """The snapshot that is completed."""

    entry: Entry
    manifest: Manifest
    blobs: Mapping[str, Blob]

    @classmethod
    def load(cls, store: Store, name: str) -> "_Earlier":
        entry = store.resolve(name)
        blobs = store.files(entry.tree)
        blobs.pop(MANIFEST_NAME, None)
        return cls(entry, store.manifest(entry), blobs)

    def package(self, source: Source) -> Package | None:
        """Where a source was captured, or None."""
        for package in self.manifest.packages:
            if package.kind != source.kind:
                continue
            if source.kind == "files" and package.root == str(source.roots[0]):
                return package
            if source.kind != "files" and package.import_name == source.name.removesuffix(".py"):
                return package
        return None


def describe_completion(snapshot: Snapshot) -> list[str]:
    """What to tell the user of a snapshot that `LateImports.complete` returned, as lines."""
    facts = snapshot.surroundings
    names: list[str] = list(facts["late_modules"])
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    lines = [f"snapshot  {snapshot.id}: completes {facts['completes']} by {shown}, imported since"]
    lines += [
        f"snapshot  {path} had been edited before it was imported: the new text is in it"
        for path in facts["changed"]
    ]
    return lines + [f"warning   {warning}" for warning in snapshot.warnings]


def _add(
    found: Capture,
    source: Source,
    files: list[Path],
    earlier: _Earlier,
    limits: Limits,
    root_dir: Path,
) -> None:
    """Adds what is new of a source."""
    package = earlier.package(source)
    if package is None:
        taken = {p.name: p for p in earlier.manifest.packages} | found.packages
        whole = replace(source, only=tuple(f.resolve() for f in files)) if source.only else source
        add_source(found, whole, place(source, taken), limits, root_dir)
        return
    for file in files:
        path = package.name
        if source.kind == "package":
            path += f"/{below(file, source).as_posix()}"
        elif source.kind == "files":
            path += f"/{file.name}"
        _add_file(found, path, file.resolve(), earlier, limits)
    for root in source.roots if source.kind == "package" and not source.only else ():
        if str(root) != package.root and any(file.is_relative_to(root) for file in files):
            # Another part of a namespace package: nothing of it may have been there before.
            walk = walk_folder(root / source.name, limits, skip=root_dir)
            for item in walk.files:
                path = f"{package.name}/{item.relative}"
                if path not in earlier.blobs:
                    found.files.setdefault(path, item)


def _add_file(found: Capture, path: str, file: Path, earlier: _Earlier, limits: Limits) -> None:
    """Adds a file, unless the earlier snapshot holds the same."""
    try:
        data, status = read_steadily(str(file))
    except OSError as error:
        found.left_out.append(LeftOut(path, f"cannot be read: {error.strerror or error}", 0))
        return
    known = earlier.blobs.get(path)
    if known is not None and known.id == object_id(BLOB, data).hex():
        return
    reason = file_reason(file.name, status.st_size, limits)
    if reason is None:
        found.files[path] = FoundFile(path, str(file), status)
    elif path not in {item.path for item in earlier.manifest.left_out}:
        found.left_out.append(LeftOut(path, reason, status.st_size))


def _write(
    store: Store,
    earlier: _Earlier,
    found: Capture,
    facts: Mapping[str, Any],
    started: float,
) -> Snapshot:
    old = earlier.manifest
    around = dict(old.surroundings)
    if found.packages:
        sources = describe_surroundings(found.packages.values())["sources"]
        around["sources"] = {**around.get("sources", {}), **sources}
    start = {**earlier.entry.start, **facts}
    sizes = {p: len(store.read(earlier.blobs[p].id)) for p in found.files if p in earlier.blobs}
    base = Base(
        old,
        earlier.blobs,
        sizes,
        int(earlier.entry.start.get("files", 0)),
        int(earlier.entry.start.get("bytes", 0)),
    )
    try:
        done = write_snapshot(store, found, around, start, started, base=base)
    except OSError as error:
        cannot_write(store.path, error)
    entry = store.entry(done.commit)
    if not is_on_demand(store):
        # What is edited in the copy while the job runs is none of the new files, and stays.
        same = [path for path in earlier.blobs if path not in found.files]
        running = in_place(done.manifest.packages, store.root_dir)
        write_working_copy(store, entry, [*same, *running])
    return Snapshot(
        id=entry.id,
        time=entry.time,
        seconds=round(time.perf_counter() - started, 3),
        bytes=done.bytes,
        files=done.files,
        packages=done.manifest.packages,
        left_out=done.manifest.left_out,
        surroundings={**around, **start},
        warnings=tuple(found.warnings),
    )


def _unsure_warning(path: str) -> str:
    return (
        f"{path} was imported and changed since the checkpoint before: the snapshot holds the text"
        " of now, and the job may run an older one."
    )
