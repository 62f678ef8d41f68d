"""Has checkpoints proved by the code that made them, each snapshot in a process of its own."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from alf.errors import SnapshotError
from alf.snapshot.capture import CONF_TEXT_NAME
from alf.snapshot.launch import run_with_snapshot
from alf.snapshot.store import Entry, Store
from alf.snapshot.working_copy import is_copy_of

_MODULE = "alf.bin.prove"
_FILE = "alf/bin/prove.py"


@dataclass(frozen=True)
class Proof:
    """Outcome of one proof.

    Attributes:
        checkpoint: number of the checkpoint.
        kind: `fingerprint`, the answers to recorded inputs; `trace`, a recorded episode played
            again; `retrain`, training from the checkpoint before; or `run`, the process itself.
        word: `exact`, `close`, `differs` or `absent`.
        told: the same in a sentence.
    """

    checkpoint: int
    kind: str
    word: str
    told: str

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it; training again must end at the very same bits."""
        return self.word in (("exact", "absent") if self.kind == "retrain" else _HOLDING)


_HOLDING = ("exact", "close", "absent")


def prove_checkpoints(
    root_dir: Path | str, checkpoints: Iterable[int], *, retrain: bool = False
) -> list[Proof]:
    """Run the proofs of checkpoints with the code that play with the snapshot would run.

    That is the copy in the root dir, edits included, where it is of the checkpoint's snapshot, and
    what is stored for every other.

    Args:
        root_dir: the job's folder.
        checkpoints: their numbers.
        retrain: train each again from the checkpoint before, instead of checking fingerprints.

    Raises:
        SnapshotError: the store cannot be read.
    """
    proofs: list[Proof] = []
    by_code: defaultdict[str | None, list[int]] = defaultdict(list)
    with Store(root_dir) as store:
        copies: dict[str, bool] = {}
        for number in sorted(checkpoints):
            kind = "retrain" if retrain else "fingerprint"
            try:
                entry = store.resolve(f"ckpt-{number}")
            except SnapshotError:
                told = "no snapshot holds the code that made it"
                proofs.append(Proof(number, kind, "absent", told))
                continue
            obstacle = _obstacle(store, entry)
            if obstacle:
                proofs.append(Proof(number, kind, "absent", obstacle))
            else:
                by_code[_code(store, entry, copies)].append(number)
    for code, numbers in by_code.items():
        for group in [[n] for n in numbers] if retrain else [numbers]:
            proofs += _run(Path(root_dir), code, group, retrain)
    return sorted(proofs, key=lambda proof: proof.checkpoint)


def _obstacle(store: Store, entry: Entry) -> str:
    """Why a snapshot's code has no way to prove anything; empty if it has."""
    files = store.files(entry.tree)
    if CONF_TEXT_NAME not in files and not (store.root_dir / CONF_TEXT_NAME).is_file():
        return f"no {CONF_TEXT_NAME} says what to run"
    if _FILE not in files:
        return "the code that made it is older than such proofs"
    return ""


def _code(store: Store, entry: Entry, copies: dict[str, bool]) -> str | None:
    """What to hand to `run_with_snapshot`: an id, or None for the copy."""
    if entry.commit not in copies:
        copies[entry.commit] = is_copy_of(store, entry)
    return None if copies[entry.commit] else entry.id


def _run(root_dir: Path, code: str | None, numbers: list[int], retrain: bool) -> list[Proof]:
    with tempfile.TemporaryDirectory(prefix="alf_proof_") as place:
        outcome = Path(place) / "proofs.json"
        argv = ["--root_dir", str(root_dir.absolute()), "--to", str(outcome)]
        argv += [f"--checkpoint_step={number}" for number in numbers]
        try:
            exit_code = run_with_snapshot(
                root_dir, _MODULE, [*argv, "--retrain"] if retrain else argv, code
            )
        except SnapshotError as error:
            return [Proof(number, "run", "differs", str(error)) for number in numbers]
        if exit_code or not outcome.is_file():
            told = f"its code cannot be run: its process ended with exit code {exit_code}"
            return [Proof(number, "run", "differs", told) for number in numbers]
        told_by = cast(dict[str, dict[str, dict[str, Any]]], json.loads(outcome.read_bytes()))
    return [
        Proof(int(number), kind, str(verdict["word"]), str(verdict["told"]))
        for number, kinds in told_by.items()
        for kind, verdict in kinds.items()
    ]
