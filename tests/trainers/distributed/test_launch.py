"""Who starts the ranks: passes on signals, ends the job with the one that fails, leaves nothing."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from alf.bin import train
from alf.errors import TrainingError, UsageError
from alf.trainers.distributed.connect import _take_gpu, connect
from alf.trainers.distributed.launch import number_of_processes

CONF = """
from functools import partial
import alf, gymnasium
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.environments import suite_gym

class Breaking(gymnasium.Wrapper):
    steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps == BREAKS:
            raise ValueError("the motor is stuck")
        return super().step(action)

def load(env_name, env_id):
    env = gymnasium.make(env_name)
    return suite_gym.wrap_env(Breaking(env) if env_id == 3 else env)

alf.config("create_environment", env_name="CartPole-v1", env_load_fn=load, nonparallel=True)
alf.config("create_environment", num_parallel_environments=4)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
    unroll_length=4,
    num_iterations=10_000_000,
    num_checkpoints=9,
    summary_interval=1,
    fingerprint_steps=0,
    random_seed=3,
)
"""
TWO = ["--distributed", "multi-gpu", "--num_processes", "2"]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


class Running:
    """A job of two ranks, started as users start it."""

    def __init__(self, folder: Path, breaks: int = 0):
        self.root_dir, self.log, self.temporary = (folder / n for n in ("job", "job.log", "tmp"))
        self.temporary.mkdir()
        conf = folder / "launched_conf.py"
        conf.write_text(CONF.replace("BREAKS", str(breaks)))
        flags = ["--nostore_snapshot", "--root_dir", str(self.root_dir), "--conf", str(conf), *TWO]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "alf.bin.train", *flags],
                env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.temporary)},
                cwd=Path(__file__).resolve().parents[3],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.ranks: list[int] = []

    def wait_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not what():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def iterations(self) -> int:
        path = self.root_dir / "train" / "metrics.jsonl"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait_for_iterations(self, count: int) -> None:
        """Until so many more are done; from then on, `ranks` are the processes."""
        start = self.iterations()
        self.wait_for(lambda: self.iterations() >= start + count)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        self.ranks = sorted(int(pid) for pid in children.split())
        assert 2 == len(self.ranks)

    def checkpoints(self) -> list[str]:
        folder = self.root_dir / "train" / "algorithm"
        return sorted(p.name for p in folder.iterdir()) if folder.exists() else []

    def assert_nothing_is_left(self) -> None:
        """No process, and no file outside of the root dir."""
        deadline = time.monotonic() + 20
        while any(is_running(pid) for pid in self.ranks) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [] == [pid for pid in self.ranks if is_running(pid)]
        assert [] == [*self.temporary.iterdir()]


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Running]]:
    """Starts a job; it ends with the test, however that ends."""
    jobs: list[Running] = []

    def run(**arguments: int) -> Running:
        jobs.append(Running(tmp_path, **arguments))
        return jobs[-1]

    yield run
    for job in jobs:
        job.process.kill()
        job.process.wait()


@on_linux
def test_signals_to_the_launcher_are_those_of_the_job(start):
    """SIGUSR2 saves and goes on, SIGTERM saves and stops, on all ranks at one iteration."""
    job = start()
    job.wait_for_iterations(3)
    job.process.send_signal(signal.SIGUSR2)
    job.wait_for(lambda: len(job.checkpoints()) == 1)
    job.wait_for_iterations(3)
    job.process.send_signal(signal.SIGTERM)

    assert 143 == job.process.wait(60)
    said = job.log.read_text()
    assert 2 == said.count("is saved successfully.")
    assert 1 == said.count("SIGTERM: finishing the iteration, then saving.")
    assert "Error" not in said
    result = json.loads((job.root_dir / "train" / "result.json").read_text())
    index = job.root_dir / "train" / "algorithm" / result["checkpoint"] / "checkpoint.json"
    assert 2 == json.loads(index.read_text())["processes"]
    job.assert_nothing_is_left()


@on_linux
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_the_job(rank, start):
    """At once, with exit code 1; it is named, and no other rank."""
    job = start()
    job.wait_for_iterations(3)
    os.kill(job.ranks[rank], signal.SIGKILL)

    assert 1 == job.process.wait(30)
    said = job.log.read_text()
    named = rf"^TrainingError: rank {rank} of 2 \(process {job.ranks[rank]}\) was killed by SIGKILL"
    assert re.search(named, said, re.M), said
    assert 1 == len(re.findall("^TrainingError", said, re.M))
    assert "Traceback" not in said
    assert [] == job.checkpoints()
    job.assert_nothing_is_left()


@on_linux
def test_a_launcher_that_is_killed_takes_the_ranks_along(start):
    """Nobody would watch them any more."""
    job = start()
    job.wait_for_iterations(3)
    job.process.send_signal(signal.SIGKILL)
    job.process.wait(30)

    job.assert_nothing_is_left()


def test_a_rank_that_fails_says_why(start):
    """The message of another rank than the first is shown as its own, without a traceback."""
    job = start(breaks=20)

    assert 1 == job.process.wait(120)
    said = job.log.read_text()
    assert re.search(
        r"^TrainingError: rank 1 of 2 \(process \d+\) ended with exit code 1", said, re.M
    )
    assert "  EnvError: environment 1 of 2 (CartPole-v1) broke in step(" in said
    assert "ValueError: the motor is stuck" in said
    assert "The same command without --conf goes on from the newest checkpoint" in said
    assert "Traceback" not in said
    job.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("flags", "lesson"),
    [
        (["--num_processes=2"], "--num_processes goes with --distributed multi-gpu: give both"),
        ([*TWO[:2], "--num_processes=1"], "--num_processes is 1: give 2 or more"),
        (TWO[:2], "torch finds no GPU here: leave it out to train in one process; without GPUs"),
        (["--distributed=multi_gpu"], "should be one of <none|multi-gpu>"),
    ],
)
def test_flags_that_do_not_go_together(flags, lesson, tmp_path, capsys, monkeypatch):
    """Told before any process is started."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)

    assert 2 == train.main(["--root_dir", str(tmp_path / "job"), *flags])
    assert lesson in capsys.readouterr().err
    assert not (tmp_path / "job").exists()


def test_as_many_processes_as_gpus(monkeypatch):
    """Where none is asked for; one GPU is not shared."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert 4 == number_of_processes(None)
    assert 3 == number_of_processes(3)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="torch finds one GPU here: leave it out"):
        number_of_processes(None)


def test_a_rank_sees_one_gpu(monkeypatch):
    """That of its number, among those that the job may use."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    names = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: names.append(f"set {number}"))
    _take_gpu(1, 3)

    assert "6" == os.environ["CUDA_VISIBLE_DEVICES"]
    assert "set 1" == names[-1]


def test_more_processes_than_gpus(monkeypatch):
    """Each rank says so, so that the first one's words are seen."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        UsageError, match=r"3 processes .* 2 GPU\(s\), .* --num_processes 2 or less"
    ):
        connect({"RANK": "0", "WORLD_SIZE": "3"})


def test_what_started_this_rank_told_no_numbers():
    """A variable that is left over from elsewhere is named."""
    with pytest.raises(UsageError, match=r"variable RANK is 'first', .* or remove RANK"):
        connect({"RANK": "first", "WORLD_SIZE": "2"})


def test_a_port_that_is_in_use(monkeypatch):
    """Only torchrun needs one; it is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", port)
        told = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": port}
        with pytest.raises(TrainingError, match=f"uses the port {port}: give torchrun another one"):
            connect(told)
