"""A search of 12 runs that is killed halfway, and one that proposes its runs."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONF = """
from functools import partial
import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("TrainerConfig", num_iterations=1, num_checkpoints=1, unroll_length=150,
           algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)))
"""
GRID = {
    "parameters": {
        "ActorCriticLoss.gamma": [0.9, 0.95, 0.99],
        "Adam.lr": [1e-3, 1e-2],
    },
    "repeats": 2,
    "max_worker_num": 2,
}


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "alf.bin.grid_search", "--root_dir", folder / "R", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def new_search(folder, data):
    (folder / "tiny_conf.py").write_text(CONF)
    (folder / "search.json").write_text(json.dumps(data))
    return ["--search_config", "search.json", "--conf", "tiny_conf.py"]


def journal(folder):
    path = folder / "R" / "runs.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def rows(folder):
    with (folder / "R" / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_killed_halfway(tmp_path):
    """Of 12 runs none that was finished is trained again, and all are there in the end."""
    process = start(tmp_path, *new_search(tmp_path, GRID))
    deadline = time.monotonic() + 500
    while len(journal(tmp_path)) < 6:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    before = {row["run"] for row in journal(tmp_path)}
    models = {
        path: path.stat().st_mtime_ns for name in before for path in models_of(tmp_path, name)
    }

    process = start(tmp_path)
    output = process.communicate(timeout=500)[0]

    assert 0 == process.returncode, output
    assert 6 <= len(before) < 12
    assert f"{len(before)} of them are finished already" in output
    assert 12 - len(before) == output.count("started   ")
    assert models == {path: path.stat().st_mtime_ns for path in models}
    assert len(before) == len(models)
    names = [row["run"] for row in journal(tmp_path)]
    assert 12 == len(names) == len(set(names))
    assert ["finished"] * 12 == [row["state"] for row in rows(tmp_path)]
    assert all(float(row["average_return"]) > 0 for row in rows(tmp_path))
    assert "12 finished" in (tmp_path / "R" / "results.html").read_text()


def models_of(folder, name):
    return (folder / "R" / name / "train" / "algorithm").glob("ckpt-1/model.safetensors")


def test_proposed_runs(tmp_path):
    """A search by TPE trains its budget; with a higher one it goes on, and repeats nothing."""
    pytest.importorskip("optuna")
    data = {
        "search": "tpe",
        "budget": 1,
        "max_worker_num": 1,
        "parameters": {"ActorCriticLoss.gamma": {"low": 0.9, "high": 0.99}},
    }
    arguments = new_search(tmp_path, data)
    process = start(tmp_path, *arguments)
    output = process.communicate(timeout=300)[0]
    assert 0 == process.returncode, output
    (first,) = rows(tmp_path)
    (tmp_path / "search.json").write_text(json.dumps({**data, "budget": 2}))

    process = start(tmp_path, *arguments)
    output = process.communicate(timeout=300)[0]

    assert 0 == process.returncode, output
    assert "more      2 runs instead of 1" in output
    assert 1 == output.count("started   ")
    assert first == rows(tmp_path)[0]
    gammas = [float(row["ActorCriticLoss.gamma"]) for row in rows(tmp_path)]
    assert all(0.9 <= gamma <= 0.99 for gamma in gammas)
    assert gammas[0] != gammas[1]
    config = (tmp_path / "R" / rows(tmp_path)[1]["run"] / "alf_config.py").read_text()
    assert f"'ActorCriticLoss.gamma': {gammas[1]}," in config
