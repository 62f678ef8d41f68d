"""Finds the code that a job really imported from outside the standard library and site-packages.

The evidence is `sys.modules`: it knows editable installs, sibling repositories, `PYTHONPATH`,
namespace packages and files that were loaded by path, whatever brought them there.
"""

import re
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

_INSTALLED_PARTS = frozenset(("site-packages", "dist-packages"))
# A program without one of these, such as the console script `alf`, is no module of its name.
_MODULE_SUFFIXES = frozenset((".py", ".so", ".pyd"))
# Written by compilers while the job runs, and written again when it is needed.
_GENERATED_FOLDERS = re.compile(r"torchinductor_.*|\.triton")


@dataclass(frozen=True)
class LoadedModule:
    """A module of the user's that came from a file.

    Attributes:
        name: its dotted name; for the program itself the name it would be imported by.
        file: the absolute path of its file, links not resolved.
    """

    name: str
    file: Path


@dataclass(frozen=True)
class Source:
    """A top-level package, module, or some files of one folder, that a snapshot takes.

    Attributes:
        name: the top-level name; with `.py` for a module in a single file; the folder's name for
            files.
        kind: `package`, `module` or `files`, as in `alf.snapshot.records.Package`.
        roots: the folders that `import` found it in; several only for a namespace package. First
            wins.
        only: just these files, or empty for everything in the folder.
    """

    name: str
    kind: str
    roots: tuple[Path, ...]
    only: tuple[Path, ...] = ()


def loaded_modules(modules: Mapping[str, ModuleType]) -> list[LoadedModule]:
    """Every module with a file of the user's own.

    Args:
        modules: usually `sys.modules`.

    Returns:
        In the order of import.
    """
    found: list[LoadedModule] = []
    for name, module in list(modules.items()):
        file = _file_of(module)
        if file is None or is_installed(file) or not file.is_file():
            continue
        found.append(LoadedModule(_import_name(name, module, file), file))
    return found


def find_sources(
    modules: Mapping[str, ModuleType], files: Iterable[Path], import_path: Iterable[str]
) -> list[Source]:
    """Groups the evidence by what an import statement names first.

    Args:
        modules: usually `sys.modules`.
        files: more files to take, such as confs, wherever they lie; each is taken once.
        import_path: usually `sys.path`.

    Returns:
        Packages and modules first, then files that no package covers, each sorted by name. Two of
        the latter may have one name.
    """
    on_path = {Path(entry or ".").resolve() for entry in import_path}
    packages: dict[str, list[Path]] = {}
    members: dict[str, list[Path]] = {}
    single: dict[str, Path] = {}
    loose: list[Path] = []
    for module in loaded_modules(modules):
        root = import_root(module)
        top = module.name.partition(".")[0]
        if _is_generated(module.file) or (root is not None and is_pip_target(root, top)):
            continue
        if root is None:
            loose.append(module.file)
        elif (root / top).is_dir() and module.file.is_relative_to(root / top):
            packages.setdefault(top, [])
            packages[top] += [root] if root not in packages[top] else []
            members.setdefault(top, []).append(module.file)
        elif module.file.suffix in _MODULE_SUFFIXES and (
            root.resolve() in on_path or _finders_know(module)
        ):
            single.setdefault(module.file.name, module.file)
        else:
            loose.append(module.file)

    sources = [
        _package(top, _in_search_order(modules.get(top), roots), members[top])
        for top, roots in sorted(packages.items())
    ]
    sources += [
        Source(name, "module", (file.parent,), (file,)) for name, file in sorted(single.items())
    ]
    return sources + _remaining([*loose, *files], sources)


def import_root(module: LoadedModule) -> Path | None:
    """The folder that holds a module's top-level name; None if its file has another name."""
    parts = module.name.split(".")
    stem = module.file.name.partition(".")[0]
    if stem == "__init__" and module.file.parent.parts[-len(parts) :] == tuple(parts):
        return module.file.parents[len(parts)]
    folders = tuple(parts[:-1])
    if stem != parts[-1] or (folders and module.file.parent.parts[-len(folders) :] != folders):
        return None
    return module.file.parents[len(folders)]


