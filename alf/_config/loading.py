"""Executing confs: by path or by import, each file once, and exactly the bytes that were read."""

import difflib
import hashlib
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

from alf._config.conf_modules import LoadedConf, forget, register
from alf._config.executing import compiled, execute
from alf._config.finding import expanded, find, is_file, with_captured_modules
from alf._config.origin import caller, calling_frame
from alf._config.recording import recorded_conf_path
from alf._config.store import current
from alf.errors import ConfigError


def load_config(conf_file: str | os.PathLike[str]) -> LoadedConf:
    """Execute a conf; one that was executed already is returned as it is.

    A conf that lies where an import would find it, such as `alf/examples/x_conf.py`, is the module
    of that name, so that `from alf.examples import x_conf` elsewhere does not execute it again.

    Args:
        conf_file: a path, absolute or relative to the current folder.

    Raises:
        ConfigError: there is no such file, or it is not Python, or its own code raised something.
        AlfError: what `alf` raised on purpose inside the conf.
    """
    path = expanded(os.fspath(conf_file))
    if not is_file(path):
        raise ConfigError(_no_conf(conf_file, path))
    return _load(str(path.resolve()))


def import_config(conf_file: str | os.PathLike[str]) -> ModuleType:
    """Execute another conf from inside a conf, so that its settings come first.

    Args:
        conf_file: an absolute path, or one relative to: the folder of the calling conf; for a
            job's `alf_config.py`, the folder of the conf that it was made from, then that folder's
            copy in the root dir; each folder in the environment variable `ALF_CONFIG_PATH`; what
            else the root dir keeps a copy of. The ending `.py` may be left out.

    Returns:
        The module of that conf, with its names as attributes.

    Raises:
        ConfigError: it is not found (the message lists where it was looked for), or as for
            `load_config`.
    """
    origin = caller()
    frame = calling_frame()
    own_file = str(frame.f_globals.get("__file__", "")) if frame is not None else ""
    return load_config(find(os.fspath(conf_file), own_file, origin)).module


def loaded_confs() -> list[LoadedConf]:
    """The confs that were executed, by path or by `import_config`, in the order of their start."""
    return list(current().loaded.values())


def _load(path: str) -> LoadedConf:
    store = current()
    if path in store.loaded:
        return store.loaded[path]
    source = _read(path)
    name = _importable_name(path) or _unique_name(path)
    running = sys.modules.get(name)
    if running is not None:  # it was imported, so that its settings are made already
        conf = LoadedConf(path, running, source)
        store.loaded[path] = conf
        return conf
    code = compiled(path, source)
    # With a loader, since Python finds none for a file that does not end in .py.
    spec = importlib.util.spec_from_file_location(name, path, loader=SourceFileLoader(name, path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    conf = LoadedConf(path, module, source)
    # Both before it runs: a conf that imports itself through another one must find itself.
    store.loaded[path] = conf
    store.conf_modules[name] = module
    register(name, module)
    _let_siblings_be_imported(path)
    try:
        execute(code, module)
    except BaseException:
        store.loaded.pop(path, None)
        forget({name: module})
        raise
    return conf


def _no_conf(given: str | os.PathLike[str], path: Path) -> str:
    if os.path.isdir(path):  # noqa: PTH112 - pathlib's raises for a name that is too long
        return (
            f"The conf '{given}' is a folder (looked at '{path.absolute()}'). Name the file in it."
        )
    text = f"The conf '{given}' does not exist (looked at '{path.absolute()}')."
    try:
        beside = [file.name for file in path.parent.iterdir() if file.suffix == ".py"]
    except OSError:
        beside = []
    near = difflib.get_close_matches(path.name, sorted(beside), n=2)
    if near:
        text += f" Did you mean {' or '.join(repr(str(path.with_name(name))) for name in near)}?"
    return text


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"The conf '{path}' cannot be read: {error.strerror}.") from error


def _let_siblings_be_imported(path: str) -> None:
    """`import my_model` beside a conf works. At the end of the path, so that it shadows nothing.

    What lies beside a recorded conf is the snapshot's copy, which is not today's code: there, the
    folder of the original conf counts. A process that runs the snapshot has the copy on its path.
    """
    original = recorded_conf_path(path)
    if original is not None and os.environ.get("ALF_SNAPSHOT"):
        return
    folder = Path(path).parent if original is None else original.parent
    for entry in map(str, with_captured_modules(folder)):
        if entry not in sys.path:
            sys.path.append(entry)
            current().added_paths.append(entry)


def _importable_name(path: str) -> str | None:
    """The dotted name by which `import` finds exactly this file; `None` if there is none.

    A folder without `__init__.py` is no part of a name: with `/` or a home folder on the import
    path, any file would have one, and a snapshot would take everything below it for a package.
    """
    file = Path(path)
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    if file.suffix != ".py" or not all(part.isidentifier() for part in parts):
        return None
    name = ".".join(parts)
    return name if _file_of(name) == path else None


def _file_of(name: str) -> str | None:
    """The file that `import name` executes or has executed."""
    module = sys.modules.get(name)
    spec: ModuleSpec | None
    try:
        spec = module.__spec__ if module is not None else importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    origin = spec.origin if spec is not None else None
    return str(Path(origin).resolve()) if origin is not None else None


def _unique_name(path: str) -> str:
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{Path(path).stem}_{digest}"
