import os
import sys
from dataclasses import replace

import pytest

from alf.errors import ConfigError
from alf.search.record import Submission
from alf.search.surroundings import (
    available_cores,
    choose_gpus,
    elsewhere_variables,
    frozen_config_path,
    job_environment,
    slots,
)

FROZEN = Submission(
    "c", "", {}, [], True, workers=3, snapshot_id="abc", packages=("alf",), config_path=("confs",)
)


def test_frozen_jobs_see_the_frozen_code_alone(tmp_path, monkeypatch):
    """The search's folder is alone on the import path, and confs are looked for inside it only."""
    monkeypatch.setenv("PYTHONPATH", "/checkout")
    monkeypatch.setenv("ALF_CONFIG_PATH", "/checkout/confs")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    found = job_environment(tmp_path, FROZEN)

    assert str(tmp_path) == found["PYTHONPATH"]
    assert [str(tmp_path / "confs"), str(tmp_path)] == found["ALF_CONFIG_PATH"].split(os.pathsep)
    assert ("", "1") == (found["CUDA_VISIBLE_DEVICES"], found["OMP_NUM_THREADS"])


def test_jobs_without_snapshot_see_what_we_see(tmp_path, monkeypatch):
    """Without frozen code, jobs import from where this process does."""
    monkeypatch.setattr(sys, "path", ["/one", "/two"])

    found = job_environment(tmp_path, replace(FROZEN, snapshot_id=None, folders=["/c"]))

    assert os.pathsep.join(["/one", "/two", "/c"]) == found["PYTHONPATH"]
    assert "ALF_SNAPSHOT" not in found


def test_gpus_in_turn(monkeypatch):
    """Workers take the GPUs in turn, numbered among those that this process may use."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    search = replace(FROZEN, use_gpu=True, gpus=(0, 2))
    assert ["0", "2", "0"] == [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(search)]

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 5,GPU-7")
    assert ["4", "GPU-7", "4"] == [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(search)]

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    with pytest.raises(ConfigError, match="leaves 1"):
        slots(search)
    assert [{}, {}, {}] == slots(FROZEN)


def test_as_many_as_there_is_room_for(monkeypatch):
    """Without a number of workers there is one a core, or one a GPU."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    assert available_cores() == len(slots(replace(FROZEN, workers=None)))
    assert 2 == len(slots(replace(FROZEN, workers=None, use_gpu=True, gpus=(0, 1))))


def test_variables_for_another_machine(tmp_path, monkeypatch):
    """Only what makes the job a job of this search goes there, and no GPU that it did not get."""
    monkeypatch.setenv("SECRET", "x")

    found = elsewhere_variables(tmp_path, FROZEN)

    assert str(tmp_path) == found["PYTHONPATH"]
    assert "SECRET" not in found
    assert "" == found["CUDA_VISIBLE_DEVICES"]
    assert "CUDA_VISIBLE_DEVICES" not in elsewhere_variables(
        tmp_path, replace(FROZEN, use_gpu=True)
    )


def test_choose_gpus():
    """All GPUs where none is named; a GPU that is not there is a mistake."""
    assert (0, 1, 2) == choose_gpus((), 3)
    assert (2, 0) == choose_gpus((2, 0), 3)
    with pytest.raises(ConfigError, match="no GPU"):
        choose_gpus((), 0)
    with pytest.raises(ConfigError, match="GPU 3, but torch finds 2 here: 0 to 1"):
        choose_gpus((0, 3), 2)


def test_config_path(monkeypatch):
    """Folders of ALF_CONFIG_PATH are replaced by their frozen copies; unused ones are left out."""
    monkeypatch.setenv("ALF_CONFIG_PATH", os.pathsep.join(["/confs", "/unused", "/deep"]))
    places = {
        "/confs/a_conf.py": "confs/a_conf.py",
        "/deep/sub/b_conf.py": "sub/b_conf.py",
        "/else/c_conf.py": "else/c_conf.py",
    }

    assert ("confs", "") == frozen_config_path(places)
