"""Installs exact versions into an environment with pip, and says which cannot be had any more.

A distribution has candidates, tried in this order: the URL that it came from, the index with the
version as recorded, and for a local label such as `2.13.0+cpu` the version without it. Whatever is
not as recorded is told to the user; dependencies are never resolved, since all of them were
recorded themselves.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alf.errors import SnapshotError
from alf.snapshot.exact_env.record import Distribution, Recorded, folder_of, this_machine

Report = Callable[[str], None]

# https://packaging.python.org/en/latest/specifications/version-specifiers/: a version in the form
# that `===` compares letter by letter. With `==`, pip would take 2.13.0+cpu for 2.13.0.
_NORMAL = re.compile(r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?")
_CULPRITS = re.compile(
    r"No matching distribution found for (?P<a>[\w.-]+\w)"
    r"|Failed building wheel for (?P<b>[\w.-]+\w)"
    r"|Failed to build '?(?P<c>[\w.-]+\w)'?"
    r"|installable wheels for [^(]*\((?P<d>[\w.-]+\w)"
    r"|^╰─> (?P<e>[\w.-]+\w)$",
    re.MULTILINE,
)
_UNREACHABLE = re.compile(
    r"connection broken by '(\w+)|(Temporary failure in name resolution)|(Max retries exceeded)"
)
# "  Downloading https://host/numpy-1.26.4-cp311.whl (18.3 MB)", with or without the URL.
_DOWNLOAD = re.compile(
    r"\s*Downloading (?:\S*/)?([\w.+-]+\.(?:whl|tar\.gz|zip))( \([\d.]+ [kMG]B\))?"
)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
# Settings of a user's pip that would install elsewhere, or something else.
_DROPPED = (
    *("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON"),
    *("PIP_CONSTRAINT", "PIP_REQUIREMENT", "PIP_DRY_RUN", "PIP_QUIET", "PIP_VERBOSE"),
)
_RETRIES = "2"
_MOST_TOLD = 8


@dataclass(frozen=True)
class Candidate:
    """One way to get a distribution.

    Attributes:
        requirement: a line of a requirements file.
        remark: what is other than recorded, in words; "" where nothing is.
    """

    requirement: str
    remark: str = ""


def pip_program() -> list[str]:
    """How to run pip: as it is installed here, or as it comes with Python.

    Raises:
        SnapshotError: there is none.
    """
    # Not by `importlib.util`: setuptools has a hook that takes a question for pip as the start of
    # pip, and in such a process `import setuptools` fails from then on.
    if importlib.machinery.PathFinder.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]
    for folder in _wheel_folders():
        for wheel in sorted(folder.glob("pip-*.whl")):
            return [sys.executable, "-P", str(wheel / "pip")]  # a wheel runs as it is
    raise SnapshotError(
        f"The environment needs pip to be made, and {sys.executable} has none: `python -m"
        " ensurepip`, or install it as you install other packages, and play again."
    )


def _wheel_folders() -> Iterator[Path]:
    """Where the wheels lie that Python makes environments with; some systems move them."""
    spec = importlib.util.find_spec("ensurepip")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        yield Path(folder, "_bundled")
    moved = sysconfig.get_config_var("WHEEL_PKG_DIR")
    if moved:
        yield Path(str(moved))


@dataclass
class Pip:
    """pip of the running interpreter, working on another environment.

    Attributes:
        python: the other environment's Python.
        scratch: a folder for its files.
        report: gets a line for each download.
    """

    python: Path
    scratch: Path
    report: Report
    _program: list[str] = field(default_factory=pip_program, init=False)

    def install(self, requirements: Iterable[str], *, dry_run: bool = False) -> str | None:
        """Installs all of the requirements or none.

        Returns:
            What pip said when it failed; None when it did not.

        Raises:
            SnapshotError: pip cannot be started.
        """
        listed = self.scratch / "requirements.txt"
        listed.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        command = [*self._program, "--python", str(self.python), "--no-input", "install"]
        command += ["--disable-pip-version-check", "--no-deps", "--no-warn-script-location"]
        command += ["--retries", _RETRIES, "--requirement", str(listed)]
        command += ["--dry-run"] if dry_run else []
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        try:
            child = subprocess.Popen(
                command,
                env=kept,
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise SnapshotError(
                f"pip cannot be started: {error.strerror} ({command[0]}). Is this Python still"
                " installed there?"
            ) from error
        said = self._listen(child)
        return said if child.returncode != 0 else None

    def _listen(self, child: "subprocess.Popen[str]") -> str:
        """All that pip says; downloads are passed on, since they may take minutes."""
        said: list[str] = []
        with child:
            try:
                for line in child.stdout or ():
                    said.append(line)
                    if match := _DOWNLOAD.match(line):
                        self.report(f"python    downloading {match[1]}{match[2] or ''}")
            except BaseException:
                _kill(child)
                raise
        return "".join(said)


def _kill(child: "subprocess.Popen[str]") -> None:
    """Ends pip with the processes that it started; one that lived on would go on installing."""
    if os.name != "posix":
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # it leads a session of its own


def candidates(item: Distribution) -> list[Candidate]:
    """The ways to get a distribution, the most exact first."""
    found: list[Candidate] = []
    remark = ""
    if item.origin:
        remark = f"{item} comes from the package index, and was recorded from {item.origin}"
        url = _pip_url(item.origin)
        if url is not None:
            found.append(Candidate(f"{item.name} @ {url}"))
    found.append(Candidate(_pinned(item.name, item.version), remark))
    public, _, label = item.version.partition("+")
    if label:
        remark = f"{item.name} {public} stands in for {item.version}, which cannot be had"
        found.append(Candidate(_pinned(item.name, public), remark))
    return found


def _pinned(name: str, version: str) -> str:
    return f"{name}{'===' if _NORMAL.fullmatch(version) else '=='}{version}"


def _pip_url(origin: str) -> str | None:
    """The recorded origin as pip wants it; None for a file or folder that is not there any more."""
    folder = folder_of(origin.partition("#")[0])
    if folder is not None and not folder.exists():
        return None
    url, _, commit = origin.partition("#")
    # Only version control records a commit; git is what all of it is, but for museums.
    return f"git+{url}@{commit}" if _COMMIT.fullmatch(commit) else url


def install(pip: Pip, wanted: Iterable[Distribution], record: Recorded) -> dict[str, str]:
    """Installs distributions, each in its first candidate that can be had.

    Args:
        pip: where to.
        wanted: what.
        record: whose surroundings they are, for messages.

    Returns:
        Name -> what is other than recorded, in words; usually empty.

    Raises:
        SnapshotError: some cannot be had, named in the message; or the index cannot be reached.
    """
    ways = {item.name: candidates(item) for item in wanted}
    for name in [name for name, of_name in ways.items() if " @ " in of_name[0].requirement]:
        # One by one: what pip says of a URL that fails does not name the distribution.
        if pip.install([ways[name][0].requirement]) is None:
            del ways[name]
        else:
            ways[name].pop(0)
    missing: list[str] = []
    chosen: dict[str, Candidate] = {}
    while ways:
        chosen = {name: of_name[0] for name, of_name in ways.items()}
        said = pip.install(
            [candidate.requirement for candidate in chosen.values()],
            dry_run=bool(missing),
        )
        if said is None:
            break
        culprit = next(_culprits(said, chosen), None)
        if culprit is None or _UNREACHABLE.search(said):
            raise SnapshotError(_failure(said, chosen, record))
        ways[culprit].pop(0)
        if not ways[culprit]:
            missing.append(culprit)
            del ways[culprit]
    if missing:
        raise SnapshotError(_lesson(_named(missing, record), record))
    return {name: candidate.remark for name, candidate in chosen.items() if candidate.remark}


def _culprits(said: str, chosen: Mapping[str, Candidate]) -> Iterator[str]:
    """Names of what was to be installed that pip complains about."""
    for match in _CULPRITS.finditer(said):
        name = re.sub(r"[-_.]+", "-", next(filter(None, match.groups()))).lower()
        if name in chosen:
            yield name


def _named(names: Iterable[str], record: Recorded) -> list[str]:
    return [str(record.installed[name]) for name in names]


def _lesson(missing: list[str], record: Recorded) -> str:
    plural = len(missing) > 1
    return (
        f"The environment of snapshot {record.snapshot_id} cannot be made again:"
        f" {' and '.join(missing)} cannot be had any more (pip finds {'them' if plural else 'it'}"
        f" nowhere for Python {record.python} on {this_machine()}). Give pip a place that has"
        f" {'them' if plural else 'it'}, as in PIP_FIND_LINKS=/my/wheels, or leave out --exact_env"
        " to play with the versions that are installed here."
    )


def _failure(said: str, chosen: Mapping[str, Candidate], record: Recorded) -> str:
    names = _named(chosen, record)
    rest = len(names) - _MOST_TOLD
    listed = ", ".join(names[:_MOST_TOLD]) + (f" and {rest} more" if rest > 0 else "")
    start = f"The environment of snapshot {record.snapshot_id} cannot be made: {listed}"
    if match := _UNREACHABLE.search(said):
        reason = next(filter(None, match.groups()))
        return (
            f"{start} would have to be downloaded, and the package index cannot be reached"
            f" ({reason}). Play again when it can, give pip a folder that has them, as in"
            " PIP_FIND_LINKS=/my/wheels, or leave out --exact_env to play with the versions that"
            " are installed here."
        )
    errors = [line.strip() for line in said.splitlines() if "error" in line.lower()]
    return (
        f"{start} had to be installed, and pip failed:\n"
        + "\n".join(f"  {line}" for line in (errors or said.splitlines())[-4:])
        + "\nMend that, or leave out --exact_env to play with the versions that are installed here."
    )
