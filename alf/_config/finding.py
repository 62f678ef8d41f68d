"""Where the confs are that a conf builds on: beside it, in `ALF_CONFIG_PATH`, in the root dir."""

import os
from pathlib import Path

from alf._config.origin import Origin
from alf._config.recording import recorded_conf_path
from alf.errors import ConfigError

_PATH_VARIABLE = "ALF_CONFIG_PATH"
_SNAPSHOT_VARIABLE = "ALF_SNAPSHOT"
# What lies in a root dir beside the copies of confs and packages.
_NO_COPIES = frozenset({"alf", "train", "eval", "snapshots.git"})


def find(wanted: str, own_file: str, origin: Origin) -> Path:
    """The file that `import_config` means.

    Args:
        wanted: what it was given.
        own_file: the calling conf; `""` for none, where the current folder stands in.
        origin: the call.

    Raises:
        ConfigError: there is none, or a root dir keeps several that differ.
    """
    target = expanded(wanted)
    if own_file and target.is_absolute():
        target = _as_in_the_conf(target, own_file)
    names = [target] if target.suffix == ".py" else [target, Path(f"{target}.py")]
    if target.is_absolute():
        tried = [place for name in names for place in _with_copies(name)]
    else:
        tried = [folder / name for folder in _search_folders(own_file) for name in names]
    for candidate in tried:
        if is_file(candidate):
            return candidate
    if not target.is_absolute():
        places = [folder / name for folder in _kept_folders(own_file) for name in names]
        copy = _only_one(wanted, [place for place in places if is_file(place)], origin)
        if copy is not None:
            return copy
        tried += [place for place in places if place not in tried]
    looked = "".join(f"\n    {candidate}" for candidate in tried)
    raise ConfigError(
        f"{origin}: import_config finds no '{wanted}'. Looked for:{looked}\n"
        f"Give an absolute path, or add its folder to the environment variable {_PATH_VARIABLE}."
    )


def expanded(text: str) -> Path:
    """The path with `~` replaced, where there is such a user."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib's raises where there is none


def is_file(path: Path) -> bool:
    """Whether there is such a file; `False` also for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # e.g. it is too long
        return False


def with_captured_modules(folder: Path) -> list[Path]:
    """The folder of a conf, and, where that is itself a captured copy, the one of its modules."""
    if (folder.parent / "snapshots.git").is_dir():
        return [folder, folder.parent]
    return [folder]


def _search_folders(own_file: str) -> list[Path]:
    if not own_file:
        return [Path.cwd(), *_config_path()]
    own_folder = Path(own_file).resolve().parent
    original = recorded_conf_path(own_file)
    if original is None:
        return [own_folder, *_config_path()]
    folders = [*_captured_copies(own_folder, original.parent), own_folder]
    # What the root dir has are copies, which a job that goes on takes only where all else is gone;
    # played with its snapshot, it must not see what the original folder holds today.
    if not os.environ.get(_SNAPSHOT_VARIABLE):
        folders = with_captured_modules(original.parent) + folders
    return folders + _config_path()


def _as_in_the_conf(target: Path, own_file: str) -> Path:
    """What a path made of `__file__` meant where the conf was, before it became `alf_config.py`."""
    root_dir = Path(own_file).resolve().parent
    if not target.is_relative_to(root_dir) or recorded_conf_path(own_file) is None:
        return target
    inside = target.relative_to(root_dir)
    return inside if ".." in inside.parts or not is_file(target) else target


def _with_copies(target: Path) -> list[Path]:
    """An absolute path; for a snapshot, first its copy there, which is the one that was run."""
    snapshot = os.environ.get(_SNAPSHOT_VARIABLE)
    if not snapshot or target.is_relative_to(Path(snapshot).resolve()):
        return [target]
    copies = _captured_copies(Path(snapshot).resolve(), target.parent)
    return [*(copy / target.name for copy in copies), target]


def _config_path() -> list[Path]:
    """The folders of `ALF_CONFIG_PATH`; of those, for a snapshot, the ones that are part of it."""
    entries = os.environ.get(_PATH_VARIABLE, "").split(os.pathsep)
    folders = [expanded(entry) for entry in entries if entry]
    snapshot = os.environ.get(_SNAPSHOT_VARIABLE)
    if not snapshot:
        return folders
    root = Path(snapshot).resolve()
    return [folder for folder in folders if folder.resolve().is_relative_to(root)]


def _captured_copies(root_dir: Path, original: Path) -> list[Path]:
    """Where the root dir may keep a copy of a conf's folder: under its name, or in its package."""
    parts = original.parts[1:]
    endings = [Path(*parts[start:]) for start in range(len(parts) - 1, -1, -1)]
    places = [root_dir / top / ending for ending in endings for top in ("", "packages")]
    return [place for place in places if place.is_dir()]


def _kept_folders(own_file: str) -> list[Path]:
    """Where a root dir keeps confs that were found in `ALF_CONFIG_PATH` when it was trained."""
    snapshot = os.environ.get(_SNAPSHOT_VARIABLE)
    if snapshot:
        root = Path(snapshot).resolve()
    elif own_file:
        folder = Path(own_file).resolve().parent
        root = folder if recorded_conf_path(own_file) is not None else folder.parent
        if not (root / "snapshots.git").is_dir():
            return []
    else:
        return []
    inside = sorted(entry for entry in root.iterdir() if entry.is_dir())
    return [root, *(e for e in inside if e.name not in _NO_COPIES and e.name[0] != ".")]


def _only_one(wanted: str, copies: list[Path], origin: Origin) -> Path | None:
    """The copy that a root dir keeps, `None` for none; those that are equal are one."""
    if len({copy.read_bytes() for copy in copies}) > 1:
        listed = "".join(f"\n    {copy}" for copy in copies)
        raise ConfigError(
            f"{origin}: the root dir keeps several confs '{wanted}' that differ:{listed}\n"
            f"Name the folder of the right one in the environment variable {_PATH_VARIABLE}."
        )
    return copies[0] if copies else None
