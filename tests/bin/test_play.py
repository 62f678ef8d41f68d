"""The play command in real processes: films, snapshots, failures, exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from alf.__main__ import main as console_main
from alf._config import isolated
from alf.bin import play as play_command

CHECKOUT = Path(__file__).resolve().parents[2]

AGENT = '''
"""An agent of a project outside of alf, which draws what it does."""

import alf
import alf.summary.render as render
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

VERSION = 1


class Agent(ActorCriticAlgorithm):
    def predict_step(self, inputs, state):
        alg_step = super().predict_step(inputs, state)
        with alf.summary.scope("Agent"):
            image = render.render_action("action", alg_step.output, self._action_spec)
        return alg_step._replace(info={"image": image})
'''

CONF = """
from functools import partial

import alf
from my_project.agent import Agent

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(Agent, optimizer=alf.optimizers.Adam(lr=1e-3)),
    unroll_length=4,
    num_iterations=2,
    num_checkpoints=2,
    random_seed=1,
)
"""


def environment(project: Path | None = None) -> dict[str, str]:
    """The environment of a machine without a display."""
    kept = {k: v for k, v in os.environ.items() if "DISPLAY" not in k and k != "SDL_VIDEODRIVER"}
    path = [str(CHECKOUT)] + ([str(project)] if project else [])
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}


class Job:
    """A trained job, and the project that it was trained from."""

    def __init__(self, folder: Path):
        self.project = folder / "work"
        self.agent = self.project / "my_project" / "agent.py"
        self.root_dir = folder / "a job"

    def train(self) -> None:
        self.agent.parent.mkdir(parents=True)
        (self.agent.parent / "__init__.py").touch()
        self.agent.write_text(AGENT)
        conf = self.project / "my_conf.py"
        conf.write_text(CONF)
        done = self.run("train", "--conf", str(conf))
        assert done.returncode == 0, done.stderr

    def run(self, command: str, *argv: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"alf.bin.{command}", "--root_dir", str(self.root_dir), *argv],
            env=environment(self.project),
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def play(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        return self.run("play", *argv)


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Job:
    """Trained once; tests that change something do so in a copy."""
    trained = Job(tmp_path_factory.mktemp("play"))
    trained.train()
    return trained


@pytest.fixture
def changed(job, tmp_path) -> Job:
    """A copy whose project may be broken."""
    copy = Job(tmp_path)
    shutil.copytree(job.project, copy.project)
    shutil.copytree(job.root_dir, copy.root_dir)
    return copy


@pytest.fixture
def play_here(job, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Plays in this process, which is quicker: `(argv...)` -> exit code, stdout, stderr."""
    monkeypatch.syspath_prepend(str(job.project))
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")

    def play(*argv: str, of: Job = job) -> tuple[int, str, str]:
        code = play_command.main(["--root_dir", str(of.root_dir), "--norender", *argv])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return play


def lines_of(text: str) -> dict[str, str]:
    """First word -> the rest of its line, of what play reports."""
    return {line[:9].strip(): line[10:] for line in text.splitlines()}


