"""What runs on a machine of a cluster: one job, in a copy of the search's folder.

This file travels to the machine as it is, where no `alf` need be installed: it imports nothing but
the standard library. The code of the job travels too, as content.
"""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

_FOLDER_PREFIX = "alf_node_"
# Files that only ever grow: what is new of them is sent, not all of them.
_GROWING = (".jsonl", ".log")
_LOCKS = ("alf.lock", ".alf.lock")
# Objects before what refers to them, so that a store is whole at any moment.
_LAST = ("refs", "HEAD", "packed-refs")


@dataclass(frozen=True)
class Assignment:
    """A job to run; paths are relative to the search's folder.

    Attributes:
        folder: of the job, which is its current folder.
        command: of the job; `python`, `parent` and `job_folder` stand for what only this machine
            knows.
        python: stands for the interpreter.
        parent: stands for the id of this process.
        job_folder: stands for the job's folder here.
        log: gets what the job writes.
        root_dir: where the search's folder is on the other side.
        variables: of the job's environment, in which `root_dir` stands for the copy here.
        watched: folders and files whose changes go back.
        kept: of these, those that stay as they are on the other side.
    """

    folder: str
    command: Sequence[str]
    python: str
    parent: str
    job_folder: str
    log: str
    root_dir: str
    variables: Mapping[str, str]
    watched: Sequence[str]
    kept: Sequence[str]


@dataclass(frozen=True)
class Changes:
    """What has changed since the last time, and how the job stands.

    Attributes:
        exit_code: of the job, as a shell gives it; `None` while it runs.
        files: (path, where in the file, content), in the order in which to write them; a place of
            `None` stands for the whole file.
        gone: paths of files that are there no more.
    """

    exit_code: int | None
    files: Sequence[tuple[str, int | None, bytes]]
    gone: Sequence[str]


class Node:
    """Runs one job in a temporary folder, and tells what changes in it.

    Args:
        code: a tar file with what all jobs of the search share.
        own: one with the folder of this job.
        assignment: the job.
    """

    def __init__(self, code: bytes, own: bytes, assignment: Assignment):
        remove_left_folders()
        self._assignment = assignment
        self._root = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}_"))
        for archive in (code, own):
            unpack(archive, self._root)
        self._sent = {path: _state(self._root / path) for path in self._files()}
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        given = self._assignment
        folder = self._root / given.folder
        known = {
            given.python: sys.executable,
            given.parent: str(os.getpid()),
            given.job_folder: str(folder),
        }
        self._relocate(folder / "alf_config.py")
        with (self._root / given.log).open("ab") as log:
            where = f"worker {os.getpid()} on {socket.gethostname()}\n"
            log.write(where.encode())
            log.flush()
            return subprocess.Popen(
                [known.get(argument, argument) for argument in given.command],
                cwd=folder,
                env={**os.environ, **self._variables()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def changes(self, wait_seconds: float) -> Changes:
        """Wait for the job's end, not longer than told; then what is new."""
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(wait_seconds)
        if code is not None and code < 0:
            code = 128 - code
        now = {path: _state(self._root / path) for path in self._files()}
        changed = [path for path, state in now.items() if state != self._sent.get(path)]
        files = [
            part
            for path in sorted(changed, key=_order)
            for part in self._read(path, self._sent.get(path), now[path])
        ]
        gone = [path for path in self._sent if path not in now]
        self._sent = now
        if code is not None:
            self.close()
        return Changes(code, files, gone)

    def send(self, number: int) -> None:
        """Send the job a signal."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def close(self) -> None:
        """End the job if it runs, and remove the folder."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._root, ignore_errors=True)

    def _variables(self) -> dict[str, str]:
        root = self._assignment.root_dir
        return {
            name: os.pathsep.join(
                str(self._root) + part[len(root) :]
                if part == root or part.startswith(root + os.sep)
                else part
                for part in text.split(os.pathsep)
            )
            for name, text in self._assignment.variables.items()
        }

    def _relocate(self, config: Path) -> None:
        """Let the job's record of its conf name the copy that lies here."""
        before = f"# conf: {self._assignment.root_dir!r}"[:-1]
        after = f"# conf: {str(self._root)!r}"[:-1]
        lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, line in enumerate(lines):
            if line.startswith(before + "/"):
                lines[number] = after + line[len(before) :]
                break
        config.write_text("".join(lines), encoding="utf-8")

    def _files(self) -> Iterator[str]:
        """Every file that is watched, without those that are just being written."""
        for name in self._assignment.watched:
            for folder, folders, files in os.walk(self._root / name):
                folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
                for file in sorted(files):
                    path = Path(folder, file).relative_to(self._root).as_posix()
                    if file[0] != "." and file not in _LOCKS and path not in self._assignment.kept:
                        yield path

    def _read(self, path: str, before: Any, now: Any) -> Iterator[tuple[str, int | None, bytes]]:
        """The whole file, or where it only grew since it was sent, what is new of it."""
        place: int | None = None
        if before is not None and path.endswith(_GROWING):
            same_file, grew = before[0] == now[0], before[1] <= now[1]
            place = before[1] if same_file and grew else None
        try:
            with (self._root / path).open("rb") as file:
                file.seek(place or 0)
                # No more than was there when it was looked at: the rest comes the next time.
                content = file.read() if place is None else file.read(now[1] - place)
        except OSError:  # it is gone by now
            return
        yield path, place, content


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file does: its number, its size, its time."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _order(path: str) -> tuple[bool, str]:
    """Where to stand among the files to be written."""
    parts = path.split("/")
    if "snapshots.git" not in parts:
        return True, path
    inside = parts[parts.index("snapshots.git") + 1 :]
    # A pack is there once its index is: ".pack" would come behind ".idx".
    name = path.replace(".pack", ".apack") if inside[0] == "objects" else path
    return inside[0] in _LAST, name


def pack(root: Path, names: Sequence[str]) -> bytes:
    """A tar file of some files and folders below a folder."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name in names:
            archive.add(root / name, arcname=name, filter=_worth_packing)
    return held.getvalue()


def unpack(archive: bytes, target: Path) -> None:
    """Write what `pack` packed.

    Raises:
        ValueError: a name in it leads out of the folder.
    """
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        for member in packed.getmembers():
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"an archive names '{member.name}', outside of its folder")
        # Pythons before 3.11.4 have no filters; later ones ask for one.
        packed.extraction_filter = getattr(tarfile, "tar_filter", None)
        packed.extractall(target)


def _worth_packing(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = member.name.rpartition("/")[2]
    if name == "__pycache__" or name in _LOCKS or ".partial-" in name or name.endswith(".arriving"):
        return None
    return member


def remove_left_folders() -> None:
    """Remove the folders of workers on this machine that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*_*"):
        number = folder.name[len(_FOLDER_PREFIX) :].partition("_")[0]
        if number.isdigit() and not _is_alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
