"""Links in a root dir that lead out of it: whoever writes through one writes somewhere else.

A root dir may have come from somebody else, in an archive that holds links. What a job or a play
writes must stay below the folder that its user named; that folder itself may be a link.
"""

import os
from pathlib import Path

from alf.errors import RootDirError
from alf.snapshot.exclusions import STORE_NAME, is_safe_path

# What jobs and plays write to. The copies of packages have rules of their own: links in them are
# replaced by what the snapshot holds.
_WRITTEN = ("train", "eval", STORE_NAME, ".alf.lock")


def refuse_links_out(root_dir: Path | str) -> None:
    """Raises where something that jobs write to is a link out of the root dir, or holds one.

    Args:
        root_dir: the job's folder, or one that is not there yet.

    Raises:
        RootDirError: naming the link.
    """
    root = Path(root_dir)
    real = root.resolve()
    pending = [root / name for name in _WRITTEN]
    while pending:
        path = pending.pop()
        if path.is_symlink():
            target = path.resolve()
            if not target.is_relative_to(real):
                raise RootDirError(
                    f"'{path}' is a link that leads out of the root dir, to '{target}': a job"
                    " would write there. Remove it, or if you made it to save space, move the"
                    " whole root dir to that disk and give its path there."
                )
        elif path.is_dir():
            with os.scandir(path) as entries:
                pending += [Path(e) for e in entries if e.is_symlink() or e.is_dir()]


def is_inside(folder: Path, path: str) -> bool:
    """Whether a path, parts joined with `/`, names a place below a folder, reached by no link.

    Args:
        folder: it may be a link itself.
        path: as a file from anybody names it.
    """
    outer = path.rpartition("/")[0]
    return is_safe_path(path) and not (outer and Links(folder).crossed(outer))


class Links:
    """Which places below a folder are reached through a link; looks at each folder once.

    Args:
        root: the folder; it may be a link itself.
    """

    def __init__(self, root: Path):
        self._root = os.fspath(root)
        self._known: dict[str, bool] = {"": False}

    def crossed(self, path: str) -> bool:
        """Whether `path`, parts joined with `/`, is a link or lies behind one."""
        folder = path.rpartition("/")[0]
        if folder not in self._known:
            self._known[folder] = self.crossed(folder)
        return self._known[folder] or os.path.islink(f"{self._root}/{path}")  # noqa: PTH114