class TestPlay:
    def test_a_film_with_panels_and_a_report(self, job, tmp_path):
        """As many frames as steps + 1 an episode; the report says what the lines say."""
        film, report = tmp_path / "out" / "a film.mp4", tmp_path / "report.json"
        done = job.play(
            *("--num_episodes", "2", "--random_seed", "5", "--alg_render"),
            *("--record_file", str(film), "--report_file", str(report)),
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(report.read_text())
        with av.open(str(film)) as opened:
            frames = [(f.height, f.width) for f in opened.decode(video=0)]

        lengths = [episode["length"] for episode in told["episodes"]]
        assert len(frames) == sum(lengths) + 2
        # Larger than the picture of the environment, 600 x 400, alone: the agent's own panel
        # stands beside it, and those that any policy gets below.
        (size,) = set(frames)
        assert size == (784, 924)
        assert [e["seed"] for e in told["episodes"]] == [5, 6]
        assert told["code"] == "current"
        assert told["checkpoint_step"] == 2
        assert told["mean_return"] == sum(lengths) / 2
        said = lines_of(done.stdout)
        assert said["model"].startswith("ckpt-2 of")
        assert told["snapshot"] in said["trained"]
        assert str(CHECKOUT / "alf") in said["code"]
        assert f"average return {told['mean_return']:.2f}" in said["done"]
        assert f"{len(frames)} frames" in said["recorded"]
        assert "XDG" not in done.stderr

    def test_the_same_seed_plays_the_same(self, job, play_here, tmp_path):
        """Two processes, one seed: the same returns; another checkpoint can be chosen."""
        argv = ["--num_episodes", "3", "--random_seed", "9", "--checkpoint_step", "1"]
        other = job.play(*argv, "--report_file", str(tmp_path / "0.json"))
        code, _, told = play_here(*argv, "--report_file", str(tmp_path / "1.json"))
        assert (other.returncode, code) == (0, 0), other.stderr + told
        first, second = (json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2))

        assert first["episodes"] == second["episodes"]
        assert first["checkpoint_step"] == 1
        assert "no display here" in other.stdout

    def test_sampled_play_is_told_apart_and_repeats(self, play_here, tmp_path):
        """--epsilon_greedy 1 samples, with the same outcome for the same seed."""
        reports = []
        for epsilon in ("1", "1", "0"):
            report = tmp_path / f"{len(reports)}.json"
            flags = ["--num_episodes", "4", "--parallel_play", "2", "--random_seed", "3"]
            with isolated():
                code, said, told = play_here(
                    *flags, "--epsilon_greedy", epsilon, "--report_file", str(report)
                )
            assert code == 0, told
            reports.append(json.loads(report.read_text()))
            assert ("by the flags of this play" in said) == (epsilon == "1")

        episodes = [report["episodes"] for report in reports]
        assert episodes[0] == episodes[1] != episodes[2]
        assert ["differs", "differs", "exact"] == [report["fingerprint"] for report in reports]

    def test_numbers_are_recorded_without_a_picture(self, play_here, tmp_path, monkeypatch):
        """To draw costs more than to play, and a file of numbers has no use for it."""

        def picture(env):
            raise AssertionError("drawn")

        monkeypatch.setattr("alf.player.episodes.picture", picture)
        argv = ("--num_episodes", "1", "--record_file")
        code, _, told = play_here(*argv, str(tmp_path / "x.npz"))

        assert code == 0, told
        with np.load(tmp_path / "x.npz") as data:
            assert len(data["reward"]) == len(data["step"]) > 1
        code, _, told = play_here(*argv, str(tmp_path / "x.gif"))
        assert code == 1
        assert "drawn" in told

    def test_a_batch_is_counted(self, play_here):
        """--parallel_play counts as many episodes as were asked for."""
        code, said, told = play_here("--num_episodes", "7", "--parallel_play", "3")

        assert code == 0, told
        assert "over 7 episodes" in said

    def test_overrides_win_and_are_not_recorded(self, job, play_here):
        """--conf_param changes this play only."""
        before = (job.root_dir / "alf_config.py").read_text()
        code, said, told = play_here(
            "--num_episodes", "1", "--conf_param=suite_gym.load.max_episode_steps=3"
        )

        assert code == 0, told
        assert "return 3.00, 3 steps (stopped by the time limit)" in said
        assert (job.root_dir / "alf_config.py").read_text() == before


class TestSnapshot:
    def test_the_snapshot_runs_where_todays_code_fails(self, changed):
        """Broken code: exit 1 with what, where and what to do; then that does it."""
        changed.agent.write_text(AGENT.replace("super().predict_step", "super().prodict_step"))
        broken = changed.play("--num_episodes", "1")
        done = changed.play("--num_episodes", "1", "--use_alf_snapshot")

        assert broken.returncode == 1
        assert "Traceback" not in broken.stderr
        assert "AttributeError" in broken.stderr
        assert f"{changed.agent}:13" in broken.stderr
        assert "trained by snapshot" in broken.stderr
        assert "--use_alf_snapshot" in broken.stderr
        assert done.returncode == 0, done.stderr
        assert f"=== Using an ALF snapshot at '{changed.root_dir / 'alf'}' ===" in done.stderr
        assert str(changed.root_dir / "alf") in lines_of(done.stdout)["code"]

    def test_debug_shows_the_traceback(self, changed):
        """--debug leaves the failure as it is."""
        changed.agent.write_text("import nothing_of_this_name\n")
        done = changed.play("--num_episodes", "1", "--debug")

        assert done.returncode != 0
        assert "Traceback" in done.stderr
        assert "nothing_of_this_name" in done.stderr

    def test_each_checkpoint_runs_the_code_that_made_it(self, changed):
        """After a resume with other code, an early checkpoint still plays with its own."""
        told = 'print("agent 2")'
        changed.agent.write_text(AGENT.replace("VERSION = 1", told))
        resumed = changed.run("train", "--conf_param=TrainerConfig.num_iterations=3")
        assert resumed.returncode == 0, resumed.stderr
        early, late = (
            changed.play("--num_episodes", "1", "--use_alf_snapshot", "--checkpoint_step", step)
            for step in ("2", "3")
        )

        assert (early.returncode, late.returncode) == (0, 0), early.stderr + late.stderr
        assert "agent 2" not in early.stdout
        assert "agent 2" in late.stdout
        assert f"snapshot at '{changed.root_dir / 'alf'}'" in late.stderr
        assert f"snapshot at '{changed.root_dir / 'alf'}'" not in early.stderr

    def test_an_edited_copy_is_what_runs(self, changed):
        """Changes for play are made in the root dir's copy, and its failure is play's failure."""
        copy = changed.root_dir / "my_project" / "agent.py"
        copy.write_text(AGENT.replace("VERSION = 1", "import os; os._exit(7)"))

        assert changed.play("--num_episodes", "1", "--use_alf_snapshot").returncode == 7


