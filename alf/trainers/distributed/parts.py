"""The parts of a checkpoint that belong to one rank: environments, random states, replay buffer.

The first rank makes the checkpoint, and its own part lies where that of a job of one process does.
Each other one writes into a folder of its own, `ckpt-N/rank-K/`, while the checkpoint is
unfinished; the first names all of them in the index and finishes it when every one is there. What
is the same on all ranks (the model, the optimizers) is written once.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from alf.errors import AlfError, CheckpointError, LostRankError
from alf.trainers.checkpoint import TRAINER_FILE, Checkpoint, load_trainer_state, part_folder
from alf.trainers.distributed.ranks import Ranks

SaveReplay = Callable[[Path], Mapping[str, str]]


class Parts(NamedTuple):
    """The files of other ranks than the first, as the index names them.

    Attributes:
        digests: SHA-256 by path in the checkpoint.
        replay_digests: the same of replay buffers.
    """

    digests: Mapping[str, str]
    replay_digests: Mapping[str, str]


def gather_parts(folder: Path, ranks: Ranks) -> Parts:
    """Called by the first rank when it has written all that is its own.

    Args:
        folder: of the unfinished checkpoint.
        ranks: the others are in `write_part` meanwhile.

    Raises:
        CheckpointError: a rank could not write its part; says which, and why.
    """
    if ranks.count == 1:
        return Parts({}, {})
    ranks.gather_json(str(folder))
    told = ranks.gather_json({"error": "", "digests": {}, "replay_digests": {}})
    for rank, part in enumerate(told):
        if part["error"]:
            raise CheckpointError(f"rank {rank} could not write its part: {part['error']}")
    return Parts(
        {name: digest for part in told for name, digest in part["digests"].items()},
        {name: digest for part in told for name, digest in part["replay_digests"].items()},
    )


def write_part(state: Mapping[str, Any], save_replay: SaveReplay, ranks: Ranks) -> None:
    """Called by each other rank while the first one saves.

    Args:
        state: what the rank's `trainer.pt` is to hold.
        save_replay: see `CheckpointFolder.save`.
        ranks: the processes.

    Raises:
        LostRankError: a part could not be written; the first rank says which.
    """
    checkpoint = Path(ranks.gather_json("")[0])
    name = part_folder(ranks.rank)
    part: dict[str, Any] = {"error": "", "digests": {}, "replay_digests": {}}
    try:
        folder = checkpoint / name
        folder.mkdir()
        torch.save(_without_optimizers(state), folder / TRAINER_FILE)
        with (folder / TRAINER_FILE).open("rb") as file:
            part["digests"] = {
                f"{name}/{TRAINER_FILE}": hashlib.file_digest(file, "sha256").hexdigest()
            }
        digests = save_replay(folder)
        part["replay_digests"] = {f"{name}/{file}": digest for file, digest in digests.items()}
    except (OSError, RuntimeError, AlfError) as error:
        part["error"] = str(error) or type(error).__name__
    told = ranks.gather_json(part)
    if any(other["error"] for other in told):
        raise LostRankError("a checkpoint could not be written; rank 0 says why")


def load_part(checkpoint: Checkpoint, ranks: Ranks) -> dict[str, Any]:
    """What this rank goes on from, of a checkpoint by as many ranks.

    Raises:
        CheckpointError: a file is damaged.
    """
    shared = load_trainer_state(checkpoint)
    if ranks.is_first:
        return shared
    own = load_trainer_state(checkpoint, ranks.rank)
    try:
        own["learner"]["optimizers"] = shared["learner"]["optimizers"]
    except (LookupError, TypeError) as error:
        raise CheckpointError(
            f"'{checkpoint.path}' holds no state that rank {ranks.rank} can go on from: move it "
            f"away to go on from an earlier checkpoint"
        ) from error
    return own


def counts_of_all(checkpoint: Checkpoint) -> dict[str, dict[str, int]]:
    """What the ranks of a checkpoint have counted, added up: a part of the state of metrics.

    Raises:
        CheckpointError: a file is damaged.
    """
    totals: dict[str, dict[str, int]] = {}
    for rank in range(checkpoint.processes):
        for tag, state in load_trainer_state(checkpoint, rank)["metrics"].items():
            if "count" in state:
                known = totals.setdefault(tag, {"count": 0})
                known["count"] += int(state["count"])
    return totals


def _without_optimizers(state: Mapping[str, Any]) -> dict[str, Any]:
    learner = {name: part for name, part in state["learner"].items() if name != "optimizers"}
    return {**state, "learner": learner}
