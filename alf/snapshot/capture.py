"""Turns evidence into a list of files: what lies where in the snapshot, and what was left out."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from alf.errors import SnapshotError
from alf.snapshot.evidence import LoadedModule, Source, find_sources, loaded_modules
from alf.snapshot.exclusions import (
    FoundFile,
    Limits,
    Walk,
    file_reason,
    fit_total,
    walk_folder,
)
from alf.snapshot.records import LeftOut, Package

CONF_TEXT_NAME = "alf_config.py"
PACKAGES_FOLDER = "packages"
# What a root dir holds besides code; a package of such a name moves to `packages/`.
_TAKEN_NAMES = frozenset(
    ("train", "eval", "packages", "snapshots.git", "snapshot.json", "alf_config.py")
)
_ALF_FOLDER = Path(__file__).resolve().parent.parent
_FIRST_SEEN = time.time()


@dataclass
class Capture:
    """What a snapshot will hold.

    Attributes:
        files: path in the snapshot -> the file to read.
        packages: where the files come from, without their counts.
        left_out: what is not taken; paths in the snapshot.
        warnings: sentences for the user.
    """

    files: dict[str, FoundFile] = field(default_factory=dict[str, FoundFile])
    packages: dict[str, Package] = field(default_factory=dict[str, Package])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])
    warnings: list[str] = field(default_factory=list[str])


def capture(
    modules: Mapping[str, ModuleType],
    import_path: Iterable[str],
    confs: Iterable[Path],
    conf_text: Path | None,
    root_dir: Path,
    limits: Limits,
) -> Capture:
    """Finds every file that belongs to the job.

    Args:
        modules: usually `sys.modules`.
        import_path: usually `sys.path`.
        confs: the conf and all that it loaded. Sibling files `*_conf.py` come along.
        conf_text: the job's `alf_config.py`, or None where there is none.
        root_dir: the job's folder, never captured itself.
        limits: sizes.

    Raises:
        SnapshotError: a conf or the `alf` package cannot be read.
    """
    found = Capture()
    modules = _without(modules, conf_text)
    sources = find_sources(modules, _with_siblings(confs), import_path)
    if not any(source.name == "alf" and source.kind == "package" for source in sources):
        # It was installed into site-packages, or this is the first that is imported of it.
        sources.insert(0, Source("alf", "package", (_ALF_FOLDER.parent,)))
    for source in sources:
        add_source(found, source, place(source, found.packages), limits, root_dir)
    if conf_text is not None:
        found.files[CONF_TEXT_NAME] = _conf_text(conf_text)
    fit(found, limits)
    found.warnings += _changed_since_start(loaded_modules(modules), found)
    found.warnings += missing_code(found.left_out)
    return found


def add_source(found: Capture, source: Source, name: str, limits: Limits, root_dir: Path) -> None:
    """Adds all that belongs to a source.

    Args:
        found: gets its files, and what is left out.
        source: what to take.
        name: where it lies in the snapshot.
        limits: sizes; only `file_bytes` is used here, `fit` applies the other.
        root_dir: the job's folder, never captured itself.

    Raises:
        SnapshotError: it cannot be read.
    """
    found.packages[name] = Package(name, source.kind, str(source.roots[0]), 0, 0)
    for walk in _walks(source, limits, root_dir):
        _merge(found, name, walk, is_single=source.kind == "module")


def missing_code(left_out: Iterable[LeftOut]) -> list[str]:
    """A warning for each source file that was left out."""
    return [
        f"{item.path} was not taken ({item.reason}); playing with this snapshot may miss it."
        for item in left_out
        if item.path.endswith(".py")
    ]


def _without(modules: Mapping[str, ModuleType], conf_text: Path | None) -> dict[str, ModuleType]:
    """The modules but for the job's `alf_config.py`, which is stored under its own name."""
    return {
        name: module
        for name, module in list(modules.items())
        if conf_text is None or getattr(module, "__file__", None) != str(conf_text.resolve())
    }