class TestMistakes:
    @pytest.mark.parametrize(
        ("argv", "advice"),
        [
            ([], "--root_dir is needed"),
            (["--rot_dir", "x"], "--root_dir"),
            (["--root_dir", "/nowhere/at all"], "check --root_dir"),
            (["--root_dir", "{empty}"], "alf train"),
            (["--root_dir", "{job}", "--checkpoint_step", "77"], "there are: 1, 2"),
            (["--root_dir", "{job}", "--record_file", "a.avi"], ".mp4, .gif"),
            (["--root_dir", "{job}", "--num_episodes", "0"], "num_episodes"),
            (["--root_dir", "{job}", "--num_episodes", "many"], "num_episodes"),
            (["--root_dir", "{job}", "--parallel_play", "2", "--render"], "parallel_play"),
            (["--root_dir", "{job}", "--selective_mode"], "--record_file"),
            (["--root_dir", "{job}", "extra"], "'extra'"),
        ],
    )
    def test_wrong_use_exits_with_2_and_says_what_to_do(
        self, job, tmp_path, capsys, monkeypatch, argv, advice
    ):
        """Found before anything is loaded; one message, no traceback."""
        monkeypatch.chdir(tmp_path)
        given = [a.format(job=job.root_dir, empty=tmp_path) for a in argv]
        code = play_command.main(given)
        told = capsys.readouterr().err

        assert code == 2
        assert advice in told
        assert "Traceback" not in told

    def test_a_damaged_checkpoint_is_no_matter_of_code(self, changed, play_here):
        """A changed byte is told as such, with exit code 2."""
        model = changed.root_dir / "train" / "algorithm" / "ckpt-2" / "model.safetensors"
        data = bytearray(model.read_bytes())
        data[-1] ^= 1
        model.write_bytes(data)
        code, _, told = play_here(of=changed)

        assert code == 2
        assert "damaged" in told
        assert "--use_alf_snapshot" not in told

    def test_an_override_of_nothing_is_wrong_use(self, play_here):
        """A misspelt name in --conf_param is the user's mistake, not the old model's."""
        code, _, told = play_here("--conf_param=TrainerConfig.no_such_thing=1")

        assert code == 2
        assert "no_such_thing" in told
        assert "--use_alf_snapshot" not in told


def test_ctrl_c_leaves_a_valid_film(job, tmp_path):
    """SIGINT in the middle: exit 130, and what was played can be watched."""
    film = tmp_path / "a.mp4"
    argv = ["--root_dir", str(job.root_dir), "--num_episodes", "100000", "--record_file", str(film)]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "alf.bin.play", *argv],
        env=environment(job.project),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("episode"):
                break
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
        assert child.wait(30) == 130
    with av.open(str(film)) as opened:
        count = sum(1 for _ in opened.decode(video=0))

    assert count > 1
    assert f"{count} frames" in rest


def test_help_is_quick_and_loads_no_torch():
    """The help page needs neither torch nor numpy."""
    script = (
        "import sys; from alf.bin import play; code = play.main(['--help']);"
        "sys.exit(code or 'torch' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "--use_alf_snapshot" in done.stdout


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "command", ["", "train", "play", "grid_search", "compare", "config", "snapshot"]
)
def test_help_fits_into_the_terminal(command, columns, monkeypatch, capsys):
    """No line is longer than the terminal is wide."""
    monkeypatch.setenv("COLUMNS", str(columns))

    assert console_main([*command.split(), "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= columns


class TestConsoleScript:
    @pytest.mark.parametrize(
        ("argv", "code", "told"),
        [
            (["--help"], 0, "grid_search"),
            ([], 2, "grid_search"),
            (["pley"], 2, "alf play"),
            (["play", "--help"], 0, "--record_file"),
            (["play"], 2, "--root_dir is needed"),
        ],
    )
    def test_subcommands(self, capsys, argv, code, told):
        """`alf COMMAND` runs the command of that name; a wrong name gets the closest one."""
        assert console_main(argv) == code
        printed = capsys.readouterr()
        assert told in printed.out + printed.err
