"""Takes a snapshot: evidence, files, store, working copy, in this order."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from alf.errors import RootDirError
from alf.snapshot.capture import PACKAGES_FOLDER, capture
from alf.snapshot.exclusions import Limits
from alf.snapshot.git_cache import GitCache
from alf.snapshot.lock import hold_store
from alf.snapshot.records import LeftOut, Package, Snapshot
from alf.snapshot.repository import cannot_write
from alf.snapshot.store import Store
from alf.snapshot.surroundings import describe_surroundings
from alf.snapshot.working_copy import is_on_demand, write_working_copy
from alf.snapshot.writing import write_snapshot


def take(
    root_dir: Path | str,
    *,
    confs: Iterable[Path | str] = (),
    conf_text_path: Path | str | None = None,
    command: Sequence[str] | None = None,
    seed: int | None = None,
    limits: Limits | None = None,
    modules: Mapping[str, ModuleType] | None = None,
    import_path: Iterable[str] | None = None,
    report: Callable[[str], None] | None = None,
) -> Snapshot:
    """Stores the code that this process runs in `<root_dir>/snapshots.git` and beside it.

    Call it once at the start of a job, when the conf was loaded and before training. In a run of a
    search the files beside the store are not written; see `alf.snapshot.working_copy.heal`.

    Args:
        root_dir: the job's folder; made if it is not there.
        confs: the conf and every conf that it loaded.
        conf_text_path: the job's `alf_config.py`, or None where there is none.
        command: the command line; None for that of this process.
        seed: the job's random seed, or None.
        limits: sizes; None for 50 MB a file and 1 GB together.
        modules: what was imported; None for `sys.modules`.
        import_path: where it was found; None for `sys.path`.
        report: gets a line each second that storing the files takes, or None.

    Returns:
        What was stored and what was left out.

    Raises:
        RootDirError: `root_dir` is a file.
        SnapshotError: something that belongs to the job cannot be read, the disk cannot be written,
            or another process is writing to the same store for more than a minute.
    """
    started = time.perf_counter()
    root = Path(root_dir).absolute()
    if root.exists() and not root.is_dir():
        raise RootDirError(f"'{root}' is a file. Give a folder, or one that does not exist yet.")
    with Store(root, create=True) as store, hold_store(store.path):
        captured = capture(
            modules=sys.modules if modules is None else modules,
            import_path=sys.path if import_path is None else import_path,
            confs=[Path(conf) for conf in confs],
            conf_text=None if conf_text_path is None else Path(conf_text_path),
            root_dir=root,
            limits=limits or Limits(),
        )
        git_cache = GitCache(store.path)
        surroundings = describe_surroundings(captured.packages.values(), git_cache)
        start: dict[str, Any] = {
            "command": list(sys.argv if command is None else command),
            "cwd": str(Path.cwd()),
            "seed": seed,
        }
        try:
            done = write_snapshot(store, captured, surroundings, start, started, report)
            git_cache.save()
        except OSError as error:
            cannot_write(store.path, error)
        entry = store.entry(done.commit)
        edits: list[str] = []
        if not is_on_demand(store):
            running = in_place(done.manifest.packages, root)
            edits = write_working_copy(store, entry, running, done.blobs, done.data, report)
        warnings = [*captured.warnings, *(_edit_warning(path) for path in edits)]
        return Snapshot(
            id=entry.id,
            time=entry.time,
            seconds=round(time.perf_counter() - started, 3),
            bytes=done.bytes,
            files=done.files,
            packages=done.manifest.packages,
            left_out=done.manifest.left_out,
            surroundings={**surroundings, **start},
            warnings=tuple(warnings),
        )


def describe(snapshot: Snapshot) -> list[str]:
    """What to tell the user at the start of a job, as lines with their subject in front.

    Returns:
        For example `snapshot  1a2b3c4d5e6f: alf (212 files), my_project (12 files), 1.4 MB, 0.31 s`
        and `left out  my_project/.env (may hold a secret)`.
    """
    held = ", ".join(
        f"{p.name} ({p.files} file{'s' if p.files != 1 else ''})" for p in snapshot.packages
    )
    line = (
        f"snapshot  {snapshot.id}: {held}, {snapshot.bytes / 1e6:.1f} MB, {snapshot.seconds:.2f} s"
    )
    told = describe_left_out(snapshot.left_out)
    lines = [line, f"left out  {told}"] if told else [line]
    return lines + [f"warning   {warning}" for warning in snapshot.warnings]


def describe_left_out(left_out: Iterable[LeftOut]) -> str:
    """Reasons with counts and a first example each; caches are not worth a word."""
    by_reason: defaultdict[str, list[LeftOut]] = defaultdict(list)
    for item in left_out:
        if item.reason != "cache":
            by_reason[item.reason].append(item)
    parts: list[str] = []
    for reason, items in sorted(by_reason.items()):
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        parts.append(f"{items[0].path}{more} ({reason})")
    return ", ".join(parts)


def in_place(packages: Iterable[Package], root_dir: Path) -> list[str]:
    """Names of packages that run from the copy itself, as in a resume with the snapshot's code."""
    places = {root_dir.resolve(), (root_dir / PACKAGES_FOLDER).resolve()}
    return [
        package.name
        for package in packages
        if package.kind != "files" and Path(package.root).resolve() in places
    ]


def _edit_warning(path: str) -> str:
    return (
        f"{path} in the root dir had been edited and was replaced by the code that runs now; the"
        " edited text is kept below refs/edits/ in snapshots.git."
    )
