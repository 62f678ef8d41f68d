"""What a snapshot keeps out of a captured folder, and the reason it gives.

Everything in a package's folder is taken, because nobody can tell from a suffix what a job reads.
The price of that would be secrets, videos and other people's environments; this file names what
stays out.
"""

# The walk handles strings: with Path it takes five times as long.
# ruff: noqa: PTH110, PTH112, PTH116, PTH118, PTH206

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from alf.snapshot.records import LeftOut

# Change it with the rules: what earlier snapshots cached about files is then forgotten.
RULES_VERSION = 1

STORE_NAME = "snapshots.git"

_CACHE_FOLDERS = frozenset(
    (
        *("__pycache__", ".cache", ".eggs", ".git", ".hg", ".hypothesis", ".ipynb_checkpoints"),
        *(".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox", "node_modules"),
    )
)
_CACHE_FILES = re.compile(r".*\.py[co]|\.DS_Store|Thumbs\.db|\.coverage", re.IGNORECASE)
_BUILD_FOLDERS = re.compile(r".*\.(egg-info|dist-info)", re.IGNORECASE)

# Git refuses these names in a tree on one platform or another.
_GIT_NAMES = frozenset((".git", "git~1"))
# Invisible characters: `is_hfs_dotgit` in https://github.com/git/git/blob/master/utf8.c
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")

_SECRET_FOLDERS = frozenset((".ssh", ".gnupg", ".aws", ".kube", ".docker", ".azure"))
_SECRET_FILES = re.compile(
    r"""\.env(\..*)?|\.envrc                            # environment files of all tools
    | id_(rsa|dsa|ecdsa|ed25519)(_sk)?                  # SSH keys; the .pub half is no secret
    | .*\.(pem|key|p12|pfx|ppk|jks|keystore|kdbx)       # key stores
    | (credentials?|client_secrets?|service[-_]account).*\.json
    | [._]netrc|\.npmrc|\.pypirc|\.git-credentials|\.htpasswd|\.pgpass|\.boto
    | \.?(api_?key|access_?token|tokens?|secrets?|passwords?)(\.(txt|json|ya?ml|toml|ini))?
    | .*\.(token|secret)""",
    re.IGNORECASE | re.VERBOSE,
)
# PEM armour at the start of a line: source code that merely mentions a key does not look like this.
_PRIVATE_KEY = re.compile(
    rb"^(-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY|PuTTY-User-Key-File-)", re.MULTILINE
)
_HEAD_BYTES = 8192


@dataclass(frozen=True)
class Limits:
    """How much a snapshot may take.

    Attributes:
        file_bytes: a file above this size is left out.
        total_bytes: above this sum the largest files are left out until the rest fits.
    """

    file_bytes: int = 50_000_000
    total_bytes: int = 1_000_000_000


@dataclass(frozen=True)
class FoundFile:
    """A regular file to take.

    Attributes:
        relative: its place below the walked folder, parts joined with `/`.
        path: where its content is; the target where a link led to it.
        status: its `os.stat` at the time of the walk.
    """

    relative: str
    path: str
    status: os.stat_result


@dataclass
class Walk:
    """What lies in one folder.

    Attributes:
        files: what to take, sorted by `relative`.
        left_out: what not to take; paths relative to the folder.
    """

    files: list[FoundFile] = field(default_factory=list[FoundFile])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])


def is_safe_name(name: str) -> bool:
    """Whether a name is a single step down on every platform, and nothing of git's."""
    return (
        name.strip(". ") != ""
        and not any(character in "/\\:" or ord(character) < 32 for character in name)
        and _as_some_file_systems_read_it(name) not in _GIT_NAMES
    )


def is_safe_path(path: str) -> bool:
    """Whether a path, parts joined with `/`, stays below the folder that it begins in."""
    return all(is_safe_name(name) for name in path.split("/"))


def _as_some_file_systems_read_it(name: str) -> str:
    """Without case, without what HFS+ ignores, and without what Windows drops at the end."""
    return _IGNORED.sub("", name).rstrip(". ").lower()


def is_secret_name(name: str) -> bool:
    """Whether a file of this name usually holds a secret. The name is without its folder."""
    return _SECRET_FILES.fullmatch(name) is not None


def holds_private_key(head: bytes) -> bool:
    """Whether content, of which the first kilobytes are enough, is a private key."""
    return _PRIVATE_KEY.search(head[:_HEAD_BYTES]) is not None


def file_reason(name: str, size: int, limits: Limits) -> str | None:
    """Why a regular file stays out, judged by its name and size; None where it is taken."""
    if _CACHE_FILES.fullmatch(name):
        return "cache"
    if is_secret_name(name):
        return "may hold a secret"
    if size > limits.file_bytes:
        return f"larger than {limits.file_bytes / 1e6:g} MB"
    return None if is_safe_name(name) else "its name cannot be stored on every platform"


def folder_reason(path: str, name: str) -> str | None:
    """Why a folder stays out with all that is in it; None where it is walked."""
    if name in _CACHE_FOLDERS:
        return "cache"
    if not is_safe_name(name):
        return "its name cannot be stored on every platform"
    if name in _SECRET_FOLDERS:
        return "may hold a secret"
    return "build output" if _BUILD_FOLDERS.fullmatch(name) else _foreign_reason(path)


