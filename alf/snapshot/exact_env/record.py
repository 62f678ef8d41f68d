"""What a snapshot recorded of Python and of the installed distributions, and what differs here."""

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from alf.errors import SnapshotError
from alf.snapshot.records import Manifest, Package
from alf.snapshot.store import Store
from alf.snapshot.surroundings import installed_distributions

# A version of any of these changes what a policy does, sooner than that of any other.
FOREMOST = ("torch", "numpy", "gymnasium")
MOST_TOLD = 5
_EDITABLE = " (editable)"
# pip leaves folders such as `~umpy-1.26.4.dist-info` where it was interrupted: not distributions.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
# They become parts of paths, and of the lines that pip is given.
_IMPLEMENTATION = re.compile(r"[A-Za-z]+")
_ORIGIN = re.compile(r"[!-~]*")


@dataclass(frozen=True)
class Distribution:
    """One installed distribution, as recorded.

    Attributes:
        name: normalized: small letters, hyphens.
        version: as its folder in site-packages said it.
        origin: the URL that it came from, or "" where that was a package index.
        is_editable: whether it was a link to a working folder.
    """

    name: str
    version: str
    origin: str = ""
    is_editable: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def recorded(self) -> str:
        """Version and origin, as `installed_distributions` says them."""
        origin = f" @ {self.origin}" if self.origin else ""
        return f"{self.version}{origin}{_EDITABLE if self.is_editable else ''}"


@dataclass(frozen=True)
class Recorded:
    """The surroundings of a snapshot, as far as an environment can bring them back.

    Attributes:
        snapshot_id: 12 hexadecimal digits.
        python: the full version, such as `3.11.7`.
        implementation: such as `CPython`.
        machine: system and machine, such as `Linux x86_64`.
        installed: what the environment has to hold, by name.
        held: what the snapshot holds itself, as code: `alf`, and editable projects.
        left_out: editable projects that the job did not import; their code is nowhere.
    """

    snapshot_id: str
    python: str
    implementation: str
    machine: str
    installed: Mapping[str, Distribution]
    held: Mapping[str, Distribution]
    left_out: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """24 hexadecimal digits, equal for equal environments, whichever snapshot wants them."""
        content = {
            "python": f"{self.implementation} {self.python}",
            "machine": this_machine(),
            "installed": {name: item.recorded for name, item in self.installed.items()},
            "held": {name: item.version for name, item in self.held.items()},
        }
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:24]


def this_machine() -> str:
    """System and machine that this process runs on, such as `Linux x86_64`."""
    return f"{platform.system()} {platform.machine()}"


def read_record(root_dir: Path | str, name: str | None) -> Recorded:
    """The recorded surroundings of a snapshot.

    Args:
        root_dir: the job's folder.
        name: an id, `ckpt-N`, or None for the newest.

    Raises:
        SnapshotError: there is no such snapshot, it is damaged, or it recorded no distributions.
    """
    with Store(root_dir) as store:
        entry = store.resolve(name)
        return recorded(entry.id, store.manifest(entry))


def recorded(snapshot_id: str, manifest: Manifest) -> Recorded:
    """Sorts what a manifest recorded into what is to be installed and what the snapshot holds.

    Raises:
        SnapshotError: it recorded no Python or no distributions.
    """
    found = manifest.surroundings
    python, machine = _mapping(found, "python"), _mapping(found, "platform")
    distributions = _mapping(found, "distributions")
    if not python.get("version") or not distributions:
        raise SnapshotError(
            f"Snapshot {snapshot_id} did not record which packages were installed, so that its"
            " environment cannot be made again. Leave out --exact_env to play with those of today."
        )
    version, implementation = str(python["version"]), str(python.get("implementation", "CPython"))
    if not (_VERSION.fullmatch(version) and _IMPLEMENTATION.fullmatch(implementation)):
        raise SnapshotError(
            f"Snapshot {snapshot_id} says that it was taken with {implementation!r} {version!r},"
            " which is no version of Python: the record was not written by alf. Leave out"
            " --exact_env."
        )
    everything = [
        item
        for name, text in sorted(distributions.items())
        if (item := parse_distribution(name, str(text))) is not None
    ]
    held = {d.name: d for d in everything if d.name == "alf" or _is_held(d, manifest.packages)}
    return Recorded(
        snapshot_id=snapshot_id,
        python=version,
        implementation=implementation,
        machine=f"{machine.get('system', '')} {machine.get('machine', '')}",
        installed={d.name: d for d in everything if d.name not in held and not d.is_editable},
        held=held,
        left_out=tuple(d.name for d in everything if d.is_editable and d.name not in held),
    )


