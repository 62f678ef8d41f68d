"""Which installed distributions a job has imported."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

_INSTALLED_PARTS = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def imported_distributions(
    modules: Mapping[str, ModuleType], import_path: Iterable[str]
) -> list[str]:
    """Names of the distributions that modules came from, sorted.

    A distribution names its modules in `top_level.txt`; one without is taken to hold a module of
    its own name, as nearly all do. Reading what each installed would take a second.

    Args:
        modules: usually `sys.modules`.
        import_path: usually `sys.path`.
    """
    imported = {
        name.partition(".")[0].lower()
        for name, module in list(modules.items())
        if _is_installed(getattr(module, "__file__", None))
    }
    found: set[str] = set()
    for entry in dict.fromkeys(import_path):
        for folder in Path(entry or ".").glob("*.dist-info"):
            name = folder.name.removesuffix(".dist-info").rpartition("-")[0].lower()
            if not imported.isdisjoint(_module_names(folder, name)):
                found.add(name.replace("_", "-").replace(".", "-"))
    return sorted(found)


def _is_installed(file: object) -> bool:
    return isinstance(file, str) and any(part in file for part in _INSTALLED_PARTS)


def _module_names(folder: Path, name: str) -> set[str]:
    """What a distribution is imported as, in small letters; private modules do not count.

    Hooks of installers, such as `_distutils_hack`, are imported at every start of Python.
    """
    try:
        text = (folder / "top_level.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {name.replace("-", "_")}
    return {line.lower() for line in text.split() if not line.startswith("_")}
