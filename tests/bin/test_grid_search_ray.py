"""A search on a Ray cluster of one machine, which the test starts: the same results as here."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("ray")

ROOT = Path(__file__).resolve().parents[2]

CONF = """
from functools import partial
import alf
import sibling
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("TrainerConfig", num_iterations=sibling.ITERATIONS, num_checkpoints=20,
           unroll_length=8, random_seed=11,
           algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)))
"""
SEARCH = {"parameters": {"ActorCriticLoss.gamma": [0.9, 0.99]}, "max_worker_num": 2}
ITERATIONS = 600
OPEN = {"RAY_AUTH_MODE": "disabled"}  # whatever token this user has


@pytest.fixture
def cluster():
    """Address of a Ray cluster on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="ray_")  # sockets need a short path
    ports = ["--port", port, "--min-worker-port", 0, "--max-worker-port", 0]
    options = ["--num-cpus", 2, "--include-dashboard", "false", "--disable-usage-stats"]
    begin = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    where = ["--node-ip-address", "127.0.0.1", "--temp-dir", folder]
    head = subprocess.Popen(
        [str(word) for word in (*begin, *where, *ports, *options)],
        cwd=folder,
        # No machine of a cluster has our package, or our path.
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | OPEN,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 90
        while not _listens(port):
            assert head.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def start(folder, root_dir, *arguments):
    new = ["--search_config", "search.json", "--conf", "tiny_conf.py"]
    command = [sys.executable, "-P", "-m", "alf.bin.grid_search", "--root_dir", root_dir, *new]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, **OPEN, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_a_cluster_comes_to_the_same_results(cluster, tmp_path):
    """Bit-equal models, although a worker is killed while it trains; the table tells of it."""
    (tmp_path / "tiny_conf.py").write_text(CONF)
    (tmp_path / "sibling.py").write_text(f"ITERATIONS = {ITERATIONS}\n")
    (tmp_path / "search.json").write_text(json.dumps(SEARCH))
    run = "0r0+gamma=0.9"
    process = start(tmp_path, "there", "--executor", "ray", "--ray_address", cluster)
    kill_worker_of(tmp_path / "there" / run, process)

    output = process.communicate(timeout=300)[0]
    here = start(tmp_path, "here")
    said = here.communicate(timeout=300)[0]

    assert (0, 0) == (process.returncode, here.returncode), output + said
    assert f"lost      {run}: its worker is gone" in output
    assert f"started   {run}, try 2" in output
    assert f"retried   {run}: 2 tries, now finished" in output
    with (tmp_path / "there" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [("finished", "2"), ("finished", "1")] == [(r["state"], r["tries"]) for r in rows]
    for name in (run, "1r0+gamma=0.99"):
        model = Path(name, "train", "algorithm", f"ckpt-{ITERATIONS}", "model.safetensors")
        assert (tmp_path / "there" / model).read_bytes() == (tmp_path / "here" / model).read_bytes()
    # The killed one went on from a checkpoint that had come back, not from the beginning.
    assert "resume    ckpt-" in (tmp_path / "there" / run / "train.log").read_text()
    assert proves(tmp_path / "there" / run)


def kill_worker_of(run_dir, process):
    """Kill the worker of a job by SIGKILL, once the job has trained and a checkpoint came back."""
    deadline = time.monotonic() + 200
    while not list(run_dir.glob("train/algorithm/ckpt-*/checkpoint.json")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no checkpoint came back"
        time.sleep(0.02)
    found = re.findall(r"^worker (\d+) on ", (run_dir / "train.log").read_text(), re.M)
    os.kill(int(found[-1]), signal.SIGKILL)


def proves(run_dir):
    """Whether the run's snapshot, which came from the cluster, is whole and answers as then."""
    which = ["--root_dir", run_dir, "--checkpoint_step", str(ITERATIONS)]
    verified = subprocess.run(
        [sys.executable, "-m", "alf.bin.snapshot", "verify", *which],
        cwd=run_dir,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return "wrong: nothing" in verified.stdout + verified.stderr


def test_nobody_listens(tmp_path):
    """An address where no cluster is fails at once, and says what to do."""
    from alf.errors import AlfError
    from alf.search.ray_workers import _knock

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(AlfError, match="ray start --head"):
            _knock(f"127.0.0.1:{free.getsockname()[1]}")
