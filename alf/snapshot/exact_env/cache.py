"""Environments in a cache folder: each made once, whole or not at all, by one process at a time."""

import contextlib
import errno
import json
import os
import secrets
import shutil
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from alf.errors import SnapshotError
from alf.snapshot.exact_env.build import build, program_in, versions_in
from alf.snapshot.exact_env.interpreter import probe
from alf.snapshot.exact_env.pip_install import Report
from alf.snapshot.exact_env.record import Recorded, differences, read_record, this_machine, told
from alf.snapshot.lock import FileLock
from alf.snapshot.pack import write_file
from alf.snapshot.surroundings import installed_distributions

MARKER_NAME = "alf-environment.json"
_SCHEMA_VERSION = 1
# Downloading and linking a large environment takes minutes; another process waits as long.
_WAIT_SECONDS = 3600.0


@dataclass(frozen=True)
class ExactEnvironment:
    """An environment that is there.

    Attributes:
        record: the surroundings that it brings back.
        folder: where it lies.
        remarks: what is other than recorded, in words; usually nothing.
    """

    record: Recorded
    folder: Path
    remarks: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """The program to run."""
        return program_in(self.folder)

    @property
    def kind(self) -> str:
        """`exact`, or `close` where something could not be had as it was recorded."""
        return "close" if self.remarks else "exact"

    def lines(self) -> list[str]:
        """What to tell the user of it."""
        record = self.record
        found = differences(record, installed_distributions(sys.path))
        versions = told([item for item in found if item.name != "Python"])
        python = f"Python {record.python}"
        python += "".join(f" (here {d.here})" for d in found if d.name == "Python")
        count = len(record.installed)
        parts = [python, versions, f"{count} package{'s' if count != 1 else ''}"]
        text = ", ".join(part for part in parts if part)
        lines = [f"{self.kind} environment of {record.snapshot_id}: {text}, at {self.folder}"]
        if record.machine != this_machine():
            lines.append(f"trained on {record.machine}, and this is {this_machine()}")
        if record.left_out:
            listed = ", ".join(record.left_out)
            lines.append(f"without {listed}: editable, and not imported when it was trained")
        return [f"python    {line}" for line in [*lines, *self.remarks]]


def cache_folder() -> Path:
    """Where environments are kept: `alf/envs` in the user's cache folder."""
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        base = Path(named)
    elif os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base.absolute() / "alf" / "envs"


def exact_environment(root_dir: Path | str, name: str | None, report: Report) -> ExactEnvironment:
    """The environment that a snapshot was taken in; made now if it is not there.

    Args:
        root_dir: the job's folder.
        name: an id, `ckpt-N`, or None for the newest snapshot.
        report: gets lines for the user.

    Raises:
        SnapshotError: there is no such snapshot; or a version cannot be had any more, named in the
            message. Nothing half made is left.
    """
    environment = prepare(read_record(root_dir, name), report)
    for line in environment.lines():
        report(line)
    return environment


def prepare(record: Recorded, report: Report) -> ExactEnvironment:
    """Finds a recorded environment in the cache, or makes it.

    Raises:
        SnapshotError: it cannot be made.
    """
    final = cache_folder() / record.digest
    found = _whole(record, final)
    if found is not None:
        return found
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(final.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(final.parent))
        with _alone(final, report):
            found = _whole(record, final)  # the process that was waited for has made it
            return found if found is not None else _make(record, final, report)
    except OSError as error:
        _cannot_write(final, error)


def _whole(record: Recorded, folder: Path) -> ExactEnvironment | None:
    """The environment in a folder, if it is finished and still holds what it held then."""
    try:
        data = json.loads((folder / MARKER_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    marker = cast(dict[str, Any], data) if isinstance(data, dict) else {}
    python = probe(program_in(folder))
    if marker.get("schema_version") != _SCHEMA_VERSION or python is None:
        return None
    # The Python that it rests on may have been upgraded, and somebody may have used pip in it.
    is_same = (python.implementation, python.version) == (record.implementation, record.python)
    if not is_same or versions_in(Path(python.paths["purelib"])) != marker.get("distributions"):
        return None
    return ExactEnvironment(record, folder, tuple(marker.get("remarks", ())))


def _make(record: Recorded, final: Path, report: Report) -> ExactEnvironment:
    """Builds beside, then renames; what killed builders left is removed."""
    _remove_partial(final)
    aside = final.with_name(f".{final.name}.partial-{secrets.token_hex(4)}")
    spoilt = final.with_name(f".{final.name}.partial-{secrets.token_hex(4)}")
    try:
        remarks = build(record, aside, final, report)
        marker = _marker(record, aside, remarks)
        text = json.dumps(marker, indent=1, sort_keys=True) + "\n"
        write_file(aside / MARKER_NAME, text.encode("utf-8"), aside=aside)
        if final.exists():
            final.rename(spoilt)  # removing takes time, and half of it must not be taken for whole
        aside.rename(final)
    finally:
        _remove_partial(final)  # also what the orphaned pip of a killed builder wrote since
    return ExactEnvironment(record, final, tuple(remarks.values()))


def _remove_partial(final: Path) -> None:
    for folder in final.parent.glob(f".{final.name}.partial-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _marker(record: Recorded, folder: Path, remarks: Mapping[str, str]) -> Mapping[str, Any]:
    python = probe(program_in(folder))
    assert python is not None, "it answered when it was made"
    return {
        "schema_version": _SCHEMA_VERSION,
        "python": f"{record.implementation} {record.python}",
        "distributions": dict(versions_in(Path(python.paths["purelib"]))),
        "remarks": list(remarks.values()),
    }


@contextlib.contextmanager
def _alone(final: Path, report: Report) -> Generator[None]:
    """Lets one process at a time make an environment; the others wait and say so."""
    path = final.with_name(f".{final.name}.lock")
    purpose = f"the environment '{final}'"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(path, purpose, SnapshotError))
        except SnapshotError:
            report("python    another process is making this environment; waiting for it")
            stack.enter_context(FileLock(path, purpose, SnapshotError, _WAIT_SECONDS))
        yield


def _cannot_write(final: Path, error: OSError) -> NoReturn:
    raise SnapshotError(
        f"The environment cannot be written to '{error.filename or final}':"
        f" {error.strerror or error}. Make space there, or choose another folder for caches with"
        " XDG_CACHE_HOME."
    ) from error


def note_in_report(report_file: Path | str, environment: ExactEnvironment) -> None:
    """Notes in the report that a play wrote which environment it ran in.

    The play itself cannot: its code is the snapshot's, which may be older than this.

    Args:
        report_file: JSON, as play's `--report_file` names it.
        environment: what the play ran in.

    Raises:
        SnapshotError: the file cannot be read or written.
    """
    path = Path(report_file).expanduser()
    try:
        data = cast(dict[str, Any], json.loads(path.read_bytes()))
        text = json.dumps({**data, "environment": environment.kind}, indent=2) + "\n"
        write_file(path, text.encode("utf-8"), aside=path.parent)
    except (OSError, ValueError) as error:
        raise SnapshotError(
            f"The report '{path}' cannot be completed ({error}); the play itself went well."
        ) from error
