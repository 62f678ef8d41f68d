"""Where recorded episodes come from."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alf.errors import UsageError
from alf.replay import Episode, load_recorded, write_episodes
from alf.replay.offline_steps import StepSpecs
from alf.tensor_specs import BoundedTensorSpec, TensorSpec

SPECS = StepSpecs(TensorSpec((1,)), BoundedTensorSpec((), torch.int64, 0, 1))


def episodes(reward: float = 0.0, count: int = 2) -> list[Episode]:
    """Of three actions each, all with one reward."""
    one = Episode(np.zeros((4, 1), np.float32), np.ones(3, np.int64), np.full(3, reward))
    return [one] * count


def rewards(sources, **settings) -> list[float]:
    """The rewards that are found, in order."""
    steps = load_recorded(sources, SPECS, **settings)
    return steps.time_step.reward[steps.time_step.step_type != 0].tolist()


def test_a_file_a_folder_a_function_and_a_list_of_them(tmp_path):
    """All give their episodes; the files of a folder in the order of their names."""
    for name in ("b", "a"):
        write_episodes(tmp_path / f"{name}.npz", episodes(reward=ord(name), count=1))

    assert [97.0] * 3 == rewards(str(tmp_path / "a.npz"))
    assert [97.0] * 3 + [98.0] * 3 == rewards(str(tmp_path))
    assert [5.0] * 6 == rewards(lambda: episodes(5.0))
    assert [98.0] * 3 + [5.0] * 6 == rewards([str(tmp_path / "b.npz"), lambda: episodes(5.0)])


def test_at_most_so_many_steps_of_each():
    """The last ones; here a whole episode of each."""
    assert [1.0] * 3 + [2.0] * 3 == rewards(
        [lambda: episodes(1.0), lambda: episodes(2.0)], max_steps=4
    )


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ([], "is an empty list"),
        ("/nowhere/x.npz", r"there is no '/nowhere/x\.npz', which TrainerConfig\.offline"),
        (list, r"there is no episode in what list\(\) gives"),
    ],
)
def test_sources_that_are_not_there(sources, told):
    """The error names the setting, or what was called."""
    with pytest.raises(UsageError, match=told):
        load_recorded(sources, SPECS)


def test_a_folder_without_files(tmp_path):
    """The error says how to get some."""
    with pytest.raises(UsageError, match=r"no \.npz file and no replay buffer .*record_file"):
        load_recorded(str(tmp_path), SPECS)


def test_too_few_steps():
    """One row leads nowhere."""
    with pytest.raises(UsageError, match="offline_buffer_length is 1"):
        load_recorded(episodes, SPECS, max_steps=1)


def test_a_broken_file_of_several_is_named(tmp_path):
    """So that it can be found among many."""
    good = write_episodes(tmp_path / "good.npz", episodes())
    bad = write_episodes(tmp_path / "bad.npz", [Episode(np.zeros(2), np.zeros(1), np.zeros(1))])

    with pytest.raises(UsageError, match=r"bad\.npz' is of shape"):
        load_recorded([str(good), str(bad)], SPECS)


class TestMinari:
    def test_without_the_package(self, monkeypatch):
        """The error says how to install it."""
        monkeypatch.setitem(sys.modules, "minari", None)

        with pytest.raises(UsageError, match=r"pip install 'alf\[minari\]'"):
            load_recorded("minari:some/set-v0", SPECS)

    @pytest.mark.skipif(importlib.util.find_spec("minari") is None, reason="needs Minari")
    @pytest.mark.filterwarnings("ignore::UserWarning")  # Minari's, about what a set does not tell
    def test_a_data_set_of_this_machine(self, tmp_path: Path, monkeypatch):
        """What Minari recorded of a CartPole is what comes out; what is not there is a lesson."""
        monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
        import gymnasium

        minari: Any = importlib.import_module("minari")

        env = gymnasium.make("CartPole-v1")
        actions = [0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
        buffers = []
        for seed in range(3):
            seen, ended = [env.reset(seed=seed)[0]], []
            while not any(ended):
                observation, _, terminated, _, _ = env.step(actions[len(ended)])
                seen.append(observation)
                ended.append(terminated)
            count = len(ended)
            buffers.append(
                minari.data_collector.EpisodeBuffer(
                    id=seed,
                    observations=seen,
                    actions=actions[:count],
                    rewards=[1.0] * count,
                    terminations=ended,
                    truncations=[False] * count,
                )
            )
        minari.create_dataset_from_buffers("test/cartpole-v0", buffers, env, algorithm_name="none")
        specs = StepSpecs(TensorSpec((4,)), BoundedTensorSpec((), torch.int64, 0, 1))

        steps = load_recorded("minari:test/cartpole-v0", specs)

        assert 3 == len(steps.starts)
        for start, length in zip(steps.starts, steps.lengths, strict=True):
            rows = slice(start, start + length)
            assert actions[: length - 1] == steps.action[rows][:-1].tolist()
            assert [0.0, *[1.0] * (length - 1)] == steps.time_step.reward[rows].tolist()
            assert 0.0 == steps.time_step.discount[rows][-1]
        with pytest.raises(UsageError, match="minari download test/other-v0"):
            load_recorded("minari:test/other-v0", specs)
