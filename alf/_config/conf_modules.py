"""Modules that set values when they run, and how Python's memory of them is undone.

A module runs once in a process. That is right for code and wrong for a conf whose values were
reset: importing it again must run it again, or its values are silently lost.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True, slots=True)
class LoadedConf:
    """A conf that was executed.

    Args:
        path: its real path.
        module: its module, under the name that `sys.modules` knows it by.
        source: exactly the bytes that were executed.
    """

    path: str
    module: ModuleType
    source: bytes


def forget(modules: Mapping[str, ModuleType]) -> dict[str, ModuleType]:
    """Make Python forget these modules, also as attributes of their packages.

    Returns:
        The modules that were there, to be given to `restore`.
    """
    found: dict[str, ModuleType] = {}
    for name, module in modules.items():
        if sys.modules.get(name) is not module:
            continue
        found[name] = sys.modules.pop(name)
        package, _, child = name.rpartition(".")
        parent = sys.modules.get(package)
        if parent is not None and vars(parent).get(child) is module:
            delattr(parent, child)
    return found


def restore(modules: Mapping[str, ModuleType]) -> None:
    """Undo `forget`."""
    for name, module in modules.items():
        register(name, module)


def register(name: str, module: ModuleType) -> None:
    """Make `import name` find this module."""
    sys.modules[name] = module
    package, _, child = name.rpartition(".")
    parent = sys.modules.get(package)
    if parent is not None:
        setattr(parent, child, module)


def remove_paths(paths: Iterable[str]) -> None:
    """Take folders off `sys.path` again."""
    for path in paths:
        if path in sys.path:
            sys.path.remove(path)
