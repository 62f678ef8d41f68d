"""What users get wrong: a short message that says what to do, exit code 2, and nothing changed."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from alf.bin import play, train
from alf.snapshot import hold_root_dir

LONGEST_MESSAGE = 15  # lines

CONF = """from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=2)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    num_iterations=2,
)
"""
LAST_LINE = len(CONF.splitlines())


@pytest.fixture
def conf(tmp_path) -> Path:
    """A conf without a mistake, in the current folder of the commands below."""
    path = tmp_path / "good_conf.py"
    path.write_text(CONF)
    return path


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def digest(folder: Path) -> dict[str, str]:
    """Path -> digest of everything below a folder, but the lock that a job holds there."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".alf.lock":
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir():
            found[str(path)] = "folder"
    return found


def message(told: str) -> str:
    """What stands on stderr besides log lines; short, and no traceback."""
    lines = [line for line in told.splitlines() if not re.match(r"[IW]\d{4} ", line)]
    assert "Traceback" not in told
    assert 0 < len(lines) <= LONGEST_MESSAGE
    return "\n".join(lines)


class TestTrain:
    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            (["--cnof_param", "a.b=1"], ["no flag --cnof_param", "--conf_param", "--help"]),
            (["--num_iterations=3"], ["no flag --num_iterations"]),
            (["stray"], ["'stray'"]),
            (["--conf", "missing_conf.py"], ["'missing_conf.py' does not exist"]),
            (["--conf", "."], ["is a folder"]),
            (["--conf_param=TrainerConfig"], ["is not NAME=VALUE", "--conf_param="]),
            (["--conf_param=TrainerConfig.num_iterations=(1,"], ["num_iterations", "(1,"]),
            (
                ["--conf_param=create_environment.env_name=CartPole-v0"],
                ["quote it", "env_name='CartPole-v0'"],
            ),
            (
                ["--conf_param=TrainerConfig.num_iteration=3"],
                ["'TrainerConfig.num_iteration'", "Did you mean 'TrainerConfig.num_iterations'"],
            ),
            (["--conf_param=TrainerConfig.num_iterations='many'"], ["takes int", "'many'"]),
            (["--conf_param=TrainerConfig.num_iterations=0"], ["is 0", "at least 1"]),
            (
                ["--conf_param=create_environment.env_name='CartPol-v0'"],
                ["'CartPol-v0'", "did you mean CartPole-v0"],
            ),
            (["--distributed", "everywhere"], ["distributed", "everywhere"]),
        ],
        ids=lambda value: value[0] if isinstance(value, list) and value[0][:1] == "-" else "",
    )
    def test_a_mistake_on_the_command_line(self, run_here, tmp_path, conf, argv, words):
        """Each is told with what to do, and no root dir is left behind half-made."""
        before = digest(tmp_path)
        given = argv if "--conf" in argv else ["--conf", str(conf), *argv]
        code, _, told = run_here(train.main, "--root_dir", "job", *given)

        assert code == 2
        for word in words:
            assert word in message(told)
        assert digest(tmp_path) == before

    @pytest.mark.parametrize(
        ("mistake", "words"),
        [
            ("numbers = (1,", ["was never closed", "numbers = (1,"]),
            ("print('a)", ["unterminated string"]),
            ("{}['kaboom']", ["KeyError", "'kaboom'"]),
            ("import a_module_that_is_not_there", ["a_module_that_is_not_there"]),
            ("alf.config('ActorCriticLoss', gama=0.9)", ["Did you mean 'ActorCriticLoss.gamma'"]),
            ("alf.config('ActorCriticLos', gamma=1.0)", ["Did you mean 'ActorCriticLoss.gamma'"]),
            ("alf.config('ActorCriticLoss', gamma='big')", ["takes float", "'big'"]),
            ("alf.config('TrainerConfig', num_iterations='many')", ["takes int", "'many'"]),
        ],
    )
    def test_a_mistake_in_the_conf(self, run_here, tmp_path, conf, mistake, words):
        """The message names the file and the line."""
        conf.write_text(f"{CONF}{mistake}\n")
        before = digest(tmp_path)
        code, _, told = run_here(train.main, "--root_dir", "job", "--conf", str(conf))

        assert code == 2
        assert f"{conf}:{LAST_LINE + 1}" in message(told)
        for word in words:
            assert word in message(told)
        assert digest(tmp_path) == before

    def test_a_value_of_the_wrong_kind_that_only_its_user_can_judge(self, run_here, conf, tmp_path):
        """What no annotation can say is found while the model is built, before anything is kept."""
        conf.write_text(f"{CONF}alf.config('ActorDistributionNetwork', fc_layer_params=(0,))\n")
        before = digest(tmp_path)
        code, _, told = run_here(train.main, "--root_dir", "job", "--conf", str(conf))

        assert code == 2
        assert "ActorDistributionNetwork" in message(told)
        assert "positive integers" in message(told)
        assert digest(tmp_path) == before

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            ("good_conf.py", ["is a file"]),
            ("good_conf.py/job", ["cannot be made", "Not a directory"]),
            ("/proc/job", ["cannot be made"]),
        ],
    )
    def test_a_root_dir_that_cannot_be_one(self, run_here, tmp_path, conf, place, words):
        """A file, or a place where no folder can be made."""
        before = digest(tmp_path)
        code, _, told = run_here(train.main, "--root_dir", place, "--conf", str(conf))

        assert code == 2
        for word in [*words, "--root_dir"]:
            assert word in message(told)
        assert digest(tmp_path) == before

    def test_no_root_dir(self, run_here, conf):
        """It is asked for, with an example."""
        code, _, told = run_here(train.main, "--conf", str(conf))

        assert code == 2
        assert "--root_dir is needed, for example" in message(told)

    def test_going_on_without_a_job(self, run_here, tmp_path):
        """A folder without a job, or no folder at all: both say how to start one."""
        (tmp_path / "empty").mkdir()
        before = digest(tmp_path)
        for name in ("empty", "nowhere"):
            code, _, told = run_here(train.main, "--root_dir", name)

            assert code == 2
            assert "there is no job in" in message(told)
            assert "--conf" in message(told)
        assert digest(tmp_path) == before

    def test_a_mistake_leaves_an_existing_job_as_it_is(self, run_here, root_dir, conf):
        """Wrong overrides and wrong confs do not touch what is there."""
        conf.write_text(f"{CONF}{{}}['kaboom']\n")
        before = digest(root_dir)
        for argv in (["--conf_param=TrainerConfig.no_such=1"], ["--conf", str(conf)], ["--x"]):
            code, _, told = run_here(train.main, "--root_dir", str(root_dir), *argv)

            assert code == 2
            assert message(told)
            assert digest(root_dir) == before

    @pytest.mark.parametrize("file", ["model.safetensors", "trainer.pt", "checkpoint.json"])
    def test_going_on_from_half_a_checkpoint(self, run_here, root_dir, file):
        """A file that was cut short is found, and an earlier checkpoint is pointed at."""
        cut(root_dir, file)
        before = digest(root_dir)
        code, _, told = run_here(
            train.main, "--root_dir", str(root_dir), "--conf_param=TrainerConfig.num_iterations=6"
        )

        assert code == 2
        assert f"ckpt-4/{file}" in message(told)
        assert "There are also ckpt-2" in message(told)
        assert "move the folder 'ckpt-4' away" in message(told)
        assert digest(root_dir) == before

    def test_what_the_message_about_half_a_checkpoint_advises(self, run_here, root_dir):
        """Without the damaged checkpoint the job goes on from the one before it."""
        shutil.rmtree(cut(root_dir, "trainer.pt"))
        code, said, told = run_here(train.main, "--root_dir", str(root_dir), "--nostore_snapshot")

        assert code == 0, told
        assert "resume    ckpt-2" in said
        assert json.loads((root_dir / "train" / "result.json").read_text())["iterations"] == 4

    def test_a_model_of_another_shape(self, run_here, root_dir):
        """Going on with wider layers is refused, naming the parameters."""
        before = digest(root_dir)
        override = "--conf_param=ValueNetwork.fc_layer_params=(9,)"
        code, _, told = run_here(train.main, "--root_dir", str(root_dir), override)

        assert code == 2
        assert "other shape: " in message(told)
        assert "_value_network" in message(told)
        assert digest(root_dir) == before

    def test_a_second_job_in_one_root_dir(self, run_here, checkout, root_dir):
        """It is refused, naming the process that holds it, and nothing is changed."""
        before = digest(root_dir)
        with hold_root_dir(root_dir):
            code, _, told = run_here(train.main, "--root_dir", str(root_dir))
            other = checkout.run("python", "-m", "alf.bin.train", "--root_dir", str(root_dir))

        assert (code, other.returncode) == (2, 2)
        for text in (message(told), message(other.stderr)):
            assert f"process {os.getpid()}, since" in text
            assert "another --root_dir" in text
        assert digest(root_dir) == before


