"""The numbers of a play, read back by numpy, and what was on disk until then."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alf.data_structures import AlgStep
from alf.errors import RenderError
from alf.player.numbers import NumbersWriter

FRAME = np.zeros((2, 2, 3), np.uint8)


def test_rows_come_back_as_columns(painted_env, played, tmp_path, monkeypatch):
    """Two episodes of 2 and 3 actions: 7 rows, in pieces smaller than the whole."""
    monkeypatch.setattr("alf.player.numbers._PIECE_BYTES", 200)
    writer = NumbersWriter(tmp_path / "a.npz")
    for moment in played(painted_env([[2, 3]]), 2, seed=5):
        writer.write(FRAME, moment)
        writer.write(FRAME)  # a repeated frame is no row
    line = writer.close()

    assert "7 rows" in line
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    with np.load(tmp_path / "a.npz", allow_pickle=False) as numbers:
        assert numbers["episode"].tolist() == [0, 0, 0, 1, 1, 1, 1]
        assert numbers["seed"].tolist() == [5, 5, 5, 6, 6, 6, 6]
        assert numbers["step"].tolist() == [0, 1, 2, 0, 1, 2, 3]
        assert numbers["reward"].tolist() == [0, 1, 2, 0, 1, 2, 3]
        assert numbers["return"].tolist() == [0, 1, 3, 0, 1, 3, 6]
        assert numbers["ended"].tolist() == [0, 0, 1, 0, 0, 0, 1]
        assert numbers["observation/observation"].tolist() == [[0], [1], [2], [0], [1], [2], [3]]
        assert np.isnan(numbers["value"]).all()
        assert all(len(numbers[name]) == 7 for name in numbers.files)


def test_a_column_that_changes_is_a_gap(painted_env, played, tmp_path):
    """Where a later moment says nothing, or another amount of it, there is NaN."""
    first, second, third = played(painted_env([[2]]), 1)
    answer = second.alg_step
    wide = replace(second, alg_step=AlgStep(answer.output.repeat(3), answer.state, answer.info))
    writer = NumbersWriter(tmp_path / "a.npz")
    for moment in (first, wide, third):
        writer.write(FRAME, moment)
    writer.close()

    with np.load(tmp_path / "a.npz") as numbers:
        (action,) = (numbers[name] for name in numbers.files if name.startswith("action/"))
        assert np.isnan(action[:, 0]).tolist() == [False, True, False]


def test_an_earlier_file_stays_until_the_new_one_is_whole(painted_env, played, tmp_path):
    """And the numbers until then are on disk, not in memory."""
    target = tmp_path / "a.npz"
    target.write_bytes(b"earlier")
    writer = NumbersWriter(target)
    for moment in played(painted_env([[4000]]), 1):
        writer.write(FRAME, moment)
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir() if path != target)

    assert target.read_bytes() == b"earlier"
    assert on_disk > 4000 * 8 * 10
    writer.close()
    with np.load(target) as numbers:
        assert numbers["step"].tolist() == list(range(4001))


def test_without_a_step_there_is_no_file(tmp_path):
    """Nothing is left, and the user is told; closing twice is one close."""
    writer = NumbersWriter(tmp_path / "a.npz")

    assert "not written" in writer.close()
    assert writer.close() == ""
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path):
    """Before anything is played."""
    with pytest.raises(RenderError, match="folder is there"):
        NumbersWriter(tmp_path / "nowhere" / "a.npz")


def test_a_full_disk_is_told(painted_env, played, tmp_path):
    """The message names the file and what to do; nothing is left."""
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full here")
    (tmp_path / f".a.rows-{os.getpid()}.f8").symlink_to("/dev/full")
    writer = NumbersWriter(tmp_path / "a.npz")

    def play() -> None:
        for moment in played(painted_env([[2000]]), 1):
            writer.write(FRAME, moment)

    with pytest.raises(RenderError, match=r"a\.npz cannot be written.*space left"):
        play()
    with pytest.raises(RenderError, match="space left"):
        writer.close()
    assert list(tmp_path.iterdir()) == []
