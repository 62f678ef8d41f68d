"""Makes an environment in a folder that does not exist yet, as if it stood where it will stand."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from alf.errors import SnapshotError
from alf.snapshot.exact_env.interpreter import (
    Interpreter,
    find_interpreter,
    probe,
    shares_packages,
)
from alf.snapshot.exact_env.pip_install import Pip, Report, install
from alf.snapshot.exact_env.record import (
    MOST_TOLD,
    Distribution,
    Recorded,
    differences,
    told,
)
from alf.snapshot.exact_env.takeover import find_installed, same_versions, take_over
from alf.snapshot.surroundings import installed_distributions

_MOST_SCRIPT_BYTES = 1 << 20
_LABEL = "python    "


def program_in(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def build(record: Recorded, folder: Path, final: Path, report: Report) -> dict[str, str]:
    """Makes the recorded environment.

    Args:
        record: what it has to hold.
        folder: where it is made; does not exist.
        final: where it will lie when it is finished.
        report: gets lines for the user.

    Returns:
        Name -> what is other than recorded, in words; usually empty.

    Raises:
        SnapshotError: it cannot be made; says what is missing.
        OSError: the disk is full or cannot be written.
    """
    python = _new_environment(find_interpreter(record), folder)
    site = Path(python.paths["purelib"])
    wanted = record.installed
    same = same_versions(wanted.values()) if shares_packages(record) else []
    others = [item for item in wanted.values() if item not in same]
    report(_plan(record, len(same), others))
    # What has to come from elsewhere goes first: if it cannot be had, nothing was done in vain.
    remarks = _install(python, others, record, report)
    here = find_installed(same)
    spoilt = [item for item in same if item.name not in here]
    if spoilt:
        report(f"{_LABEL}not as they were installed here, so by pip too: {_listed(spoilt)}")
        remarks |= _install(python, spoilt, record, report)
    for installed in here.values():
        take_over(installed, site, folder)
    for item in record.held.values():
        _write_metadata(item, site)
    if not all(installed.has_bytecode for installed in here.values()):
        _compile(python.program, site)
    _settle(folder, final)
    _check(record, site, remarks)
    return remarks


def _new_environment(base: Path, folder: Path) -> Interpreter:
    """An empty virtual environment, and its answer to who it is."""
    command = [str(base), "-I", "-m", "venv", "--without-pip", "--prompt=exact", str(folder)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    python = probe(program_in(folder)) if done.returncode == 0 else None
    if python is None:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise SnapshotError(
            f"'{base}' cannot make a virtual environment: {last or 'its Python does not start'}. On"
            " Debian and Ubuntu, the package python3-venv has what it takes."
        )
    return python


def _install(
    python: Interpreter, items: list[Distribution], record: Recorded, report: Report
) -> dict[str, str]:
    if not items:
        return {}
    with tempfile.TemporaryDirectory(prefix="alf_pip_") as scratch:
        return install(Pip(python.program, Path(scratch), report), items, record)


def _listed(items: list[Distribution]) -> str:
    more = f" and {len(items) - MOST_TOLD} more" if len(items) > MOST_TOLD else ""
    return ", ".join(str(item) for item in items[:MOST_TOLD]) + more


def _plan(record: Recorded, taken: int, others: list[Distribution]) -> str:
    line = f"{_LABEL}making the environment of snapshot {record.snapshot_id}"
    plural = "package as it is" if taken == 1 else "packages as they are"
    parts = [f"{taken} {plural} installed here"] if taken else []
    parts += [f"{_listed(others)} by pip"] if others else []
    return f"{line}: {', '.join(parts)}" if parts else line


def _write_metadata(item: Distribution, site: Path) -> None:
    """Lets `importlib.metadata` know a project whose code is in the snapshot."""
    folder = site / f"{item.name.replace('-', '_')}-{item.version}.dist-info"
    folder.mkdir()
    text = f"Metadata-Version: 2.1\nName: {item.name}\nVersion: {item.version}\n"
    (folder / "METADATA").write_text(text, encoding="utf-8", newline="\n")
    (folder / "INSTALLER").write_text("alf\n", encoding="utf-8", newline="\n")
    if item.origin:
        origin = {"url": item.origin, "dir_info": {"editable": item.is_editable}}
        (folder / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")


def _compile(python: Path, site: Path) -> None:
    """Compiles what is not compiled yet: a play writes no bytecode, so each would do it again."""
    subprocess.run(
        [str(python), "-I", "-m", "compileall", "-q", "-q", str(site)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,  # packages hold templates that are no Python; nobody imports those
    )


def _settle(folder: Path, final: Path) -> None:
    """Writes the final place where the present one stands: scripts, and what venv noted."""
    here, there = os.fsencode(folder), os.fsencode(final)
    for path in [folder / "pyvenv.cfg", *program_in(folder).parent.iterdir()]:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_SCRIPT_BYTES:
            continue
        data = path.read_bytes()
        if here in data and b"\0" not in data:
            status = path.stat()
            path.write_bytes(data.replace(here, there))
            os.chmod(path, status.st_mode)  # noqa: PTH101 -- beside `stat`


def _check(record: Recorded, site: Path, remarks: Mapping[str, str]) -> None:
    """Proves that the environment holds what was recorded, and nothing else."""
    wanted = {**record.installed, **record.held}
    holds = versions_in(site)
    unexpected = [
        item
        for item in differences(record, holds)
        if item.name in wanted and item.name not in remarks
    ]
    surplus = sorted(holds.keys() - wanted.keys())
    if unexpected or surplus:
        what = told(unexpected).replace("(here", "(got") or ", ".join(surplus)
        raise SnapshotError(
            f"The environment of snapshot {record.snapshot_id} is not as recorded after it was"
            f" made: {what}. The place that a package came from gives another version now; leave"
            " out --exact_env to play with the versions that are installed here."
        )


def versions_in(site: Path) -> Mapping[str, str]:
    """Name -> version of what an environment holds, without origins."""
    found = installed_distributions([str(site)])
    return {name: text.partition(" @ ")[0] for name, text in found.items()}