def is_installed(file: Path) -> bool:
    """Whether a file belongs to Python or to an installed distribution, in any environment."""
    for index, part in enumerate(file.parts):
        if part in _INSTALLED_PARTS:
            # A package that was linked into site-packages by hand is somebody's working folder.
            top = Path(*file.parts[: index + 2])
            linked = top.is_symlink() and top.is_dir()
            return not linked or not _INSTALLED_PARTS.isdisjoint(top.resolve().parts)
    return any(file.is_relative_to(folder) for folder in _python_folders())


@cache
def _python_folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    folders = {sysconfig.get_path(name) for name in names}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    spelled = [Path(folder) for folder in folders if folder]
    return tuple({*spelled, *(folder.resolve() for folder in spelled)})


@cache
def is_pip_target(root: Path, top: str) -> bool:
    """Whether `pip install --target` put the top-level name `top` into the folder `root`."""
    for record in root.glob("*.dist-info/RECORD"):
        try:
            with record.open(encoding="utf-8", errors="replace") as lines:
                if any(line.startswith((f"{top}/", f"{top}.py,")) for line in lines):
                    return True
        except OSError:
            continue
    return False


def _file_of(module: ModuleType) -> Path | None:
    """The file that a module was loaded from; None for built-in, frozen and made-up ones."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or file.startswith("<"):
        return None
    path = Path(file)
    return path if path.is_absolute() else Path.cwd() / path


def _import_name(name: str, module: ModuleType, file: Path) -> str:
    """The name in `sys.modules`; for the program itself the name it would be imported by."""
    if name not in ("__main__", "__mp_main__"):
        return name
    spec = getattr(module, "__spec__", None)
    return spec.name if spec is not None else file.stem


def _finders_know(module: LoadedModule) -> bool:
    """Whether an import hook, as editable installs use, would find a single-file module."""
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec(module.name, None) if find_spec is not None else None
        if spec is not None:
            return spec.origin is not None and Path(spec.origin) == module.file
    return False


def _is_generated(file: Path) -> bool:
    return any(_GENERATED_FOLDERS.fullmatch(part) for part in file.parts[:-1])


def _in_search_order(module: ModuleType | None, roots: list[Path]) -> tuple[Path, ...]:
    """Roots in the order in which the package itself searches them."""
    order = [Path(folder).parent for folder in getattr(module, "__path__", ())]
    rank = {root: index for index, root in reversed(list(enumerate(order)))}
    return tuple(sorted(roots, key=lambda root: rank.get(root, len(rank))))


def _package(top: str, roots: tuple[Path, ...], members: list[Path]) -> Source:
    wide = {Path.home().resolve(), Path(tempfile.gettempdir()).resolve()}
    for root in roots:
        folder = (root / top).resolve()
        if any(place.is_relative_to(folder) for place in wide):
            # A namespace package over a home folder or /tmp: nobody means all of that.
            return Source(top, "package", roots, tuple(dict.fromkeys(members)))
    return Source(top, "package", roots)


def _remaining(files: Iterable[Path], sources: list[Source]) -> list[Source]:
    """The files that no package or module covers, together by folder."""
    folders = [
        (root / source.name).resolve()
        for source in sources
        if source.kind == "package" and not source.only
        for root in source.roots
    ]
    known = {file.resolve() for source in sources for file in source.only}
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        real = file.resolve()
        if real not in known and not any(real.is_relative_to(folder) for folder in folders):
            known.add(real)
            by_folder.setdefault(real.parent, []).append(real)
    return [
        Source(folder.name or "files", "files", (folder,), tuple(sorted(found)))
        for folder, found in sorted(by_folder.items())
    ]
