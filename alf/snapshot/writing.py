"""Writes a snapshot to the store: content, manifest, commit, branch, in this order."""

import builtins
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from alf.snapshot.capture import CONF_TEXT_NAME, PACKAGES_FOLDER, Capture
from alf.snapshot.content import Content, store_anew, store_files
from alf.snapshot.pack import BLOB
from alf.snapshot.records import LeftOut, Manifest, Package
from alf.snapshot.sharing import keep_lent, lending
from alf.snapshot.store import FILE_MODE, MANIFEST_NAME, Blob, Store, now

_MOST_LEFT_OUT = 1000


@dataclass(frozen=True)
class Written:
    """A snapshot that was written.

    Attributes:
        commit: its name, 40 hexadecimal digits.
        manifest: what it says about itself.
        blobs: all of its files, path -> blob.
        files: how many files it has, without the manifest.
        bytes: their size together.
        data: the content of some of them.
    """

    commit: str
    manifest: Manifest
    blobs: Mapping[str, Blob]
    files: int
    bytes: int
    data: Mapping[str, "builtins.bytes"]


@dataclass(frozen=True)
class Base:
    """An earlier snapshot that a new one goes on from: what it holds is not read again.

    Attributes:
        manifest: of the earlier one.
        blobs: its files, path -> blob.
        sizes: of those of its files that are written anew, path -> bytes.
        files: how many files it has, without the manifest.
        bytes: their size together.
    """

    manifest: Manifest
    blobs: Mapping[str, Blob]
    sizes: Mapping[str, int]
    files: int
    bytes: int


NOTHING = Base(Manifest((), (), {}), {}, {}, 0, 0)


def write_snapshot(
    store: Store,
    captured: Capture,
    surroundings: Mapping[str, Any],
    start: dict[str, Any],
    started: float,
    report: Callable[[str], None] | None = None,
    base: Base = NOTHING,
) -> Written:
    """Writes all objects, then moves the branch.

    Args:
        store: where to; its lock is held.
        captured: the files to read.
        surroundings: for the manifest.
        start: what is particular to this start; what was counted and timed is added to it.
        started: `time.perf_counter()` at the beginning.
        report: gets a line each second that storing the files takes, or None.
        base: the snapshot that `captured` is added to.

    Raises:
        OSError: the disk is full or cannot be written.
        SnapshotError: the branch cannot be written.
    """
    parent = store.newest()
    code = dict(captured.files)
    conf_text = {path: code.pop(path) for path in (CONF_TEXT_NAME,) if path in code}
    common = {path: blob for path, blob in base.blobs.items() if path != CONF_TEXT_NAME}
    with lending(store) as lender, contextlib.ExitStack() as stack:
        is_shared = lender is not store
        own = stack.enter_context(store.pack_writer())
        writer = stack.enter_context(lender.pack_writer()) if is_shared else own
        if base is NOTHING:
            content = store_files(code, store, writer, lender.path, report)
        else:  # a few files: what is remembered of all others stays
            content = store_anew(code, store, writer)
        own_content = store_anew(conf_text, store, own)
        manifest = _manifest(base, captured, content, own_content.left_out, surroundings)
        text = to_json_text(manifest.to_json())
        common |= content.blobs
        common[MANIFEST_NAME] = Blob(writer.add(BLOB, text).hex(), FILE_MODE)
        if is_shared:
            keep_lent(lender, common, writer)
            store.look_again()
        files, size = _total(base, content, own_content)
        start |= {
            "files": files,
            "bytes": size,
            "warnings": captured.warnings,
            "seconds": round(time.perf_counter() - started, 3),
        }
        summary, when = _summarize(package.name for package in manifest.packages)
        every = {**base.blobs, **common, **own_content.blobs}
        commit = store.commit(every, summary, start, own, parent, when)
    store.move_main(commit)
    return Written(commit, manifest, every, files, size, content.data)


def to_json_text(data: Mapping[str, Any]) -> bytes:
    """JSON that is the same for the same data, on every platform."""
    return json.dumps(data, indent=1, sort_keys=True).encode("ascii") + b"\n"


def _total(base: Base, *contents: Content) -> tuple[int, int]:
    """How many files the whole snapshot has, and their size together."""
    sizes = {path: size for content in contents for path, size in content.bytes.items()}
    new = [path for path in sizes if path not in base.blobs]
    replaced = sum(base.sizes[path] for path in sizes if path in base.blobs)
    return base.files + len(new), base.bytes + sum(sizes.values()) - replaced


def _summarize(packages: Iterable[str]) -> tuple[str, int]:
    """The first line of the commit message, and the Unix time that it names."""
    when = now()
    stamp = datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")
    return f"snapshot of {', '.join(packages)} at {stamp}", when


def _manifest(
    base: Base,
    captured: Capture,
    content: Content,
    conf_left_out: list[LeftOut],
    surroundings: Mapping[str, Any],
) -> Manifest:
    packages = {package.name: package for package in base.manifest.packages}
    packages |= {n: package for n, package in captured.packages.items() if n not in packages}
    left_out = [
        *base.manifest.left_out,
        *captured.left_out,
        *content.left_out,
        *conf_left_out,
    ]
    return Manifest(_counted(base, packages, content), _shortened(left_out), surroundings)


def _counted(base: Base, packages: Mapping[str, Package], content: Content) -> tuple[Package, ...]:
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for path, size in content.bytes.items():
        name = _package_of(path)
        files[name] += path not in base.blobs
        sizes[name] += size - base.sizes.get(path, 0)
    return tuple(
        replace(package, files=package.files + files[name], bytes=package.bytes + sizes[name])
        for name, package in sorted(packages.items())
    )


def _package_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == PACKAGES_FOLDER else parts[0]


def _shortened(left_out: list[LeftOut]) -> tuple[LeftOut, ...]:
    """At most a thousand lines: a package with a million videos must not make a huge manifest."""
    ordered = sorted(set(left_out), key=lambda item: (item.path, item.reason))
    if len(ordered) <= _MOST_LEFT_OUT:
        return tuple(ordered)
    rest = ordered[_MOST_LEFT_OUT:]
    more = LeftOut(f"({len(rest)} more)", "see the reasons above", sum(r.bytes for r in rest))
    return (*ordered[:_MOST_LEFT_OUT], more)
