"""Recorded episodes in files: what is written is read, and nothing else is."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.errors import AlfError, UsageError
from alf.nest import map_structure
from alf.replay import Episode, load_recorded, write_episodes
from alf.replay.offline_files import read_columns
from alf.replay.offline_steps import StepSpecs
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

SPECS = StepSpecs(
    {"picture": TensorSpec((2, 1, 2), torch.uint8), "speed": TensorSpec(())},
    (BoundedTensorSpec((), torch.int64, 1, 3), BoundedTensorSpec((2,), torch.float32, -1, 1)),
)


class Trap:
    """Tells when it is unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        return (setattr, (Trap, "sprung", True))


def episode(length: int, seed: int, terminated: bool = False) -> Episode:
    """One that fits `SPECS`."""
    rng = np.random.default_rng(seed)
    return Episode(
        observation={
            "picture": rng.integers(0, 256, (length + 1, 2, 1, 2), np.uint8),
            "speed": rng.normal(size=length + 1).astype(np.float32),
        },
        action=(
            rng.integers(1, 4, length),
            rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        ),
        reward=rng.normal(size=length).astype(np.float32),
        terminated=terminated,
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=6))
def test_what_is_written_is_read(tmp_path_factory, kinds):
    """Every observation, action, reward and end of any episodes comes back in its place."""
    path = tmp_path_factory.mktemp("recording") / "episodes.npz"
    episodes = [episode(n, i, terminated) for i, (n, terminated) in enumerate(kinds)]

    steps = load_recorded(str(write_episodes(path, episodes)), SPECS)

    assert [n + 1 for n, _ in kinds] == steps.lengths.tolist()
    for given_one, start in zip(episodes, steps.starts.tolist(), strict=True):
        count = len(given_one.reward)
        end = start + count
        now = map_structure(lambda x, a=start, b=end: x[a : b + 1], steps.time_step)
        expected = map_structure(torch.as_tensor, given_one)
        assert torch.equal(expected.observation["picture"], now.observation["picture"])
        assert torch.equal(expected.observation["speed"], now.observation["speed"])
        assert torch.equal(expected.reward, now.reward[1:])
        for action, done, before in zip(
            expected.action, steps.action, now.prev_action, strict=True
        ):
            assert torch.equal(action, done[start:end])
            assert torch.equal(action, before[1:])
            assert not before[0].any()
        assert [0, *[1] * (count - 1), 2] == now.step_type.tolist()
        assert [1.0] * count + [float(not given_one.terminated)] == now.discount.tolist()


def test_nothing_half_is_left(tmp_path):
    """A file that cannot be written leaves the one that was there, and no other."""
    path = write_episodes(tmp_path / "x.npz", [episode(2, 0)])
    before = path.read_bytes()

    with pytest.raises(UsageError, match="can hold numbers only"):
        write_episodes(path, [Episode(np.array([{}, {}]), np.zeros(1), np.zeros(1))])
    with pytest.raises(AlfError, match="cannot be written"):
        write_episodes(tmp_path / "nowhere" / "x.npz", [episode(2, 0)])

    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ([], "there is no episode"),
        ([Episode(np.zeros(3), np.zeros(2), np.zeros(3))], "n \\+ 1 observations"),
        ([Episode(np.zeros(1), np.zeros(0), np.zeros(0))], "at least one action"),
        ([Episode(np.zeros(3), np.zeros(2), 1.0)], "rewards of shape \\[\\]"),
        (
            [
                Episode(np.zeros((2, 1)), np.zeros(1), np.zeros(1)),
                Episode(np.zeros((2, 3)), np.zeros(1), np.zeros(1)),
            ],
            "differ in their shapes",
        ),
        (
            [
                Episode(np.zeros(2), np.zeros(1), np.zeros(1)),
                Episode({"eye": np.zeros(2)}, np.zeros(1), np.zeros(1)),
            ],
            "episode 1 .* has .*observation/eye",
        ),
    ],
)
def test_episodes_that_do_not_fit_together(wrong, told, tmp_path):
    """Are not written; the error says which, and what belongs together."""
    with pytest.raises(UsageError, match=told):
        write_episodes(tmp_path / "x.npz", wrong)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["reward", "beside"])
def test_objects_are_never_unpickled(name, tmp_path):
    """A file with a pickled object in any column is refused before anything of it is run."""
    path = tmp_path / "x.npz"
    np.savez(path, **{"reward": np.zeros(2), name: np.array([Trap()], object)})  # type: ignore[arg-type]

    with pytest.raises(UsageError, match=f"column '{name}' .* holds Python objects"):
        read_columns(path, ["reward"])

    assert not Trap.sprung


def test_the_trap_works(tmp_path):
    """What the test above guards against would be noticed there."""
    path = tmp_path / "x.npz"
    np.savez(path, x=np.array([Trap()], object))
    np.load(path, allow_pickle=True)["x"]

    assert Trap.sprung
    Trap.sprung = False


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def one_byte_off(data: bytes) -> bytes:
    at = data.index(b"reward.npy") + 300
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "break_it",
    [
        cut_short,
        one_byte_off,
        lambda data: b"",
        lambda data: pickle.dumps({"reward": 1}),
    ],
)
def test_a_file_of_another_kind_or_a_damaged_one(break_it, save, tmp_path):
    """Is refused, with the commands that write a good one."""
    path = tmp_path / "x.npz"
    columns: dict[str, Any] = {"step": np.arange(300), "reward": np.sin(np.arange(300))}
    save(path, **columns)
    path.write_bytes(break_it(path.read_bytes()))

    with pytest.raises(UsageError, match=r"is no \.npz file .* `alf play --record_file x\.npz`"):
        read_columns(path, ["step", "reward"])


def test_an_array_that_is_no_array(tmp_path):
    """A member of the right name that holds anything else is refused likewise."""
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("reward.npy", b"hello")

    with pytest.raises(UsageError, match="damaged"):
        read_columns(path, ["reward"])


def test_columns_beside_are_passed_over(tmp_path):
    """Only what is asked for is read, as far as it is there."""
    file = io.BytesIO()
    np.savez(file, a=np.arange(3), b=np.full(3, np.nan))
    path = tmp_path / "x.npz"
    path.write_bytes(file.getvalue())

    assert ["a"] == list(read_columns(path, ["a", "c"]))


def test_a_folder_is_no_file(tmp_path):
    """The error names the setting that led there."""
    with pytest.raises(UsageError, match="offline_buffer_dir names, cannot be read"):
        read_columns(Path(tmp_path), ["a"])
