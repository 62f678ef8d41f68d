"""Runs a module with the code of a snapshot, in its own process, and proves that it is that code.

Two versions of a package in one process mix sooner or later, so there is always a second process.
It sees the root dir alone on `PYTHONPATH`, and `-P` keeps the current folder off its path.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

from alf.errors import SnapshotError
from alf.snapshot.capture import PACKAGES_FOLDER
from alf.snapshot.store import Entry, Store
from alf.snapshot.verify import refuse_damaged
from alf.snapshot.working_copy import copied_entry, drop_bytecode, export_files, heal

ROOT_VARIABLE = "ALF_SNAPSHOT"
ID_VARIABLE = "ALF_SNAPSHOT_ID"
NAMES_VARIABLE = "ALF_SNAPSHOT_PACKAGES"


@dataclass(frozen=True)
class Proof:
    """What the process that runs a snapshot has checked about itself.

    Attributes:
        root: the folder that holds the code: the root dir, or a copy of an older snapshot.
        snapshot_id: the snapshot that the code is, or was before somebody edited it.
        packages: top-level name -> file or folder where an import finds it.
    """

    root: Path
    snapshot_id: str
    packages: Mapping[str, Path]


def run_with_snapshot(
    root_dir: Path | str,
    module: str,
    argv: Sequence[str],
    snapshot_id: str | None = None,
    python: Path | None = None,
) -> int:
    """Runs `python -m module argv...` with a snapshot's code and waits for it.

    Args:
        root_dir: the job's folder.
        module: a module of the snapshot, for example `alf.bin.play`.
        argv: its arguments, passed on as they are.
        snapshot_id: which snapshot (an id or `ckpt-N`). None runs the copy in the root dir, edits
            included. Anything else runs exactly what was stored.
        python: the Python of a virtual environment to run it in; None for that of this process.

    Returns:
        The exit code of the child; 128 + n where signal n ended it.

    Raises:
        SnapshotError: there is no such snapshot, it is damaged, or it cannot be started.
    """
    root = Path(root_dir).absolute()
    with Store(root) as store, contextlib.ExitStack() as stack:
        entry = store.resolve(snapshot_id) if snapshot_id else copied_entry(store)
        # However good the copy looks: what is damaged cannot be compared with.
        refuse_damaged(root, snapshot_id or entry.id)
        if snapshot_id is None:
            heal(store)
            code = root
        else:
            code = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alf_snapshot_")))
            export_files(store, entry, code)
        names = _import_names(store, entry)
        _drop_stale_bytecode(code, names)
        store.close()
        command = [str(python or sys.executable), "-P", "-m", module, *argv]
        environment = child_environment(code, entry.id, names)
        try:
            child = subprocess.Popen(command, env=_activated(environment, python))
        except OSError as error:
            raise SnapshotError(
                f"The snapshot's process cannot be started: {error.strerror} ({command[0]}). Is"
                " this Python still installed there?"
            ) from error
        return _wait(child)


def child_environment(code: Path, snapshot_id: str, names: Iterable[str]) -> dict[str, str]:
    """The environment of the child.

    The user's own `PYTHONPATH` is dropped on purpose: it would let today's packages stand in for
    one that is missing in the snapshot, and nobody would notice. Bytecode is not written: Python
    takes a `.pyc` for current where size and second of the source agree, so an edit could be run
    without its effect; and the copy stays as clean as the store. (`PYTHONPYCACHEPREFIX` would do
    the same, but also hide the bytecode of every installed package, and cost seconds at each
    start.)

    Args:
        code: the folder with the packages of the snapshot.
        snapshot_id: the snapshot's id.
        names: the top-level names that must come from it.
    """
    folders = [str(code)]
    if (code / PACKAGES_FOLDER).is_dir():
        folders.append(str(code / PACKAGES_FOLDER))
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(folders)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    environment[ROOT_VARIABLE] = str(code)
    environment[ID_VARIABLE] = snapshot_id
    environment[NAMES_VARIABLE] = ",".join(names)
    return environment


def _activated(environment: dict[str, str], python: Path | None) -> dict[str, str]:
    """The variables of a process in another virtual environment, as its `activate` sets them.

    Programs that packages start by their bare names, such as `ninja`, come from there too.
    """
    if python is None:
        return environment
    programs = str(python.parent)
    path = os.pathsep.join(filter(None, (programs, environment.get("PATH"))))
    kept = {name: value for name, value in environment.items() if name != "PYTHONHOME"}
    return {**kept, "PATH": path, "VIRTUAL_ENV": str(python.parent.parent)}


def prove() -> Proof | None:
    """Checks that this process runs the snapshot that it was started with. The first thing to call.

    Returns:
        What was checked; None in a process that was not started by `run_with_snapshot`.

    Raises:
        SnapshotError: `alf` or another captured package comes, or would come, from elsewhere.
    """
    variable = os.environ.get(ROOT_VARIABLE)
    if not variable:
        return None
    root = Path(variable).resolve()
    names = [name for name in os.environ.get(NAMES_VARIABLE, "").split(",") if name]
    found: dict[str, Path] = {}
    for name in dict.fromkeys(["alf", *names]):
        for place in _places(name):
            if not place.resolve().is_relative_to(root):
                raise SnapshotError(_elsewhere(name, place, root))
            found.setdefault(name, place)
        if name not in found:
            raise SnapshotError(
                f"'{name}' is a package of the snapshot, and nothing of that name is in '{root}'."
                f" `alf snapshot restore newest --root_dir {root}` brings it back."
            )
    return Proof(root, os.environ.get(ID_VARIABLE, ""), found)


def _places(name: str) -> Iterator[Path]:
    """Where a package, and all that is imported of it, comes from; the package itself first."""
    if name not in sys.modules:
        yield from _spec_places(importlib.util.find_spec(name))
    for known, module in list(sys.modules.items()):
        if known == name or known.startswith(name + "."):
            yield from _module_places(module)


def _spec_places(spec: importlib.machinery.ModuleSpec | None) -> Iterator[Path]:
    """The file of a package; for a namespace package the folder that comes first."""
    if spec is None:
        return
    if spec.has_location and spec.origin is not None:
        yield Path(spec.origin)
    elif spec.submodule_search_locations:
        # A namespace package may go on in site-packages, as it did when it was captured.
        yield Path(next(iter(spec.submodule_search_locations)))


def _module_places(module: ModuleType) -> Iterator[Path]:
    spec = getattr(module, "__spec__", None)
    if isinstance(spec, importlib.machinery.ModuleSpec):
        yield from _spec_places(spec)


def _elsewhere(name: str, place: Path, root: Path) -> str:
    return (
        f"'{name}' should come from the snapshot in '{root}' and comes from '{place}'. Something"
        " puts that folder before the snapshot on the import path: look for a .pth file or a"
        f" hook of an editable install, and uninstall it for this run (pip uninstall {name})."
    )


def _import_names(store: Store, entry: Entry) -> list[str]:
    names = (package.import_name for package in store.manifest(entry).packages)
    return sorted({name for name in names if name is not None and name.isidentifier()})


def _drop_stale_bytecode(code: Path, names: Iterable[str]) -> None:
    """Removes bytecode that other programs left in the copy; see `child_environment`."""
    for name in names:
        for base in (code / name, code / PACKAGES_FOLDER / name):
            if base.is_dir() and not base.is_symlink():
                for folder in (base, *base.rglob("*/")):
                    if not folder.is_symlink():  # it may lead to somebody's own code
                        drop_bytecode(folder)
    drop_bytecode(code)


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Waits for the child, passing on signals; returns its exit code as a shell would say it."""

    def forward(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and _has_terminal():
            return  # Ctrl-C: the terminal has already told the child; twice would mean "at once"
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # Python delivers signals to the main thread, whoever that belongs to
    before = {number: signal.signal(number, forward) for number in numbers}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _has_terminal() -> bool:
    """Whether this process is in a terminal's foreground, where Ctrl-C reaches the child too."""
    if os.name != "posix":
        return True
    try:
        handle = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(handle) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(handle)
