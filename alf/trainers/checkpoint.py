"""A checkpoint: a folder with a digest of every file, which are looked at before they are read.

    ckpt-N/model.safetensors   parameters and buffers; all that play needs
    ckpt-N/trainer.pt          optimizers, counters, random states; loads with `weights_only=True`
    ckpt-N/fingerprint.pt      what the policy answered to recorded inputs; loads likewise
    ckpt-N/replay.*            the replay buffer, where there is one; play never reads it
    ckpt-N/rank-K/             `trainer.pt` and `replay.*` of another process that trained along
    ckpt-N/checkpoint.json     schema version, N, environment steps, snapshot id, digests

All of it is data: nothing is made of it but tensors, numbers and text, and no name in it leads
out of the folder.
"""

import hashlib
import json
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from alf.errors import CheckpointError
from alf.snapshot.links import is_inside

SCHEMA_VERSION = 1
MODEL_FILE = "model.safetensors"
TRAINER_FILE = "trainer.pt"
FINGERPRINT_FILE = "fingerprint.pt"
INDEX_FILE = "checkpoint.json"
_NAME = re.compile(r"ckpt-(\d+)")


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


def read_index(path: Path) -> Checkpoint:
    """What the checkpoint in this folder says of itself.

    Raises:
        CheckpointError: its index cannot be read.
    """
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
        digest = digest_of(path)
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
    others = [n for n in iterations_in(path.parent) if f"ckpt-{n}" != path.name]
    if not others:
        return "There is no other checkpoint in this root dir"
    listed = ", ".join(f"ckpt-{n}" for n in others)
    return (
        f"There are also {listed}: play another one with --checkpoint_step {others[-1]}; to train "
        f"on from an earlier one, move the folder '{path.name}' away first"
    )


def iterations_in(folder: Path) -> list[int]:
    """The iterations that have a checkpoint in this folder, in order."""
    names = (_NAME.fullmatch(entry.name) for entry in folder.iterdir())
    return sorted(int(match[1]) for match in names if match)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shape(tensor: torch.Tensor) -> str:
    return str(list(tensor.shape))
