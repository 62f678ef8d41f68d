"""Where a play can be shown or recorded, found out before anything is started.

Commands ask this first, so nothing here needs a picture, an array or a tensor.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from alf.errors import UsageError

SUPPORTED = (
    "a name that ends in .mp4, .gif, .html (a player) or .npz (the numbers of each step), or a "
    "folder (a name without suffix) for PNG frames"
)

PATTERN = "frame_*.png"
"""Names of the frames in a folder of them."""


def check_record_files(record_files: Sequence[str]) -> None:
    """Finds out before anything is started that a recording could not be made.

    Raises:
        UsageError: a suffix that is not supported, a name given twice, or a place that cannot be
            a file (or folder) of that kind.
    """
    seen: set[Path] = set()
    for name in record_files:
        path = Path(name).expanduser()
        kind = kind_of(path, name)
        if path.resolve() in seen:
            raise UsageError(f"--record_file {name} was given twice; each recording has its own.")
        seen.add(path.resolve())
        if kind != "folder" and path.is_dir():
            raise UsageError(f"--record_file {name} is a folder; give a file name inside it.")
        check_place(path, "--record_file")
        if kind == "folder":
            check_folder(path)


def check_place(path: Path, flag: str) -> None:
    """Finds out whether a file could be written, or a folder made, without doing it.

    Args:
        path: the file or folder; folders above it may be missing, as they can be made.
        flag: what it was given with, for the message.

    Raises:
        UsageError: the folder that is there already is a file, or cannot be written to.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise UsageError(
            f"{flag} {path}: '{folder}' is a file, not a folder. Give {flag} another place."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"{flag} {path}: the folder '{folder}' cannot be written to. Give {flag} another place."
        )


def check_folder(path: Path) -> None:
    """Finds out whether frames can be put into a folder.

    Frames of two plays in one folder could not be told apart.

    Raises:
        UsageError: it is a file, or a folder with frames of another play.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file, so frames cannot be put into it.")
    if path.is_dir() and next(path.glob(PATTERN), None) is not None:
        raise UsageError(
            f"The folder {path} holds frames of an earlier recording. Delete them, or give "
            "--record_file a new folder."
        )


def kind_of(path: Path, name: str) -> str:
    """`"mp4"`, `"gif"`, `"html"`, `"npz"` or `"folder"`.

    Args:
        path: where to record.
        name: how it was given, for the message.

    Raises:
        UsageError: it is none of these.
    """
    suffix = path.suffix.lower()
    if suffix in (".mp4", ".gif", ".html", ".npz"):
        return suffix[1:]
    if not suffix or path.is_dir():
        return "folder"
    raise UsageError(f"--record_file {name}: cannot record to {suffix!r}. Give {SUPPORTED}.")


def has_display() -> bool:
    """Whether a window could be opened here."""
    if sys.platform in ("win32", "darwin") or os.environ.get("SDL_VIDEODRIVER"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
