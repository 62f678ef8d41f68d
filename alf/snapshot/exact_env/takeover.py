"""Takes installed distributions over from the running interpreter: hard links, no download.

What belongs to a distribution stands in its `RECORD`
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/). A file that
is not as it says there, because somebody edited it, keeps its distribution from being taken over.
"""

import base64
import csv
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alf.snapshot.exact_env.record import Distribution
from alf.snapshot.surroundings import installed_distributions

# conda's packages load libraries of its environment by relative paths, so they cannot move.
_IMMOVABLE = frozenset(("conda",))
_MOST_SHEBANG_BYTES = 120
_SCRIPTS = frozenset(("bin", "Scripts"))


@dataclass(frozen=True)
class Installed:
    """A distribution that lies here whole.

    Attributes:
        site: the folder that its paths are relative to.
        files: paths as in RECORD, of all that is there.
        has_bytecode: whether its modules are compiled.
    """

    site: Path
    files: tuple[str, ...]
    has_bytecode: bool


def same_versions(wanted: Iterable[Distribution]) -> list[Distribution]:
    """Those of the wanted distributions that say here what was recorded; takes milliseconds."""
    here = installed_distributions(sys.path)
    return [item for item in wanted if here.get(item.name) == item.recorded]


def find_installed(wanted: Iterable[Distribution]) -> dict[str, Installed]:
    """Those of the distributions that lie whole in this environment, by name.

    Args:
        wanted: of `same_versions`. Every file of theirs is looked at, which takes seconds.
    """
    folders = _folders()
    read = {item.name: _read(folders[item.name]) for item in wanted if item.name in folders}
    return {name: installed for name, installed in read.items() if installed is not None}


def _folders() -> dict[str, Path]:
    """Name -> `dist-info` folder of what is on the import path; the first wins, as for import."""
    found: dict[str, Path] = {}
    for entry in dict.fromkeys(sys.path):
        for folder in Path(entry or ".").glob("*.dist-info"):
            name = folder.name.removesuffix(".dist-info").rpartition("-")[0]
            found.setdefault(name.replace("_", "-").replace(".", "-").lower(), folder)
    return found


def _read(folder: Path) -> Installed | None:
    """A distribution by its `dist-info`; None where it is not whole or must stay where it is."""
    try:
        installer = (folder / "INSTALLER").read_text(encoding="utf-8").strip()
    except OSError:
        installer = ""
    if installer in _IMMOVABLE:
        return None
    files: list[str] = []
    try:
        with (folder / "RECORD").open(encoding="utf-8", newline="") as lines:
            for name, digest, size in csv.reader(lines):
                state = _state(folder.parent / name, digest, size)
                if state == "other":
                    return None
                if state == "same":
                    files.append(name)
    except (OSError, ValueError, csv.Error):
        return None
    bytecode = {name for name in files if name.endswith(".pyc")}
    has_source = any(name.endswith(".py") for name in files)
    return Installed(folder.parent, tuple(files), bool(bytecode) or not has_source)


def _state(path: Path, digest: str, size: str) -> str:
    """`same`, `other`, or `gone` for a file that may be missing.

    The content of Python source is compared, since that is what people edit; of all else the size.
    """
    try:
        status = path.stat()
    except OSError:
        return "gone" if not digest else "other"
    if size and status.st_size != int(size):
        return "other"
    method, _, expected = digest.partition("=")
    if path.suffix == ".py" and method == "sha256":
        actual = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
        if actual.rstrip(b"=").decode("ascii") != expected:
            return "other"
    return "same"


def take_over(installed: Installed, site: Path, prefix: Path) -> None:
    """Links every file of a distribution into another environment; copies where that fails.

    Args:
        installed: what to take.
        site: the other environment's site-packages.
        prefix: the other environment's folder, for scripts, headers and shared data.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    made: set[Path] = set()
    for source, target in _pairs(installed, site, prefix):
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        if target.exists():
            continue  # a file of two distributions, such as the `__init__.py` of a namespace
        is_script = target.parent.parent == prefix and target.parent.name in _SCRIPTS
        if not (is_script and _copy_script(source, target, prefix)):
            _link(source, target)


def _pairs(installed: Installed, site: Path, prefix: Path) -> Iterator[tuple[Path, Path]]:
    """Each file and where it goes; files outside of this environment's folder are left out."""
    here = Path(sys.prefix)
    for name in installed.files:
        source = Path(os.path.normpath(installed.site / name))
        if source.is_relative_to(installed.site):
            yield source, site / source.relative_to(installed.site)
        elif source.is_relative_to(here):
            yield source, prefix / source.relative_to(here)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another disk, or a file system without links. The time stamp keeps bytecode valid.
        shutil.copy2(source, target)


def _copy_script(source: Path, target: Path, prefix: Path) -> bool:
    """Copies a script, with the other environment's Python for this one's; false if it is none."""
    with source.open("rb") as file:
        if file.read(2) != b"#!":
            return False
        program, second, rest = file.readline(), file.readline(), file.read()
    here, there = os.fsencode(f"{sys.prefix}/"), os.fsencode(f"{prefix}/")
    program, second = program.replace(here, there), second.replace(here, there)
    if there in program and (b" " in program or len(program) > _MOST_SHEBANG_BYTES):
        # Systems cut such a line. What stands here runs in sh, and is a string in Python.
        program = b"/bin/sh\n'''exec' \"" + program.strip() + b'" "$0" "$@"\n\' \'\'\'\n'
    target.write_bytes(b"#!" + program + second + rest)
    shutil.copystat(source, target)
    return True