def _foreign_reason(path: str) -> str | None:
    """Judges a folder by what lies in it."""
    if os.path.lexists(os.path.join(path, "pyvenv.cfg")) or os.path.isdir(
        os.path.join(path, "conda-meta")
    ):
        return "a virtual environment"
    if os.path.isdir(os.path.join(path, STORE_NAME)):
        return "a root dir"
    return None


def walk_folder(folder: Path, limits: Limits, skip: Path | None = None) -> Walk:
    """Lists what lies in `folder`, links inside it followed.

    Args:
        folder: the folder of a package.
        limits: sizes; only `file_bytes` is used here, `fit_total` applies the other.
        skip: a folder to leave out as a root dir although it holds no store yet, or None.

    Raises:
        OSError: `folder` itself cannot be listed. Trouble further down is in `left_out`.
    """
    walker = _Walker(os.path.realpath(folder), limits, os.path.realpath(skip) if skip else None)
    walker.enter(walker.folder, "", (walker.folder,))
    walker.walk.files.sort(key=lambda file: file.relative)
    walker.walk.left_out += [LeftOut(pattern, "cache", 0) for pattern in sorted(walker.caches)]
    return walker.walk


def fit_total(files: list[FoundFile], limits: Limits) -> tuple[list[FoundFile], list[FoundFile]]:
    """Splits files into those that fit `limits.total_bytes`, and the largest, which do not.

    Returns:
        `(taken, dropped)`, both in the order given.
    """
    total = sum(file.status.st_size for file in files)
    dropped: set[int] = set()
    for index in sorted(range(len(files)), key=lambda i: -files[i].status.st_size):
        if total <= limits.total_bytes:
            break
        total -= files[index].status.st_size
        dropped.add(index)
    taken = [file for i, file in enumerate(files) if i not in dropped]
    return taken, [files[i] for i in sorted(dropped)]


class _Walker:
    """One walk through one folder."""

    def __init__(self, folder: str, limits: Limits, skip: str | None):
        self.folder = folder
        self.limits = limits
        self.skip = skip
        self.walk = Walk()
        self.caches: set[str] = set()

    def enter(self, path: str, relative: str, above: tuple[str, ...]) -> None:
        """Takes what lies in the folder `path`; `above` holds the real folders that led here."""
        try:
            with os.scandir(path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not relative:
                raise
            self._leave(relative, f"cannot be read: {error.strerror}")
            return
        for entry in entries:
            below = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_symlink():
                self._link(entry, below, above)
            else:
                self._entry(entry.path, entry.name, below, above)

    def _entry(self, path: str, name: str, relative: str, above: tuple[str, ...]) -> None:
        try:
            status = os.stat(path)
        except OSError as error:
            self._leave(relative, f"cannot be read: {error.strerror}")
            return
        if stat.S_ISDIR(status.st_mode):
            reason = "a root dir" if path == self.skip else folder_reason(path, name)
            if reason is None:
                self.enter(path, relative, (*above, path))
            else:
                self._leave(relative, reason)
        elif stat.S_ISREG(status.st_mode):
            reason = file_reason(name, status.st_size, self.limits)
            if reason is None:
                self.walk.files.append(FoundFile(relative, path, status))
            else:
                self._leave(relative, reason, status.st_size)
        else:
            self._leave(relative, "not a regular file")

    def _link(self, entry: os.DirEntry[str], relative: str, above: tuple[str, ...]) -> None:
        """A link is followed if its target is in the folder and would itself be taken."""
        target = os.path.realpath(entry.path)
        if not os.path.exists(target):
            self._leave(relative, "a link to nothing")
        elif not target.startswith(self.folder + os.sep):
            self._leave(relative, "a link that leads outside")
        elif target in above:
            self._leave(relative, "a link to a folder above it")
        elif (reason := self._target_reason(target)) is not None:
            self._leave(relative, f"a link to something left out ({reason})")
        else:
            self._entry(target, entry.name, relative, above)

    def _target_reason(self, target: str) -> str | None:
        """Judges every folder on the way to a link's target, so that a link opens no side door."""
        path = self.folder
        parts = target[len(self.folder) + 1 :].split(os.sep)
        for part in parts[:-1]:
            path = os.path.join(path, part)
            reason = "a root dir" if path == self.skip else folder_reason(path, part)
            if reason is not None:
                return reason
        if os.path.isdir(target):
            return folder_reason(target, parts[-1])
        return "may hold a secret" if is_secret_name(parts[-1]) else None

    def _leave(self, relative: str, reason: str, size: int = 0) -> None:
        if reason == "cache":
            # One line a kind: caches come and go, and nobody misses a particular one.
            name = relative.rpartition("/")[2]
            suffix = name.rpartition(".")[2]
            self.caches.add(f"**/*.{suffix}" if suffix in ("pyc", "pyo") else f"**/{name}")
        else:
            self.walk.left_out.append(LeftOut(relative, reason, size))
