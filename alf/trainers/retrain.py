"""Proves that a checkpoint is what its code makes of the one before: by training it again."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from alf.errors import CheckpointError
from alf.snapshot import Store
from alf.trainers.checkpoint import Checkpoint, load_model, load_trainer_state
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.train_job import CONFIG_FILE, TrainJob
from alf.trainers.verdict import Verdict, compare_tensors


def retrain(root_dir: Path, conf: Path, step: int) -> Verdict:
    """Train from the checkpoint before to this one in a folder of its own, and compare all bits.

    The first checkpoint is trained from the start.

    Args:
        root_dir: the job's folder; nothing in it is changed.
        conf: the configuration to run.
        step: number of the checkpoint.

    Raises:
        AlfError: a checkpoint is damaged, no snapshot made it, or the code cannot train.
    """
    folder = CheckpointFolder(root_dir)
    target = folder.open(step)
    earlier = [n for n in folder.iterations() if n < step]
    start = folder.open(earlier[-1]) if earlier else None
    obstacle = _several(target) or _gap(root_dir, target, start) or _obstacle(start)
    if obstacle:
        return Verdict("absent", obstacle)
    with tempfile.TemporaryDirectory(prefix="alf_retrain_") as place:
        shutil.copyfile(conf, Path(place) / CONFIG_FILE)
        if start is not None:
            shutil.copytree(start.path, CheckpointFolder(place).path / start.name)
        with TrainJob(place, store_snapshot=False, replays=target, report=_ignore) as job:
            job.run()
        verdict = compare_checkpoints(target, CheckpointFolder(place).open(step))
    since = f"from {start.name}" if start else "from the start"
    return Verdict(verdict.word, f"trained again {since}: {verdict.told}")


def compare_checkpoints(then: Checkpoint, now: Checkpoint) -> Verdict:
    """Whether two checkpoints hold the same bits: model, training state and replay buffer.

    Raises:
        CheckpointError: a file is damaged.
    """
    first, second = (_contents(checkpoint) for checkpoint in (then, now))
    verdict = compare_tensors(first, second, exactly=True)
    if verdict.word != "exact":
        return verdict
    for name, digest in then.replay_digests.items():
        if now.replay_digests.get(name) != digest:
            return Verdict("differs", f"'{name}' of the replay buffer differs first")
    return verdict


def _contents(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    found = dict(_named(load_trainer_state(checkpoint), "trainer"))
    model = {f"model.{name}": tensor for name, tensor in load_model(checkpoint).items()}
    return model | found


def _named(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors and numbers of nested dicts and lists, by path."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _named(value[key], f"{name}.{key}")
    elif isinstance(value, list | tuple):
        if all(isinstance(x, int | float) for x in value):
            yield name, torch.tensor(value, dtype=torch.float64)
        else:
            for index, item in enumerate(value):
                yield from _named(item, f"{name}.{index}")
    elif isinstance(value, bool | int | float):
        yield name, torch.tensor(value, dtype=torch.float64)


def _gap(root_dir: Path, target: Checkpoint, start: Checkpoint | None) -> str:
    """Whether the job was resumed, with other code or another conf, from what is gone by now.

    Tags of snapshots outlive their checkpoints, so they know; empty if nothing is missing.
    """
    if start is not None and start.snapshot is not None and start.snapshot == target.snapshot:
        return ""
    with Store(root_dir) as store:
        made_by = store.resolve(target.name).commit
        by_others = [n for c, made in store.checkpoints().items() if c != made_by for n in made]
    resumed_from = max((n for n in by_others if n < target.iteration), default=0)
    if resumed_from <= (start.iteration if start else 0):
        return ""
    return f"it was trained on from ckpt-{resumed_from}, which is not kept any more"


def _several(target: Checkpoint) -> str:
    """Whether several processes trained it, of which this is one; empty if not."""
    if target.processes == 1:
        return ""
    return (
        f"{target.processes} processes trained it together (--distributed), and one alone draws "
        f"other actions: train the job again in as many, with its seed, and compare the models"
    )


def _obstacle(start: Checkpoint | None) -> str:
    """What keeps training from going on exactly where this checkpoint stands; empty for nothing."""
    if start is None:
        return ""
    if start.replay_digests and not start.has_replay:
        return (
            f"the replay buffer of {start.name} is not kept any more "
            "(TrainerConfig.replay_checkpoints says of how many it is)"
        )
    try:
        state = load_trainer_state(start)
    except CheckpointError as error:
        return str(error)
    if state["env"] is None:
        return "the environments cannot be put back to where they were, so other episodes begin"
    return ""


def _ignore(line: str) -> None:
    """What the job reports is about a folder that is gone in a moment."""
