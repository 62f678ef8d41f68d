"""Confs as people write them elsewhere are trained and played, unchanged."""

import json
import shutil
from pathlib import Path

import pytest

from alf.bin import play, train

FOLDER = Path(__file__).parent / "other_confs"
SHARED = {"ppo_conf", "sac_conf"}
CONFS = sorted(path for path in FOLDER.glob("*_conf.py") if path.stem not in SHARED)


@pytest.fixture
def conf_folder(tmp_path) -> Path:
    """The confs in a folder of their own, as another project has them."""
    return Path(shutil.copytree(FOLDER, tmp_path / "project", ignore=lambda *_: ["__pycache__"]))


def test_there_are_confs():
    """One for each way of training, and two that are only imported."""
    assert 8 <= len(CONFS)
    assert {path.stem for path in FOLDER.glob("*_conf.py")} >= SHARED


@pytest.mark.parametrize("name", [path.name for path in CONFS])
def test_a_conf_is_trained_and_played(name, conf_folder, run_here, tmp_path):
    """A few iterations leave a checkpoint, and its policy plays an episode."""
    root_dir, report = tmp_path / "job", tmp_path / "report.json"
    argv = ["--root_dir", str(root_dir), "--conf", str(conf_folder / name), "--nostore_snapshot"]
    code, _, err = run_here(train.main, *argv)
    assert 0 == code, err
    result = json.loads((root_dir / "train" / "result.json").read_text())
    assert result["iterations"] >= 3

    shown = ["--norender", "--num_episodes", "1", "--report_file", str(report)]
    code, _, err = run_here(play.main, "--root_dir", str(root_dir), *shown)
    assert 0 == code, err
    (episode,) = json.loads(report.read_text())["episodes"]
    assert episode["length"] > 0


@pytest.mark.parametrize("name", ["sac_pendulum_conf.py"])
def test_a_shared_conf_is_captured_and_played(name, checkout, conf_folder, tmp_path):
    """With real processes: the snapshot holds the conf that another imports, and plays with it."""
    root_dir = tmp_path / "job"
    where = ["--root_dir", str(root_dir)]
    conf = ["--conf", str(conf_folder / name)]
    trained = checkout.run("python", "-m", "alf.bin.train", *where, *conf)
    assert 0 == trained.returncode, trained.stderr
    shutil.rmtree(conf_folder)

    shown = ["--norender", "--num_episodes", "1", "--use_alf_snapshot"]
    played = checkout.run("python", "-m", "alf.bin.play", *where, *shown)
    assert 0 == played.returncode, played.stderr
