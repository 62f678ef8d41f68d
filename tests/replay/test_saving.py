"""Replay buffers on disk."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.errors import CheckpointError
from alf.nest import map_structure
from alf.replay import PrioritizedReplayBuffer, ReplayBuffer

KINDS = [ReplayBuffer, PrioritizedReplayBuffer]


def row(time: int) -> dict[str, Any]:
    return {
        "image": torch.full((2, 3, 3), time % 256, dtype=torch.uint8),
        "policy": {"mean": torch.full((2,), time / 3), "half": torch.ones(2, 1).bfloat16() * time},
        "time": torch.tensor([time, -time]),
    }


def filled(kind: type[ReplayBuffer], num_rows: int, max_length: int = 6) -> ReplayBuffer:
    buffer = kind(2, max_length)
    buffer.prepare(row(0))
    for time in range(num_rows):
        buffer.add(row(time))
    if isinstance(buffer, PrioritizedReplayBuffer) and num_rows > 2:
        batch = buffer.sample(5, 2)
        buffer.update_priorities(batch.env_ids, batch.positions, torch.rand(5) * 3)
    return buffer


def assert_draw_the_same(one: ReplayBuffer, two: ReplayBuffer) -> None:
    """Both draw the same bits, also after more steps and priorities."""
    for time in range(4):
        batches = []
        for buffer in (one, two):
            torch.manual_seed(time)
            batch = buffer.sample(40, 2)
            if isinstance(buffer, PrioritizedReplayBuffer):
                priorities = torch.rand(40)
                buffer.update_priorities(batch.env_ids, batch.positions, priorities)
            buffer.add(row(100 + time))
            batches.append(batch)
        a, b = batches
        assert torch.equal(a.positions, b.positions)
        assert torch.equal(a.env_ids, b.env_ids)
        map_structure(
            lambda x, y: torch.equal(x, y) or pytest.fail("other bits"),
            *((a.experience, b.experience)),
        )
        if isinstance(one, PrioritizedReplayBuffer):
            assert torch.equal(a.weights, b.weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_rows", [3, 6, 16])
def test_loaded_buffer_goes_on_to_the_bit(kind, num_rows, tmp_path):
    """After save and load, the same seed draws the same batches, however full the ring is."""
    buffer = filled(kind, num_rows)

    buffer.save(tmp_path)
    loaded = kind(2, 6).load(tmp_path)
    loaded.prepare(row(0))

    assert buffer.end_position == loaded.end_position
    assert_draw_the_same(buffer, loaded)


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_goes_on_to_the_bit(kind):
    """The state in memory does the same, through torch.save's kinds of values."""
    buffer = filled(kind, 16)
    state = buffer.state_dict()
    loaded = filled(kind, 4)

    loaded.load_state_dict(state)

    assert_draw_the_same(buffer, loaded)


@settings(max_examples=25, deadline=None)
@given(num_rows=st.integers(0, 15), saved=st.integers(1, 8), length=st.integers(1, 8))
def test_newest_steps_are_kept_in_a_shorter_buffer(tmp_path_factory, num_rows, saved, length):
    """A buffer of another length takes the newest steps that fit in, at their times."""
    folder = tmp_path_factory.mktemp("saved")
    filled(ReplayBuffer, num_rows, saved).save(folder)

    loaded = ReplayBuffer(2, length).load(folder)

    held = min(num_rows, saved, length)
    assert (num_rows, min(num_rows, length)) == (loaded.end_position, loaded.num_steps)
    if held and held == loaded.num_steps:
        loaded.prepare(row(0))
        times = torch.arange(num_rows - held, num_rows)
        batch = loaded.get_batch(torch.ones_like(times), times)
        assert torch.equal(-times, batch.experience["time"][0])


