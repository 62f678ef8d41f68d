"""The train command: its lines and files, resume, signals, and what goes wrong while it trains."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from alf._config import isolated
from alf.bin import play, train

CHECKOUT = Path(__file__).resolve().parents[2]

CONF = """
from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=3)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
    unroll_length=8,
    num_iterations=12,
    num_checkpoints=1,
    summary_interval=1,
    random_seed=3,
)
"""
ENDLESS = "--conf_param=TrainerConfig.num_iterations=10000000"


def environment() -> dict[str, str]:
    """Of the child processes: this checkout, one thread, no display."""
    kept = {k: v for k, v in os.environ.items() if "DISPLAY" not in k}
    return {**kept, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}


def run(*argv: str) -> "subprocess.CompletedProcess[str]":
    """Runs `python ARGV...` to its end."""
    return subprocess.run(
        [sys.executable, *argv],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def run_train(root_dir: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    """Trains in a process of its own, which ends as it should."""
    done = run("-m", "alf.bin.train", "--root_dir", str(root_dir), *argv)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def conf(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("conf") / "tiny_conf.py"
    path.write_text(CONF)
    return path


@pytest.fixture(scope="module")
def finished(conf) -> "tuple[Path, subprocess.CompletedProcess[str]]":
    """A job of 12 iterations in one go: its root dir, and what it said."""
    root_dir = conf.parent / "straight"
    return root_dir, run_train(root_dir, "--conf", str(conf))


@pytest.fixture
def train_here(capsys) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Trains in this process, which is quicker: (argv...) -> code, stdout, stderr.

    Without a snapshot, which would take the tests for a part of the job.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()

    def run_here(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with isolated():  # a process of its own starts with nothing configured
            code = train.main([*argv, "--nostore_snapshot"])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    yield run_here
    torch.use_deterministic_algorithms(deterministic)


def result(root_dir: Path) -> dict[str, Any]:
    return json.loads((root_dir / "train" / "result.json").read_text())


def metrics(root_dir: Path) -> list[dict[str, Any]]:
    text = (root_dir / "train" / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def checkpoints(root_dir: Path) -> list[int]:
    found = (root_dir / "train" / "algorithm").glob("ckpt-*")
    return sorted(int(path.name.removeprefix("ckpt-")) for path in found)


def assert_in_order(text: str, patterns: list[str]) -> None:
    """Each pattern is the start of a line, one below the other."""
    lines = text.splitlines()
    where = [next((i for i, s in enumerate(lines) if re.match(p, s)), None) for p in patterns]
    assert None not in where, (where, text)
    assert where == sorted(where, key=lambda i: i or 0)


def assert_same_model(one: Path, other: Path, iteration: int) -> None:
    """Every tensor of two checkpoints is equal, bit by bit."""
    name = Path("train") / "algorithm" / f"ckpt-{iteration}" / "model.safetensors"
    first, second = load_file(one / name), load_file(other / name)
    assert first.keys() == second.keys()
    assert first
    for key, tensor in first.items():
        assert tensor.dtype == second[key].dtype
        assert tensor.numpy().tobytes() == second[key].numpy().tobytes(), key


class TestFinishedJob:
    def test_the_first_and_the_last_lines(self, finished, conf):
        """What runs, what was captured, how it ended, and what to type next."""
        root_dir, done = finished
        place = re.escape(str(root_dir))

        assert_in_order(
            done.stdout,
            [
                rf"conf +{re.escape(str(conf))}$",
                rf"root dir +{place}$",
                r"device +\w+",
                r"seed +3$",
                r"snapshot +[0-9a-f]{12}: .*\balf \(\d+ files\).* [\d.]+ MB, [\d.]+ s",
                r"done +average return \d+\.\d\d",
                rf"model +{place}/train/algorithm/ckpt-12$",
                rf"curves +tensorboard --logdir {place}$",
                rf"play it +python -m alf\.bin\.play --root_dir {place}$",
            ],
        )
        assert "Checkpoint 'ckpt-12' is saved successfully." in done.stderr
        assert done.stdout.splitlines()[-1].startswith("play it")

    def test_result_json(self, finished):
        """The promised keys, with the numbers of this job."""
        root_dir, done = finished
        told = result(root_dir)

        assert set(told) == {
            *("iterations", "env_steps", "wall_s", "steps_per_s"),
            *("average_return", "checkpoint", "snapshot"),
        }
        assert told["iterations"] == 12
        assert told["checkpoint"] == "ckpt-12"
        assert f"snapshot  {told['snapshot']}" in done.stdout
        # 12 iterations of 8 steps of 3 environments, some of which were resets.
        assert 200 < told["env_steps"] <= 12 * 8 * 3
        assert f"average return {told['average_return']:.2f}" in done.stdout
        assert told["steps_per_s"] == pytest.approx(told["env_steps"] / told["wall_s"], rel=0.02)

    def test_metrics_can_be_read_without_tensorboard(self, finished):
        """One object a summary, in the order of the iterations."""
        root_dir, _ = finished
        lines = metrics(root_dir)

        assert [line["iteration"] for line in lines] == list(range(1, 13))
        assert lines[-1]["env_steps"] == result(root_dir)["env_steps"]
        assert {"train/loss", "Metrics/AverageReturn"} <= lines[-1].keys()

    def test_launching_it_again(self, finished, tmp_path):
        """Nothing is left to train; the code is taken all the same; how to go on is said."""
        root_dir = tmp_path / "copy"
        shutil.copytree(finished[0], root_dir)
        before = metrics(root_dir)
        done = run_train(root_dir)
        listed = run("-m", "alf.bin.snapshot", "list", "--root_dir", str(root_dir), "--json")

        assert "Nothing is left to train: 12 iterations are done" in done.stdout
        assert '--conf_param="TrainerConfig.num_iterations=24"' in done.stdout
        assert len(json.loads(listed.stdout)) == 2
        assert metrics(root_dir) == before
        assert checkpoints(root_dir) == [12]

    def test_launching_it_again_after_a_kill_at_its_end(self, finished, tmp_path):
        """What was to be removed once the last checkpoint was written is removed now."""
        root_dir = tmp_path / "copy"
        shutil.copytree(finished[0], root_dir)
        folder = root_dir / "train" / "algorithm"
        shutil.copytree(folder / "ckpt-12", folder / "ckpt-6")
        index = folder / "ckpt-6" / "checkpoint.json"
        index.write_text(index.read_text().replace('"iteration": 12', '"iteration": 6'))
        assert checkpoints(root_dir) == [6, 12]
        done = run_train(root_dir)

        assert "Nothing is left to train: 12 iterations are done" in done.stdout
        assert checkpoints(root_dir) == [12]

    @pytest.mark.parametrize("left", [None, '{"iterations": 6}', "[]", '{"iterat'])
    def test_a_result_that_a_killed_job_did_not_write(self, finished, tmp_path, left):
        """Killed after its last checkpoint, with no result, an older one, or half of one."""
        root_dir = tmp_path / "copy"
        shutil.copytree(finished[0], root_dir)
        whole = result(root_dir)
        path = root_dir / "train" / "result.json"
        path.unlink() if left is None else path.write_text(left)
        run_train(root_dir)

        assert result(root_dir) == {**whole, "wall_s": 0.0, "steps_per_s": 0.0}


class TestResume:
    @pytest.fixture(scope="class")
    @classmethod
    def resumed(cls, conf) -> "tuple[Path, subprocess.CompletedProcess[str]]":
        """6 iterations, and 6 more in another process, the total being an override of each."""
        root_dir = conf.parent / "in two parts"
        run_train(root_dir, "--conf", str(conf), "--conf_param=TrainerConfig.num_iterations=6")
        assert checkpoints(root_dir) == [6]
        return root_dir, run_train(root_dir, "--conf_param=TrainerConfig.num_iterations=12")

    def test_is_exact(self, finished, resumed):
        """Half, a new process, and the other half give the model of one go, bit by bit."""
        assert_same_model(finished[0], resumed[0], 12)

    def test_the_metrics_are_those_of_one_go(self, finished, resumed):
        """Iterations go on counting, and every number is the same."""
        assert metrics(resumed[0]) == metrics(finished[0])
        assert result(resumed[0])["env_steps"] == result(finished[0])["env_steps"]

    def test_says_where_it_goes_on(self, resumed):
        """The checkpoint, and that it was loaded."""
        _, done = resumed

        assert re.search(r"^resume +ckpt-6, \d+ environment steps$", done.stdout, re.M)
        assert "Checkpoint 'ckpt-6' is loaded successfully." in done.stderr

    def test_the_new_override_wins_and_is_recorded(self, resumed):
        """Once, in the block on top."""
        text = (resumed[0] / "alf_config.py").read_text()

        assert text.startswith("########### pre-configs ###########\n")
        assert "'TrainerConfig.num_iterations': 12," in text
        assert "'TrainerConfig.num_iterations': 6," not in text

    def test_the_same_seed_trains_the_same(self, finished, conf, tmp_path, train_here):
        """Two jobs with one seed end with the same model, bit by bit; another seed does not."""
        code, _, told = train_here("--root_dir", str(tmp_path / "same"), "--conf", str(conf))
        assert code == 0, told

        assert_same_model(finished[0], tmp_path / "same", 12)
        assert metrics(finished[0]) == metrics(tmp_path / "same")

    def test_another_seed_trains_otherwise(self, finished, conf, tmp_path, train_here):
        """Randomness does come from the seed."""
        code, _, told = train_here(
            *("--root_dir", str(tmp_path / "other"), "--conf", str(conf)),
            "--conf_param=TrainerConfig.random_seed=4",
        )
        assert code == 0, told

        with pytest.raises(AssertionError):
            assert_same_model(finished[0], tmp_path / "other", 12)


class Running:
    """A job that trains in a process of its own until it is told to stop."""

    def __init__(self, root_dir: Path, *argv: str):
        self.root_dir = root_dir
        self.log = root_dir.parent / "job.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "alf.bin.train", "--root_dir", str(root_dir), *argv],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Until it is so, in the middle of training."""
        deadline = time.monotonic() + 120
        while not what():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def trained_to(self) -> int:
        """The last iteration that its metrics tell of."""
        path = self.root_dir / "train" / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        whole = [line for line in lines if line.endswith("}")]
        return json.loads(whole[-1])["iteration"] if whole else 0

    def wait_for_iterations(self, count: int) -> None:
        start = self.trained_to()
        self.wait_for(lambda: self.trained_to() >= start + count)

    def ends_with(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def test_signals_save_and_a_job_goes_on_from_there(conf, tmp_path, train_here):
    """SIGUSR2 saves and goes on; SIGTERM and SIGINT save and stop; SIGKILL costs no more than
    what came after the last checkpoint.
    """
    root_dir = tmp_path / "job"
    keep = "--conf_param=TrainerConfig.num_checkpoints=9"
    job = Running(root_dir, "--conf", str(conf), ENDLESS, keep)
    try:
        job.wait_for_iterations(3)
        job.process.send_signal(signal.SIGUSR2)
        job.wait_for(lambda: len(checkpoints(root_dir)) == 1)
        job.wait_for_iterations(3)
        code, _, told = train_here("--root_dir", str(root_dir))
        assert code == 2
        assert f"process {job.process.pid}, since" in told
        assert job.ends_with(signal.SIGTERM) == 128 + signal.SIGTERM
        asked, terminated = checkpoints(root_dir)
        assert terminated >= asked + 3
        # The iteration was finished, and nothing came after the checkpoint.
        assert metrics(root_dir)[-1]["iteration"] == terminated
        assert "SIGTERM: finishing the iteration" in job.log.read_text()

        job = Running(root_dir)
        job.wait_for_iterations(3)
        assert job.ends_with(signal.SIGINT) == 128 + signal.SIGINT
        interrupted = checkpoints(root_dir)[-1]
        assert interrupted >= terminated + 3
        assert f"resume    ckpt-{terminated}" in job.log.read_text()
        assert "Traceback" not in job.log.read_text()

        job = Running(root_dir)
        job.wait_for_iterations(3)
        assert job.ends_with(signal.SIGKILL) == -signal.SIGKILL
        assert checkpoints(root_dir) == [asked, terminated, interrupted]
    finally:
        job.process.kill()
        job.process.wait()

    total = interrupted + 2
    code, said, told = train_here(
        "--root_dir", str(root_dir), f"--conf_param=TrainerConfig.num_iterations={total}"
    )
    assert code == 0, told
    assert f"resume    ckpt-{interrupted}" in said
    assert result(root_dir)["iterations"] == total
    assert [line["iteration"] for line in metrics(root_dir)] == list(range(1, total + 1))


def test_a_loss_that_is_not_finite(tmp_path, train_here):
    """Exit 1 with the term that broke; no model of it is kept, and the job can go on."""
    conf = tmp_path / "overflow_conf.py"
    conf.write_text(
        f"{CONF}\nfrom alf.algorithms.data_transformer import RewardScaling\n"
        "alf.config('RewardScaling', scale=1e30)\n"
        "alf.config('TrainerConfig', data_transformer_ctor=RewardScaling)\n"
    )
    root_dir = tmp_path / "job"
    code, _, told = train_here("--root_dir", str(root_dir), "--conf", str(conf))

    assert code == 1
    assert "TrainingError: the loss is not finite any more at iteration 1;" in told
    assert re.search(r"not finite: loss \(\d+ of 24 values\), extra\.td_loss \(", told)
    assert "pg_loss" not in told
    assert "Traceback" not in told
    assert checkpoints(root_dir) == []

    code, _, told = train_here("--root_dir", str(root_dir), "--conf_param=RewardScaling.scale=1.0")
    assert code == 0, told
    assert checkpoints(root_dir) == [12]


def test_without_a_snapshot(conf, tmp_path, train_here, capsys):
    """No code is kept; play works with today's, and says why it cannot with the snapshot's."""
    root_dir = tmp_path / "job"
    code, said, told = train_here("--root_dir", str(root_dir), "--conf", str(conf))
    assert code == 0, told
    assert not re.search("^snapshot", said, re.M)
    assert sorted(path.name for path in root_dir.iterdir() if path.name[0] != ".") == [
        "alf_config.py",
        "train",
    ]
    assert result(root_dir)["snapshot"] is None

    argv = ["--root_dir", str(root_dir), "--norender", "--num_episodes", "1"]
    with isolated():
        assert play.main(argv) == 0
    assert "no snapshot" in capsys.readouterr().out
    code = play.main([*argv, "--use_alf_snapshot"])
    told = capsys.readouterr().err
    assert code in (1, 2)
    assert "Traceback" not in told
    assert "--nostore_snapshot" in told


@pytest.mark.parametrize(
    "command",
    ["from alf.bin import train; train.main(['--help'])", "snapshot list", "alf --help"],
)
def test_what_needs_no_torch_loads_none(finished, command):
    """Help pages and lists of snapshots come at once."""
    if command == "snapshot list":
        argv = ["list", "--root_dir", str(finished[0])]
        call = f"from alf.bin import snapshot; assert snapshot.main({argv!r}) == 0"
    elif command == "alf --help":
        call = "from alf.__main__ import main; assert main(['--help']) == 0"
    else:
        call = command
    done = run("-c", f"{call}\nimport sys\nassert 'torch' not in sys.modules")

    assert done.returncode == 0, done.stderr
    assert done.stdout
