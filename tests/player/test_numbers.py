"""The numbers of a play in one file: every step, whole or not at all."""

import numpy as np
import pytest
import torch

from alf.data_structures import AlgStep, TimeStep
from alf.distributions import Categorical
from alf.errors import RenderError
from alf.player.episodes import Moment
from alf.player.numbers import NumbersWriter, observed, row_of
from alf.player.results import EpisodeResult
from alf.player.thoughts import read_thoughts

FRAME = np.zeros((2, 2, 3), np.uint8)


def moment(step: int, last: bool = False, info: object = ()) -> Moment:
    observation = {
        "camera": torch.zeros(1, 20, 20, 3, dtype=torch.uint8),
        "joints": torch.tensor([[0.5, float(step)]]),
    }
    result = EpisodeResult(7, 3.0, step, "truncated") if last else None
    return Moment(
        episode=0,
        num_episodes=1,
        seed=7,
        step=step,
        frame=FRAME,
        time_step=TimeStep(observation=observation),
        alg_step=AlgStep(torch.tensor([step % 2]), (), info),
        panels={},
        reward=1.0,
        ret=float(step),
        result=result,
    )


def test_a_play_is_read_back(tmp_path):
    """Each moment is a row; frames without a moment are none; an end by a time limit is a 2."""
    writer = NumbersWriter(tmp_path / "play.npz")
    for step in range(4):
        writer.write(FRAME, moment(step, last=step == 3))
    writer.write(FRAME)
    said = writer.close()
    with np.load(tmp_path / "play.npz", allow_pickle=False) as data:
        assert data["step"].tolist() == [0, 1, 2, 3]
        assert data["ended"].tolist() == [0, 0, 0, 2]
        assert data["seed"].tolist() == [7] * 4
        assert data["action/action"].tolist() == [[0], [1], [0], [1]]
        assert data["observation/joints"].tolist() == [[0.5, i] for i in range(4)]
        assert np.isnan(data["value"]).all()
        assert "observation/camera" not in data

    assert "4 rows" in said
    assert writer.close() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["play.npz"]


def test_a_row_by_hand():
    """Odds of 1 : 3 and a value of 2: the runner-up is the other action, half behind."""
    info = {"action_distribution": Categorical(torch.tensor([[0.0, np.log(3)]])), "value": 2.0}
    info["value"] = torch.tensor([2.0])
    seen = moment(1, info=info)
    row = row_of(seen, read_thoughts(seen.alg_step))

    assert row["value"].tolist() == [2.0]
    assert row["runner_up"].tolist() == [0.0]
    assert row["lead"] == pytest.approx([0.5])
    assert row["probabilities"] == pytest.approx([0.25, 0.75])


def test_pictures_are_left_out():
    """Only parts with few numbers are kept."""
    assert list(observed(moment(0))) == ["observation/joints"]


def test_without_a_step_there_is_no_file(tmp_path):
    """Nothing played, nothing written, and the user is told."""
    assert "not written" in NumbersWriter(tmp_path / "a.npz").close()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    """The message names the file and what to look at."""
    with pytest.raises(RenderError, match="folder is there"):
        NumbersWriter(tmp_path / "nowhere" / "a.npz")
