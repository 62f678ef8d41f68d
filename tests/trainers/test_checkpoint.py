"""Checkpoints: whole or not there, and every damage has a message that says what to do."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from alf.errors import CheckpointError, TrainingError
from alf.trainers.checkpoint import (
    MODEL_FILE,
    TRAINER_FILE,
    CheckpointFacts,
    load_model,
    load_trainer_state,
    restore_module,
)
from alf.trainers.checkpoint_folder import CheckpointFolder

MODEL = {"weight": torch.arange(6.0).view(2, 3), "count": torch.tensor(3)}
STATE = {"optimizer": {"step": [1, 2], "lr": 0.1}, "random": torch.arange(4)}


def save(folder: CheckpointFolder, iteration: int, model=MODEL, snapshot="abc"):
    facts = CheckpointFacts(iteration, env_steps=10 * iteration, snapshot=snapshot, seed=7)
    return folder.save(facts, model, STATE)


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path)


def test_what_is_saved_comes_back(folder):
    """Tensors, trainer state and facts survive."""
    save(folder, 5)

    checkpoint = folder.open()

    assert (5, 50, "abc", 7) == (
        checkpoint.iteration,
        checkpoint.env_steps,
        checkpoint.snapshot,
        checkpoint.seed,
    )
    loaded = load_model(checkpoint)
    assert MODEL.keys() == loaded.keys()
    for name, tensor in MODEL.items():
        assert torch.equal(tensor, loaded[name])
    state = load_trainer_state(checkpoint)
    assert STATE["optimizer"] == state["optimizer"]
    assert torch.equal(STATE["random"], state["random"])


def test_tensors_that_share_memory_are_saved(folder):
    """Tied parameters are written like any others."""
    tied = torch.ones(3)
    save(folder, 1, {"a": tied, "b": tied[:2]})

    loaded = load_model(folder.open())

    assert [1.0, 1.0] == loaded["b"].tolist()


def test_newest_is_by_number_not_by_name(folder):
    """`ckpt-10` is newer than `ckpt-9`."""
    for iteration in (9, 10, 2):
        save(folder, iteration)

    assert [2, 9, 10] == folder.iterations()
    assert "ckpt-10" == folder.open().name
    assert "ckpt-2" == folder.open(2).name


def test_saving_again_replaces(folder):
    """The same iteration holds the newest tensors, and nothing is left beside it."""
    save(folder, 1)
    save(folder, 1, {"weight": torch.zeros(1)})

    assert ["weight"] == list(load_model(folder.open()))
    assert ["ckpt-1"] == [entry.name for entry in folder.path.iterdir()]


def test_nothing_there(folder):
    """An empty root dir and a wrong number are told apart."""
    with pytest.raises(CheckpointError, match="train first, or check --root_dir"):
        folder.open()
    save(folder, 3)
    with pytest.raises(CheckpointError, match=r"no 'ckpt-4' in .*; there are: 3"):
        folder.open(4)


@pytest.mark.parametrize("name", [MODEL_FILE, TRAINER_FILE])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damaged_file_is_refused(folder, name, damage):
    """A file that was cut short, changed or removed is named, with what else there is."""
    save(folder, 1)
    checkpoint = save(folder, 2)
    path = checkpoint.path / name
    data = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        path.unlink()
    load = load_model if name == MODEL_FILE else load_trainer_state

    with pytest.raises(CheckpointError, match=f"{name}.*--checkpoint_step 1"):
        load(folder.open(2))


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1}', "[1]"])
def test_damaged_index_is_refused(folder, text):
    """An index that is not what was written names the file."""
    checkpoint = save(folder, 1)
    (checkpoint.path / "checkpoint.json").write_text(text)

    with pytest.raises(CheckpointError, match=r"checkpoint\.json' cannot be read"):
        folder.open()


def test_newer_schema_points_to_its_own_code(folder):
    """A checkpoint of a later version is not guessed at."""
    path = save(folder, 1).path / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))

    with pytest.raises(CheckpointError, match=r"schema version 99.*--use_alf_snapshot"):
        folder.open()


class _Bomb:
    def __reduce__(self):
        return (os.system, ("touch /tmp/never",))


def test_trainer_state_runs_no_code(folder):
    """A pickle with a call in it is refused even where its digest fits."""
    checkpoint = save(folder, 1)
    torch.save({"bomb": _Bomb()}, checkpoint.path / TRAINER_FILE)
    index = checkpoint.path / "checkpoint.json"
    facts = json.loads(index.read_text())
    import hashlib

    data = (checkpoint.path / TRAINER_FILE).read_bytes()
    facts["digests"][TRAINER_FILE] = hashlib.sha256(data).hexdigest()
    index.write_text(json.dumps(facts))

    with pytest.raises(CheckpointError, match="cannot be read"):
        load_trainer_state(folder.open())


def test_other_model_is_described(folder):
    """Missing, left over and reshaped parameters are all listed, by path."""
    module = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Linear(3, 1)})
    tensors = {
        "a.weight": torch.zeros(5, 2),
        "a.bias": torch.zeros(3),
        "b.weight": torch.zeros(1, 3),
        "old.bias": torch.zeros(1),
    }

    with pytest.raises(CheckpointError) as caught:
        restore_module(module, tensors, "Checkpoint 'ckpt-1'")

    text = str(caught.value)
    assert "missing: b.bias [1]" in text
    assert "left over: old.bias [1]" in text
    assert "other shape: a.weight is [5, 2] there, [3, 2] in this model" in text
    assert "a.bias" not in text


def test_ignored_prefixes_are_neither_needed_nor_used():
    """Parts that play does not need may differ."""
    kept = nn.Linear(1, 1)
    module = nn.ModuleDict({"a": kept, "b": nn.Linear(3, 1)})
    tensors = {"a.weight": torch.full((1, 1), 5.0), "a.bias": torch.zeros(1), "b.x": torch.ones(2)}

    restore_module(module, tensors, "test", ignored_prefixes=("b.",))

    assert 5.0 == kept.weight.item()


def test_unfinished_folders_are_invisible_and_removed(folder):
    """What a killed job left is no checkpoint, and goes at the next start."""
    save(folder, 1)
    left = folder.path / ".ckpt-2.partial-99"
    left.mkdir()
    (left / MODEL_FILE).write_bytes(b"half")

    assert [1] == folder.iterations()
    assert [left] == folder.clean_up()
    assert not left.exists()


def test_checkpoint_moved_aside_comes_back(folder):
    """A kill between moving the old one away and the new one in loses nothing."""
    save(folder, 1).path.rename(folder.path / ".ckpt-1.replaced-99")

    folder.clean_up()

    assert [1] == folder.iterations()


def test_full_disk_keeps_the_earlier_checkpoint(folder):
    """A write that fails says so and leaves nothing behind."""
    save(folder, 1)

    def fails(path: Path):
        raise CheckpointError("no room for the replay buffer")

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(TrainingError, match="could not be written"):
            save(folder, 2, {"weight": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    with pytest.raises(TrainingError, match="no room"):
        folder.save(CheckpointFacts(2, 2, None, 0), MODEL, STATE, fails)

    assert ["ckpt-1"] == [entry.name for entry in folder.path.iterdir()]
    assert MODEL.keys() == load_model(folder.open()).keys()


_WRITER = """
import sys, torch
from alf.trainers.checkpoint import CheckpointFacts
from alf.trainers.checkpoint_folder import CheckpointFolder
folder = CheckpointFolder(sys.argv[1])
n = 0
while True:
    n += 1
    facts = CheckpointFacts(n % 3 + 1, n, None, 0)
    folder.save(facts, {"w": torch.full((50_000,), float(n))}, {"n": n})
    if n == 1:
        print("one is saved", flush=True)
