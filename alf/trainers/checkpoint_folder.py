"""The checkpoints of a job: written whole or not at all, and removed again.

A folder is filled under another name in the same place and renamed when it is on disk, so a reader
never sees half of one. What a killed job left unfinished is removed by the next job there.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from alf.errors import CheckpointError, TrainingError
from alf.trainers.checkpoint import (
    FINGERPRINT_FILE,
    INDEX_FILE,
    MODEL_FILE,
    SCHEMA_VERSION,
    TRAINER_FILE,
    Checkpoint,
    CheckpointFacts,
    digest_of,
    iterations_in,
    read_index,
)


def _no_parts(folder: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return {}, {}


class CheckpointFolder:
    """The checkpoints of a job.

    Args:
        root_dir: the job's folder.
    """

    def __init__(self, root_dir: str | Path):
        self.path = Path(root_dir) / "train" / "algorithm"

    def iterations(self) -> list[int]:
        """Iterations that have a checkpoint, in order."""
        return iterations_in(self.path) if self.path.is_dir() else []

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
        return read_index(self.path / f"ckpt-{iteration}")

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
            digests = {file.name: digest_of(file) for file in sorted(partial.iterdir())}
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
        return read_index(final)

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
