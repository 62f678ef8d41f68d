"""Which of the differences between a snapshot and the code of now can matter to this process."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from alf.snapshot.capture import CONF_TEXT_NAME
from alf.snapshot.comparison import current_side, stored_side
from alf.snapshot.records import Package
from alf.snapshot.store import MANIFEST_NAME, Store, changes


@dataclass(frozen=True)
class Changed:
    """Files that differ between a snapshot and the code of now.

    Attributes:
        loaded: confs, source files of modules that this process has imported, and source files
            that are not there any more; those of the user before those of `alf`.
        others: files that it has not loaded, or that are no Python code.
    """

    loaded: tuple[str, ...]
    others: tuple[str, ...]


def changed_since(
    root_dir: Path | str, name: str, modules: Mapping[str, ModuleType] | None = None
) -> Changed:
    """What changed since a snapshot, as far as it can matter here.

    Args:
        root_dir: the job's folder.
        name: an id or `ckpt-N`.
        modules: what was imported; None for `sys.modules`.

    Raises:
        SnapshotError: there is no such snapshot, or it is damaged.
    """
    loaded_names = set(sys.modules if modules is None else modules)
    with Store(root_dir) as store:
        entry = store.resolve(name)
        packages = store.manifest(entry).packages
        found = changes(stored_side(store, entry).files, current_side(store, entry).files)
    changed = [path for path in found if path != MANIFEST_NAME]
    loaded = [
        path
        for path in changed
        if _is_loaded(path, packages, loaded_names) or _is_lost_code(path, found[path])
    ]
    others = [path for path in changed if path not in loaded]
    return Changed(tuple(sorted(loaded, key=_users_first)), tuple(others))


def _is_loaded(path: str, packages: tuple[Package, ...], names: set[str]) -> bool:
    if path == CONF_TEXT_NAME:
        return True
    for package in packages:
        if path != package.name and not path.startswith(package.name + "/"):
            continue
        if package.kind == "files":
            return True
        if package.kind == "module":
            return package.import_name in names
        rest = path.removeprefix(package.name).removeprefix("/")
        module = ".".join([package.import_name or package.name, *Path(rest).parts])
        if module.endswith(".py"):
            return module.removesuffix(".py").removesuffix(".__init__") in names
    return False


def _is_lost_code(path: str, change: str) -> bool:
    return change == "removed" and path.endswith(".py")


def _users_first(path: str) -> tuple[bool, str]:
    return path.startswith("alf/"), path