def _with_siblings(confs: Iterable[Path]) -> list[Path]:
    """Confs and their siblings `*_conf.py`; never more of a folder that may be somebody's home."""
    found: dict[Path, None] = {}
    for conf in confs:
        path = Path(conf).resolve()
        if not path.is_file():
            raise SnapshotError(
                f"The conf '{conf}' is gone, so that it cannot be taken into the snapshot. Start"
                " the job again with a conf that stays where it is."
            )
        found[path] = None
        found |= dict.fromkeys(p for p in sorted(path.parent.glob("*_conf.py")) if p.is_file())
    return list(found)


def place(source: Source, taken: Mapping[str, Package]) -> str:
    """Where a source lies in the snapshot. Packages keep their names; folders of files may not.

    Args:
        source: what is to be taken.
        taken: what is there already, by its place.
    """
    name = source.name
    if name in _TAKEN_NAMES or (source.kind != "files" and name in taken):
        name = f"{PACKAGES_FOLDER}/{name}"
    if source.kind != "files":
        return name
    number = 1
    unique = name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique


def _walks(source: Source, limits: Limits, root_dir: Path) -> Iterable[Walk]:
    """What lies in each root of a source; the first wins where two have the same file."""
    if not source.only:
        for root in source.roots:
            try:
                yield walk_folder(root / source.name, limits, skip=root_dir)
            except OSError as error:
                raise SnapshotError(
                    f"The package '{source.name}' in '{root}' cannot be read: {error.strerror}. A"
                    " snapshot without it would not run; make it readable and start again."
                ) from error
        return
    walk = Walk()
    for file in source.only:
        relative = file.name
        if source.kind == "package":
            relative = below(file, source).as_posix()
        status = file.stat()
        reason = file_reason(file.name, status.st_size, limits)
        if reason is None:
            walk.files.append(FoundFile(relative, str(file), status))
        else:
            walk.left_out.append(LeftOut(relative, reason, status.st_size))
    yield walk


def below(file: Path, source: Source) -> Path:
    """Where a file of a package lies in it."""
    folders = [root / source.name for root in source.roots]
    return next(file.relative_to(folder) for folder in folders if file.is_relative_to(folder))


def _merge(found: Capture, name: str, walk: Walk, is_single: bool) -> None:
    for file in walk.files:
        path = name if is_single else f"{name}/{file.relative}"
        found.files.setdefault(path, file)
    for item in walk.left_out:
        path = name if is_single else f"{name}/{item.path}"
        found.left_out.append(replace(item, path=path))


def _conf_text(path: Path) -> FoundFile:
    try:
        return FoundFile(CONF_TEXT_NAME, str(path), path.stat())
    except OSError as error:
        raise SnapshotError(
            f"'{path}' cannot be read ({error.strerror}), so that the snapshot would not know what"
            " the job runs. Write it before the snapshot is taken."
        ) from error


def fit(found: Capture, limits: Limits) -> None:
    """Drops the largest files while the sum is above the limit, and says which."""
    paths = {id(file): path for path, file in found.files.items()}
    _, dropped = fit_total(list(found.files.values()), limits)
    for file in dropped:
        path = paths[id(file)]
        del found.files[path]
        reason = f"the snapshot would be larger than {limits.total_bytes / 1e6:g} MB"
        found.left_out.append(LeftOut(path, reason, file.status.st_size))


def _changed_since_start(modules: Iterable[LoadedModule], found: Capture) -> list[str]:
    """Files that were imported and then changed: what runs is not what is on the disk now."""
    paths = {file.path: path for path, file in found.files.items()}
    changed: list[str] = []
    started = process_start()
    for module in modules:
        path = paths.get(str(module.file.resolve()))
        if path is not None and found.files[path].status.st_mtime > started:
            changed.append(path)
    return [
        f"{path} changed after this job had started: the job may run an older version of it than"
        " the snapshot holds. Start again to be sure."
        for path in sorted(set(changed))
    ]


def process_start() -> float:
    """When this process began, Unix time; a little later where the platform does not tell."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return _FIRST_SEEN
    # The kernel counts in ticks: a file that was written in the same one is older.
    return min(_FIRST_SEEN, time.time() - age + 1 / os.sysconf("SC_CLK_TCK"))
