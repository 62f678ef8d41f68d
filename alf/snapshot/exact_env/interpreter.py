"""Finds the Python that a snapshot ran in: this one, one on PATH, or one that uv or pyenv keeps."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from alf.errors import SnapshotError
from alf.snapshot.exact_env.record import Recorded

_PROBE_SECONDS = 20.0
_PROBE = (
    "import json, platform, sys, sysconfig;"
    "json.dump({'version': platform.python_version(),"
    " 'implementation': platform.python_implementation(), 'paths': sysconfig.get_paths()},"
    " sys.stdout)"
)


@dataclass(frozen=True)
class Interpreter:
    """A Python that answered.

    Attributes:
        program: its file.
        version: the full version, such as `3.11.7`.
        implementation: such as `CPython`.
        paths: where it keeps what, as `sysconfig.get_paths` says.
    """

    program: Path
    version: str
    implementation: str
    paths: dict[str, str]


def probe(program: Path) -> Interpreter | None:
    """Asks a Python who it is; None where it does not run."""
    try:
        done = subprocess.run(
            [str(program), "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        answer = cast(dict[str, Any], json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(program, answer["version"], answer["implementation"], answer["paths"])


def find_interpreter(record: Recorded) -> Path:
    """A Python of exactly the recorded version.

    Raises:
        SnapshotError: there is none; says which is missing and how to get it.
    """
    if is_this_python(record):
        return Path(sys.executable)
    found = next((p for p in _candidates(record) if _is_recorded(p, record)), None)
    if found is not None:
        return found
    here = f"{platform.python_implementation()} {platform.python_version()}"
    raise SnapshotError(
        f"Snapshot {record.snapshot_id} was taken with {record.implementation} {record.python}, and"
        f" there is no such Python on PATH; this one is {here}. Install it, for example with `uv"
        f" python install {record.python}` or `pyenv install {record.python}`, or leave out"
        " --exact_env to play with this one."
    )


def is_this_python(record: Recorded) -> bool:
    """Whether the running interpreter has the recorded version."""
    return (record.implementation, record.python) == (
        platform.python_implementation(),
        platform.python_version(),
    )


def shares_packages(record: Recorded) -> bool:
    """Whether packages of the running interpreter work in the recorded one: same X.Y."""
    here = platform.python_version().split(".")[:2]
    return (record.implementation, record.python.split(".")[:2]) == (
        platform.python_implementation(),
        here,
    )


def _is_recorded(program: Path, record: Recorded) -> bool:
    answer = probe(program)
    return answer is not None and (answer.implementation, answer.version) == (
        record.implementation,
        record.python,
    )


def _candidates(record: Recorded) -> Iterator[Path]:
    """Programs that may be the one, each once; likely ones first."""
    minor = ".".join(record.python.split(".")[:2])
    suffix = ".exe" if os.name == "nt" else ""
    names = [f"python{minor}{suffix}", f"python3{suffix}", f"python{suffix}"]
    if record.implementation == "PyPy":
        names = [f"pypy{minor}{suffix}", f"pypy3{suffix}", *names]
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    seen: set[Path] = set()
    for folder in [*_kept_by_tools(record), *folders]:
        for name in names:
            program = folder / name
            if os.access(program, os.X_OK) and program.resolve() not in seen:
                seen.add(program.resolve())
                yield program


def _kept_by_tools(record: Recorded) -> Iterator[Path]:
    """Where pyenv and uv keep a Python of this version, on PATH or not."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield pyenv / "versions" / record.python / "bin"
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    kept = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    if kept.is_dir():
        for folder in sorted(kept.glob(f"{record.implementation.lower()}-{record.python}-*")):
            yield folder / "bin"