"""


def test_kill_at_any_moment_leaves_whole_checkpoints(tmp_path):
    """After SIGKILL while saving, every checkpoint that is visible loads."""
    for delay in (0.05, 0.11, 0.17, 0.23):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay)
        writer.kill()
        writer.wait()
        writer.stdout.close()

        folder = CheckpointFolder(tmp_path)
        for iteration in folder.iterations():
            checkpoint = folder.open(iteration)
            weights = load_model(checkpoint)["w"]
            assert (weights == load_trainer_state(checkpoint)["n"]).all()
        folder.clean_up()
        assert folder.iterations()


@pytest.mark.parametrize(
    ("returns", "keep", "left"),
    [
        ([1, 2, 3, 4], 2, [3, 4]),
        ([9, 2, 3, 4], 2, [1, 4]),
        ([9, 2, 3, 4], 1, [1, 4]),
        ([None, None, None], 2, [2, 3]),
        ([5, 5, 1], 2, [2, 3]),
        ([1, 2], 5, [1, 2]),
    ],
)
def test_pruning_keeps_the_newest_and_the_best(folder, returns, keep, left):
    """The oldest go first, and the two that matter never."""
    for i, average_return in enumerate(returns, 1):
        folder.save(CheckpointFacts(i, i, None, 0, average_return), MODEL, STATE)

    removed = folder.prune(keep)

    assert left == folder.iterations()
    assert sorted({*range(1, len(returns) + 1)} - set(left)) == removed
