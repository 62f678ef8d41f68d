"""Checkpoints: one folder each, written whole or not at all, with a digest of every file.

    ckpt-N/model.safetensors   parameters and buffers; all that play needs
    ckpt-N/trainer.pt          optimizers, counters, random states; loads with `weights_only=True`
    ckpt-N/fingerprint.pt      what the policy answered to recorded inputs; loads likewise
    ckpt-N/replay.*            the replay buffer, where there is one; play never reads it
    ckpt-N/rank-K/             `trainer.pt` and `replay.*` of another process that trained along
    ckpt-N/checkpoint.json     schema version, N, environment steps, snapshot id, digests

A folder is filled under another name in the same place and renamed when it is on disk, so a reader
never sees half of one. What a killed job left unfinished is removed by the next job there.
"""

import hashlib
import json
import os
import pickle
import re
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from alf.errors import CheckpointError, TrainingError
from alf.snapshot.links import is_inside

SCHEMA_VERSION = 1
MODEL_FILE = "model.safetensors"
TRAINER_FILE = "trainer.pt"
FINGERPRINT_FILE = "fingerprint.pt"
INDEX_FILE = "checkpoint.json"
_NAME = re.compile(r"ckpt-(\d+)")


def _no_parts(folder: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return {}, {}


@dataclass(frozen=True)
class CheckpointFacts:
    """What a checkpoint says of itself.

    Attributes:
        iteration: training iterations done.
        env_steps: environment steps done.
        snapshot: id of the snapshot that made it; `None` if the job stored none.
        seed: what the job was seeded with.
        average_return: of the last training episodes when it was saved; `None` before one ended.
        processes: how many trained together; all but the first have a folder in it.
    """

    iteration: int
    env_steps: int
    snapshot: str | None
    seed: int
    average_return: float | None = None
    processes: int = 1


@dataclass(frozen=True, kw_only=True)
class Checkpoint(CheckpointFacts):
    """A checkpoint on disk.

    Attributes:
        path: its folder.
        digests: SHA-256 of each other file, by name.
        replay_digests: the same of the replay buffer's files; empty without one.
    """

    path: Path
    digests: Mapping[str, str]
    replay_digests: Mapping[str, str]

    @property
    def name(self) -> str:
        """`ckpt-N`."""
        return self.path.name

    @property
    def has_replay(self) -> bool:
        """Whether the replay buffer is still kept with it."""
        names = self.replay_digests
        return bool(names) and all((self.path / name).exists() for name in names)


class CheckpointFolder:
    """The checkpoints of a job.

    Args:
        root_dir: the job's folder.
    """

    def __init__(self, root_dir: str | Path):
        self.path = Path(root_dir) / "train" / "algorithm"

    def iterations(self) -> list[int]:
        """Iterations that have a checkpoint, in order."""
        if not self.path.is_dir():
            return []
        names = (_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted(int(match[1]) for match in names if match)

    def open(self, iteration: int | None = None) -> Checkpoint:
        """Read what a checkpoint says of itself.

        Args:
            iteration: its `N`; `None` is the newest.

        Raises:
            CheckpointError: there is none, or its index cannot be read.
        """
        there = self.iterations()
        if not there:
            raise CheckpointError(
                f"there is no checkpoint in '{self.path}': train first, or check --root_dir"
            )
        if iteration is None:
            iteration = there[-1]
        if iteration not in there:
            listed = ", ".join(map(str, there))
            raise CheckpointError(
                f"there is no 'ckpt-{iteration}' in '{self.path}'; there are: {listed}"
            )
        return _read_index(self.path / f"ckpt-{iteration}")

    def save(
        self,
        facts: CheckpointFacts,
        model: Mapping[str, torch.Tensor],
        trainer_state: Mapping[str, Any],
        save_replay: Callable[[Path], Mapping[str, str]] = lambda folder: {},
        fingerprint: Mapping[str, Any] | None = None,
        gather_parts: Callable[[Path], tuple[Mapping[str, str], Mapping[str, str]]] = _no_parts,
    ) -> Checkpoint:
        """Write a checkpoint; one of the same iteration is replaced.

        Args:
            facts: what it says of itself.
            model: parameters and buffers by name.
            trainer_state: nested dicts and lists of tensors, numbers and strings.
            save_replay: writes the replay buffer into a folder and returns the SHA-256 of each
                file, by name.
            fingerprint: nested dicts and lists like `trainer_state`; `None` for none.
            gather_parts: called last with the folder, to let other processes write into it; gives
                the SHA-256 of their files, and of those that are of replay buffers.

        Raises:
            TrainingError: it cannot be written, e.g. because the disk is full. Earlier
                checkpoints stay as they are.
        """
        final = self.path / f"ckpt-{facts.iteration}"
        partial = self.path / f".{final.name}.partial-{os.getpid()}"
        with _writing(partial):
            partial.mkdir(parents=True)
            # Clones, since safetensors refuses tensors that share memory.
            tensors = {k: v.detach().cpu().clone().contiguous() for k, v in model.items()}
            safetensors.torch.save_file(tensors, partial / MODEL_FILE)
            torch.save(dict(trainer_state), partial / TRAINER_FILE)
            if fingerprint is not None:
                torch.save(dict(fingerprint), partial / FINGERPRINT_FILE)
            # safetensors lets nobody but the owner read; colleagues shall be able to play.
            (partial / MODEL_FILE).chmod((partial / TRAINER_FILE).stat().st_mode)
            digests = {file.name: _digest(file) for file in sorted(partial.iterdir())}
            replay_digests = save_replay(partial)
            parts = gather_parts(partial)
            index = {
                "schema_version": SCHEMA_VERSION,
                **asdict(facts),
                "digests": {**digests, **parts[0]},
                "replay_digests": {**replay_digests, **parts[1]},
            }
            (partial / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")
            for file in partial.rglob("*"):
                _sync(file)
            _sync(partial)
            _replace(partial, final)
            _sync(self.path)
        return _read_index(final)

    def prune(self, keep: int) -> list[int]:
        """Remove the oldest checkpoints until `keep` are left, but never the newest or the best.

        The best is the one with the highest average return; of equal ones, the newest.

        Args:
            keep: how many may stay, at least 1.

        Returns:
            The iterations whose checkpoints are gone.
        """
        there = [self.open(iteration) for iteration in self.iterations()]
        ranked = [c for c in there if c.average_return is not None]
        best = max(ranked, key=lambda c: (c.average_return, c.iteration), default=None)
        spare = [c for c in there[:-1] if c is not best]
        doomed = spare[: max(0, len(there) - keep)]
        for checkpoint in doomed:
            aside = checkpoint.path.with_name(f".{checkpoint.name}.removed-{os.getpid()}")
            checkpoint.path.rename(aside)
            shutil.rmtree(aside)
        return [checkpoint.iteration for checkpoint in doomed]

    def drop_replay(self, keep: int) -> None:
        """Remove the replay buffers of all but the newest `keep` checkpoints."""
        for iteration in self.iterations()[: -keep or None]:
            checkpoint = self.open(iteration)
            for name in checkpoint.replay_digests:
                (checkpoint.path / name).unlink(missing_ok=True)

    def clean_up(self) -> list[Path]:
        """Remove what killed jobs left unfinished; call it only while holding the root dir's lock.

        A checkpoint that was moved aside for a new one of its number, which then never came, is
        put back.
        """
        left = sorted(self.path.glob(".ckpt-*")) if self.path.is_dir() else []
        for folder in left:
            original = self.path / folder.name.split(".")[1]
            if ".replaced-" in folder.name and not original.exists():
                folder.rename(original)
            elif folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
            else:
                folder.unlink()
        return left


def load_model(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a checkpoint, by name, after checking the file's digest.

    Raises:
        CheckpointError: the file is missing, cut short or changed.
    """
    path = _verified(checkpoint, MODEL_FILE)
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, *_DAMAGE) as error:
        raise CheckpointError(
            f"'{path}' cannot be read: {error}. {_other(checkpoint.path)}"
        ) from None


def part_folder(rank: int) -> str:
    """The folder in a checkpoint of a process that trained along; `""` for the first one."""
    return f"rank-{rank}" if rank else ""


def load_trainer_state(checkpoint: Checkpoint, rank: int = 0) -> dict[str, Any]:
    """Optimizers, counters and random states, after checking the file's digest.

    Args:
        checkpoint: holds them.
        rank: of which of the processes that trained together; all but the first have no optimizers
            of their own.

    Raises:
        CheckpointError: the file is missing, cut short or changed, or holds anything but data.
    """
    folder = part_folder(rank)
    return _load_data(checkpoint, f"{folder}/{TRAINER_FILE}" if folder else TRAINER_FILE)


def load_fingerprint(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """What the policy answered when it was saved; `None` if that was not recorded.

    Raises:
        CheckpointError: the file is missing, cut short or changed, or holds anything but data.
    """
    if FINGERPRINT_FILE not in checkpoint.digests:
        return None
    return _load_data(checkpoint, FINGERPRINT_FILE)


def restore_module(
    module: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    where: str,
    ignored_prefixes: tuple[str, ...] = (),
) -> None:
    """Put saved tensors into a module.

    Args:
        module: gets the tensors.
        tensors: by the names of `module.state_dict()`.
        where: what they were read from, for messages.
        ignored_prefixes: names that begin so are neither needed nor used.

    Raises:
        CheckpointError: a tensor is missing, left over, or of another shape; all are listed.
    """
    wanted = {k: v for k, v in module.state_dict().items() if not k.startswith(ignored_prefixes)}
    given = {k: v for k, v in tensors.items() if not k.startswith(ignored_prefixes)}
    faults = [f"missing: {name} {_shape(wanted[name])}" for name in sorted(wanted - given.keys())]
    faults += [f"left over: {name} {_shape(given[name])}" for name in sorted(given - wanted.keys())]
    faults += [
        f"other shape: {name} is {_shape(given[name])} there, {_shape(wanted[name])} in this model"
        for name in sorted(wanted.keys() & given.keys())
        if given[name].shape != wanted[name].shape
    ]
    if faults:
        raise CheckpointError(
            f"{where} holds another model than this code builds:\n  "
            + "\n  ".join(faults)
            + "\nThe code or the conf has changed since it was saved."
        )
    module.load_state_dict(given, strict=False)


def _read_index(path: Path) -> Checkpoint:
    try:
        index = json.loads((path / INDEX_FILE).read_text())
        version = index["schema_version"]
        index.setdefault("processes", 1)  # which earlier versions do not tell
        named = {f.name: index[f.name] for f in fields(CheckpointFacts)}
        checkpoint = Checkpoint(
            **_checked_facts(named),
            path=path,
            digests=_checked_names(index["digests"], path),
            replay_digests=_checked_names(index["replay_digests"], path),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"'{path / INDEX_FILE}' cannot be read: {type(error).__name__}: {error}. "
            f"The checkpoint is damaged. {_other(path)}"
        ) from None
    if version != SCHEMA_VERSION:
        raise CheckpointError(
            f"'{path}' has schema version {version}, and this code reads {SCHEMA_VERSION}: "
            f"open it with the code that made it (play --use_alf_snapshot)"
        )
    return checkpoint


_KINDS: dict[str, tuple[type, ...]] = {
    "iteration": (int,),
    "env_steps": (int,),
    "seed": (int,),
    "snapshot": (str, type(None)),
    "average_return": (int, float, type(None)),
    "processes": (int,),
}


def _checked_facts(facts: dict[str, Any]) -> dict[str, Any]:
    for name, value in facts.items():
        if not isinstance(value, _KINDS[name]) or isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}")
    return facts


def _checked_names(digests: Any, folder: Path) -> dict[str, str]:
    """Digests of files below the folder: what is named here is read, and later removed."""
    for name, digest in digests.items() if isinstance(digests, dict) else [("", "")]:
        if not is_inside(folder, name) or not isinstance(digest, str):
            raise ValueError(f"{name!r} is no file of a checkpoint")
    return digests


def _load_data(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """Tensors, numbers and text in dicts and lists; torch refuses to make anything else."""
    path = _verified(checkpoint, name)
    try:
        _refuse_bomb(path)
        data = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise CheckpointError(
            f"'{path}' cannot be read: it holds something else than tensors, numbers and text, "
            f"which alf never writes and never loads, or is damaged. Nothing of it was run "
            f"({_first_line(error)}). {_other(checkpoint.path)}"
        ) from None
    if not isinstance(data, dict):
        raise CheckpointError(
            f"'{path}' holds a {type(data).__name__}, no state. {_other(checkpoint.path)}"
        )
    return data


# What torch raises for files that are no archive, none of its own, or full of nonsense.
_DAMAGE = (
    RuntimeError,  # RecursionError too
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    NotImplementedError,
    struct.error,
)


def _refuse_bomb(path: Path) -> None:
    """Torch stores what it writes as it is: whatever unpacks to more was written by another."""
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
            raise ValueError("it unpacks to more than its own size")


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"


def _verified(checkpoint: Checkpoint, name: str) -> Path:
    path = checkpoint.path / name
    try:
        digest = _digest(path)
    except OSError as error:
        raise CheckpointError(
            f"'{path}' cannot be read: {error.strerror}. {_other(checkpoint.path)}"
        ) from None
    recorded = checkpoint.digests.get(name)
    if digest != recorded:
        raise CheckpointError(
            f"'{path}' is damaged: its {path.stat().st_size} bytes are not the ones that were "
            f"saved (SHA-256 {digest[:12]}…, recorded {str(recorded)[:12]}…). "
            f"{_other(checkpoint.path)}"
        )
    return path


def _other(path: Path) -> str:
    """What else there is than the checkpoint in this folder, and how to get at it."""
    others = [n for n in sorted(_all_iterations(path.parent)) if f"ckpt-{n}" != path.name]
    if not others:
        return "There is no other checkpoint in this root dir"
    listed = ", ".join(f"ckpt-{n}" for n in others)
    return (
        f"There are also {listed}: play another one with --checkpoint_step {others[-1]}; to train "
        f"on from an earlier one, move the folder '{path.name}' away first"
    )


def _all_iterations(folder: Path) -> list[int]:
    names = (_NAME.fullmatch(entry.name) for entry in folder.iterdir())
    return [int(match[1]) for match in names if match]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shape(tensor: torch.Tensor) -> str:
    return str(list(tensor.shape))


def _replace(source: Path, target: Path) -> None:
    """Rename a folder; an old one of that name is moved aside first, then removed."""
    if not target.exists():
        source.rename(target)
        return
    aside = target.with_name(f".{target.name}.replaced-{os.getpid()}")
    target.rename(aside)
    source.rename(target)
    shutil.rmtree(aside)


def _sync(path: Path) -> None:
    """Wait until a file or folder is on disk; where folders cannot be synced, do nothing."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows does not open folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _writing(partial: Path) -> Iterator[None]:
    """Remove an unfinished folder after a failure, and say what to do about it."""
    try:
        yield
    except (OSError, RuntimeError, safetensors.SafetensorError, CheckpointError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(
            f"the checkpoint '{partial.parent}' could not be written: {error}. "
            f"Free some space or choose another --root_dir; earlier checkpoints are untouched"
        ) from error