def test_files_are_plain_and_repeatable(tmp_path):
    """The tensors are readable by others, oldest first; the same content gives the same bytes."""
    digests = filled(ReplayBuffer, 8).save(tmp_path / "a")
    tensors = safetensors.torch.load_file(tmp_path / "a" / "replay.safetensors")
    index = json.loads((tmp_path / "a" / "replay.json").read_text())

    assert ["steps.image", "steps.policy.half", "steps.policy.mean", "steps.time"] == sorted(
        tensors
    )
    assert torch.Size([6, 2, 3, 3]) == tensors["steps.image"].shape
    assert torch.uint8 == tensors["steps.image"].dtype
    assert list(range(2, 8)) == tensors["steps.time"][:, 0].tolist()
    assert torch.equal(tensors["steps.policy.mean"][:, 0], torch.arange(2, 8) / 3)
    assert (1, 8, 6) == tuple(index[k] for k in ("schema_version", "end_position", "num_steps"))
    for name, digest in digests.items():
        data = (tmp_path / "a" / name).read_bytes()
        assert digest == hashlib.sha256(data).hexdigest()
    assert digests == filled(ReplayBuffer, 8).save(tmp_path / "b")


def test_damage_is_found(tmp_path):
    """A changed byte, a missing file and another version are refused, each with its file."""
    filled(ReplayBuffer, 4).save(tmp_path)
    tensors, index = tmp_path / "replay.safetensors", tmp_path / "replay.json"
    good, text = tensors.read_bytes(), index.read_text()

    tensors.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"replay.safetensors' is damaged.*other checkpoint"):
        ReplayBuffer(2, 6).load(tmp_path)
    tensors.unlink()
    with pytest.raises(CheckpointError, match="no saved replay buffer"):
        ReplayBuffer(2, 6).load(tmp_path)
    tensors.write_bytes(good)
    index.write_text(text.replace('"schema_version": 1', '"schema_version": 9'))
    with pytest.raises(CheckpointError, match="schema version 9"):
        ReplayBuffer(2, 6).load(tmp_path)
    index.write_text(text[: len(text) // 2])
    with pytest.raises(CheckpointError, match=r"replay.json' is damaged"):
        ReplayBuffer(2, 6).load(tmp_path)
    index.write_text(text.replace('"num_steps"', '"steps_num"'))
    with pytest.raises(CheckpointError, match="num_steps"):
        ReplayBuffer(2, 6).load(tmp_path)


def test_another_buffer_is_refused(tmp_path):
    """Another number of environments, other tensors, another alpha: each is said."""
    filled(PrioritizedReplayBuffer, 4).save(tmp_path)

    with pytest.raises(CheckpointError, match="of 2 environments, and this one of 3"):
        ReplayBuffer(3, 6).load(tmp_path)
    other = ReplayBuffer(2, 6)
    other.add(torch.zeros(2))
    with pytest.raises(CheckpointError, match="other steps"):
        other.load(tmp_path)
    with pytest.raises(CheckpointError, match=r"alpha=0.7, and this one has alpha=0.5"):
        PrioritizedReplayBuffer(2, 6, alpha=0.5).load(tmp_path)
    filled(ReplayBuffer, 4).save(tmp_path)
    with pytest.raises(CheckpointError, match="alpha=None"):
        PrioritizedReplayBuffer(2, 6).load(tmp_path)


def test_full_disk_is_told(tmp_path):
    """Where nothing can be written, the error names the folder and what to do."""
    program = f"""
import resource, signal, torch
from alf.errors import CheckpointError
from alf.replay import ReplayBuffer
buffer = ReplayBuffer(1, 100)
buffer.add_rows(torch.zeros(100, 1, 1000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    buffer.save({str(tmp_path)!r})
except CheckpointError as error:
    assert "could not be written" in str(error) and "Free some space" in str(error), error
else:
    raise SystemExit("written")
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak memory of Linux")
def test_saving_needs_little_memory(tmp_path):
    """Rows are written a few at a time: 400 MB of steps need less than 100 MB more to save."""
    program = f"""
import resource, torch
from alf.replay import ReplayBuffer
buffer = ReplayBuffer(4, 1000)
row = torch.ones(4, 100_000, dtype=torch.uint8)
for _ in range(1001):
    buffer.add(row)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
buffer.save({str(tmp_path)!r})
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 100_000, grown
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
