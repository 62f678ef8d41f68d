"""What a snapshot says about itself: plain records that go to JSON and come back equal."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar, cast

SCHEMA_VERSION = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Package:
    """One package, module or conf folder that was captured.

    Attributes:
        name: where it lies in the snapshot and in the root dir, for example `alf` or
            `packages/train`.
        kind: `package` and `module` are imported by their name; `files` are single files that lie
            in a folder for people to read and are not imported by that folder's name.
        root: the folder that was on the import path when the job ran, or the folder of the files.
        files: how many files were taken.
        bytes: their size together, in bytes.
    """

    name: str
    kind: str
    root: str
    files: int
    bytes: int

    @property
    def import_name(self) -> str | None:
        """The top-level name that `import` uses; None where nothing is imported by this name."""
        return self.name.rpartition("/")[2].removesuffix(".py") if self.kind != "files" else None


@dataclass(frozen=True)
class LeftOut:
    """Something that lies in a captured folder and was not taken.

    Attributes:
        path: relative to the snapshot, for example `my_project/.env`.
        reason: why, in a few words.
        bytes: its size in bytes; 0 where it was not measured (whole folders, caches).
    """

    path: str
    reason: str
    bytes: int


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was taken.

    Attributes:
        id: the first 12 hexadecimal digits of its commit in `snapshots.git`.
        time: when, ISO 8601, UTC, to the second.
        seconds: how long taking it took.
        bytes: size of all files together, uncompressed.
        files: number of files.
        packages: what was captured, in the order of their names.
        left_out: what lies beside it and was not taken, with the reason.
        surroundings: packages, Python, platform, git state, command line, seed.
        warnings: what the user should know before trusting this snapshot; usually empty.
    """

    id: str
    time: str
    seconds: float
    bytes: int
    files: int
    packages: tuple[Package, ...]
    left_out: tuple[LeftOut, ...] = ()
    surroundings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything as dicts, lists, strings and numbers."""
        return {
            **asdict(self),
            "packages": [asdict(package) for package in self.packages],
            "left_out": [asdict(item) for item in self.left_out],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Entry:
    """A snapshot in the store, without its content.

    Attributes:
        id: 12 hexadecimal digits.
        commit: all 40 of them.
        tree: the id of its tree, 40 hexadecimal digits.
        parent: the commit of the snapshot before it, or None for the first.
        time: ISO 8601, UTC.
        start: what was particular to this job start (`seconds`, `command`, `seed`, `warnings`,
            ...).
    """

    id: str
    commit: str
    tree: str
    parent: str | None
    time: str
    start: Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """`snapshot.json`: what does not change while neither code nor surroundings change.

    Two job starts with the same code in the same place write the same manifest, and therefore the
    same tree. What differs at each start (time, seconds, command line) stands in the commit
    message.
    """

    packages: tuple[Package, ...]
    left_out: tuple[LeftOut, ...]
    surroundings: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The content of `snapshot.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "packages": [asdict(package) for package in self.packages],
            "left_out": [asdict(item) for item in self.left_out],
            "surroundings": dict(self.surroundings),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Manifest":
        """Reads what `to_json` wrote; fields that a later version added are ignored.

        Raises:
            KeyError, TypeError: a field is missing or of another kind.
        """
        return cls(
            packages=tuple(_build(Package, item) for item in data["packages"]),
            left_out=tuple(_build(LeftOut, item) for item in data["left_out"]),
            surroundings=cast(dict[str, Any], data["surroundings"]),
        )


def _build(cls: type[T], item: Mapping[str, Any]) -> T:
    known = cast(Any, cls).__dataclass_fields__
    return cls(**{name: value for name, value in item.items() if name in known})