def parse_distribution(name: str, text: str) -> Distribution | None:
    """Reads `1.26.4`, `1.0 @ https://host/x.whl` or `0.1 @ file:///work/x (editable)`.

    Returns:
        None where the name or the version is none that a package can have.
    """
    is_editable = text.endswith(_EDITABLE)
    version, _, origin = text.removesuffix(_EDITABLE).partition(" @ ")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        return None
    origin = origin.strip()
    return Distribution(name, version, origin if _ORIGIN.fullmatch(origin) else "", is_editable)


def _is_held(item: Distribution, packages: Iterable[Package]) -> bool:
    """Whether the code of an editable project is in the snapshot."""
    if not item.is_editable:
        return False
    folder = folder_of(item.origin)
    import_name = item.name.replace("-", "_")
    return any(
        package.import_name is not None
        and (package.import_name.lower() == import_name or _lies_in(package.root, folder))
        for package in packages
    )


def folder_of(url: str) -> Path | None:
    """The path that a `file:` URL names; None for any other URL."""
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _lies_in(path: str, folder: Path | None) -> bool:
    return folder is not None and Path(path).is_relative_to(folder)


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Difference:
    """Something that has another version here than in the record.

    Attributes:
        name: of the distribution, or `Python`.
        then: the recorded version.
        here: the version here, or "" where it is not installed.
    """

    name: str
    then: str
    here: str

    def __str__(self) -> str:
        return f"{self.name} {self.then} ({f'here {self.here}' if self.here else 'not here'})"


def differences(record: Recorded, here: Mapping[str, str]) -> list[Difference]:
    """What the running interpreter has in another version, or not at all.

    Args:
        record: the recorded surroundings.
        here: name -> version, with or without an origin behind it, of what is installed here.

    Returns:
        Python first, then what matters most, then the rest by name.
    """
    found: list[Difference] = []
    python, implementation = platform.python_version(), platform.python_implementation()
    if (record.python, record.implementation) != (python, implementation):
        named = implementation != record.implementation
        here_python = f"{implementation} {python}" if named else python
        then = f"{record.implementation} {record.python}" if named else record.python
        found.append(Difference("Python", then, here_python))
    first = [name for name in FOREMOST if name in record.installed]
    for name in dict.fromkeys([*first, *record.installed]):
        item = record.installed[name]
        version = here.get(name, "").partition(" @ ")[0]
        if version != item.version:
            found.append(Difference(name, item.version, version))
    return found


def told(found: Iterable[Difference]) -> str:
    """Differences in words: at most `MOST_TOLD`, then how many more there are."""
    every = list(found)
    rest = len(every) - MOST_TOLD
    more = f" and {rest} more in other versions" if rest > 0 else ""
    return ", ".join(str(item) for item in every[:MOST_TOLD]) + more


def version_remark(root_dir: Path | str, name: str | None) -> str | None:
    """One line on versions of importance that differ here from those that trained a model.

    Python and `FOREMOST` are of importance, and every distribution that the job had imported where
    that was recorded.

    Args:
        root_dir: the job's folder.
        name: an id, `ckpt-N`, or None for the newest snapshot.

    Returns:
        None where nothing of importance differs, or nothing was recorded.

    Raises:
        SnapshotError: there is no such snapshot, or it is damaged.
    """
    with Store(root_dir) as store:
        entry = store.resolve(name)
        manifest = store.manifest(entry)
    if not _mapping(manifest.surroundings, "distributions"):
        return None
    record = recorded(entry.id, manifest)
    imported = cast(Iterable[str], manifest.surroundings.get("imported") or ())
    matters = {"Python", *FOREMOST, *imported}
    found = [d for d in differences(record, installed_distributions(sys.path)) if d.name in matters]
    if not found:
        return None
    return f"trained with {told(found)}; --exact_env plays it with the versions of then"
