"""Where a function or class lies that a conf wants to set and that is not configurable here.

Nothing is imported or executed: files are read, and what is imported already is looked at.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from alf._config.origin import Origin, modules_being_executed

_MOST_FILES = 200
_MOST_BYTES = 1_000_000
_PACKAGE = Path(__file__).resolve().parent.parent


def found(name: str, confs: Sequence[str]) -> str:
    """A sentence that tells where the owner of a parameter is and what to do; `""` if nowhere.

    Args:
        name: `owner.parameter`, as a user wrote it.
        confs: paths of the confs that run; modules beside them count.
    """
    owner = name.rpartition(".")[0].rpartition(".")[2]
    if not owner.isidentifier():
        return ""
    module = _module_with(owner)
    if module is not None:
        return _not_configurable(owner, getattr(module, owner), module)
    for file in _files(confs):
        line, is_marked = _definition(file, owner)
        if line and (is_marked or _PACKAGE not in file.parents):
            place = f"'{owner}' is defined at {Origin(str(file), line)}"
            if not is_marked:
                return f"{place}, but not configurable: write @alf.configurable above it."
            if str(file) in confs:
                return f"{place}: set it below that."
            return f"{place}: import '{_importable(file)}' above."
    return ""


def _module_with(owner: str) -> ModuleType | None:
    """A module being executed that has the owner among its names."""
    modules = [sys.modules.get(name) for name in modules_being_executed()]
    for module in modules:
        if module is not None and callable(vars(module).get(owner)):
            return module
    return None


def _not_configurable(owner: str, thing: Any, module: ModuleType) -> str:
    home = str(getattr(thing, "__module__", None) or module.__name__)
    if home == module.__name__:
        return f"'{owner}' is not configurable: write @alf.configurable above its definition."
    return (
        f"'{owner}' is {home}.{owner}, which is not configurable. Pass its arguments where it is "
        f"called, for example by partial({owner}, ...)."
    )


def _files(confs: Sequence[str]) -> Iterator[Path]:
    """Python files beside confs and in `ALF_CONFIG_PATH`, then those of `alf`."""
    paths = [*(os.path.dirname(conf) for conf in confs)]  # noqa: PTH120 - "" is no folder
    paths += os.environ.get("ALF_CONFIG_PATH", "").split(os.pathsep)
    for folder in dict.fromkeys(path for path in paths if path):
        try:
            yield from sorted(Path(folder).glob("*.py"))[:_MOST_FILES]
        except OSError:
            continue
    yield from sorted(_PACKAGE.rglob("*.py"))


def _definition(file: Path, owner: str) -> tuple[int, bool]:
    """The line that defines `owner`, or 0; and whether it is marked as configurable."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return 0, False
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0, False
    if owner not in text:
        return 0, False
    named = re.search(rf"configurable\(\s*['\"](?:[\w.]+\.)?{owner}['\"]", text)
    defined = re.search(rf"^(?:class|def)\s+{owner}\b", text, re.MULTILINE)
    match = named or defined
    if match is None:
        return 0, False
    decorators = text[: match.start()].rpartition("\n\n")[2]
    is_marked = named is not None or "configurable" in decorators
    return text.count("\n", 0, match.end()) + 1, is_marked


def _importable(file: Path) -> str:
    """The dotted name of a module, from the folder above its outermost package."""
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)