class TestPlay:
    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            (["--checkpoint_step", "3"], ["no 'ckpt-3'", "there are: 2, 4"]),
            (["--record_file", "film.avi"], ["'.avi'", ".mp4, .gif"]),
            (["--record_file", "a file/film.mp4"], ["a file", "--record_file"]),
            (["--record_file", "a file/frames"], ["a file", "--record_file"]),
            (["--report_file", "a file/report.json"], ["a file", "--report_file"]),
            (["--conf_param=TrainerConfig"], ["is not NAME=VALUE"]),
            (["--conf_param=TrainerConfig.no_such=1"], ["'TrainerConfig.no_such'"]),
            (["--conf_param=suite_gym.load.max_episode_steps='x'"], ["max_episode_steps", "'x'"]),
            (["--ckeckpoint_step=2"], ["no flag --ckeckpoint_step", "--checkpoint_step"]),
        ],
        ids=lambda value: value[0] + value[-1] if value[0][:2] == "--" else "",
    )
    def test_a_mistake_on_the_command_line(self, run_here, tmp_path, root_dir, argv, words):
        """Found before an episode is played, and the job is left as it is."""
        (tmp_path / "a file").touch()
        before = digest(tmp_path)
        code, said, told = run_here(
            play.main, "--root_dir", str(root_dir), "--num_episodes", "1", *argv
        )

        assert code == 2
        for word in words:
            assert word in message(told)
        assert "episode" not in said
        assert digest(tmp_path) == before

    def test_nothing_to_play(self, run_here, tmp_path, root_dir):
        """No folder, no job, no checkpoint: each says so."""
        shutil.rmtree(root_dir / "train" / "algorithm")
        (tmp_path / "empty").mkdir()
        for place, words in (
            ("nowhere", "check --root_dir"),
            ("empty", "there is no job in"),
            (str(root_dir), "there is no checkpoint in"),
        ):
            code, _, told = run_here(play.main, "--root_dir", place)

            assert code == 2
            assert words in message(told)

    @pytest.mark.parametrize("file", ["model.safetensors", "checkpoint.json"])
    def test_half_a_checkpoint(self, run_here, root_dir, file):
        """A file that was cut short is found, and an earlier checkpoint is pointed at."""
        cut(root_dir, file)
        before = digest(root_dir)
        argv = ["--root_dir", str(root_dir), "--num_episodes", "1"]
        code, _, told = run_here(play.main, *argv)
        earlier, said, _ = run_here(play.main, *argv, "--checkpoint_step", "2")

        assert code == 2
        assert f"ckpt-4/{file}" in message(told)
        assert "--checkpoint_step 2" in message(told)
        assert digest(root_dir) == before
        assert earlier == 0
        assert "return 200.00" in said


def cut(root_dir: Path, name: str) -> Path:
    """Cuts a file of the newest checkpoint in half; returns the checkpoint's folder."""
    file = root_dir / "train" / "algorithm" / "ckpt-4" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return file.parent


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python -m alf.bin.train --root_dir job --conf missing_conf.py", "does not exist"),
        ("python -m alf.bin.play --root_dir job", "there is no folder"),
        ("python -m alf trian --root_dir job", "alf train"),
    ],
)
def test_the_exit_code_reaches_the_shell(checkout, tmp_path, line, words):
    """In processes of their own the same messages come with the same code."""
    done = checkout.run(*line.split(), cwd=tmp_path, path=[checkout.folder])

    assert done.returncode == 2
    assert words in message(done.stderr)
    assert list(tmp_path.iterdir()) == []
