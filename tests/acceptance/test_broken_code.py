"""Code that was broken or deleted after training: the snapshot plays on as if nothing had happened.

A copy of the package stands for somebody's checkout, beside it a project of their own. Today's
code is what they hold; the package that is installed here has no part in it.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = '''
"""An algorithm of a project that alf knows nothing of."""

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from my_project.sides import other_side


class MyAlgorithm(ActorCriticAlgorithm):
    def predict_step(self, inputs, state):
        alg_step = super().predict_step(inputs, state)
        return alg_step._replace(output=other_side(alg_step.output))
'''

SIDES = '''
"""What the algorithm needs."""


def other_side(action):
    return 1 - action
'''

CONF = """
from functools import partial

import alf
from my_project.algorithm import MyAlgorithm

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=2)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(MyAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
    unroll_length=8,
    num_iterations=5,
    random_seed=1,
)
"""

BREAK_ALF = """

def _predict_step(self, inputs, state):
    return self._a_part_of_tomorrow(inputs, state)


ActorCriticAlgorithm.predict_step = _predict_step
"""


class Place:
    """A checkout, a project outside of it, and a job that was trained with both."""

    def __init__(self, checkout: Any, folder: Path):
        self.checkout = checkout
        self.root_dir = folder / "job"
        self.work = folder / "work"
        self.project = self.work / "my_project"
        self.algorithm = checkout.folder / "alf" / "algorithms" / "actor_critic_algorithm.py"

    def train(self) -> None:
        self.project.mkdir(parents=True)
        (self.project / "__init__.py").touch()
        (self.project / "algorithm.py").write_text(PROJECT)
        (self.project / "sides.py").write_text(SIDES)
        conf = self.work / "my_conf.py"
        conf.write_text(CONF)
        done = self.run("train", "--conf", str(conf))
        assert done.returncode == 0, done.stderr

    def run(self, command: str, *argv: str, **where: Any) -> "subprocess.CompletedProcess[str]":
        given = ["python", "-m", f"alf.bin.{command}", "--root_dir", str(self.root_dir), *argv]
        return self.checkout.run(*given, **{"path": [self.work], **where})

    def play(self, *argv: str, **where: Any) -> "subprocess.CompletedProcess[str]":
        report = self.root_dir.parent / "report.json"
        report.unlink(missing_ok=True)
        episodes = ["--num_episodes", "3", "--random_seed", "11", "--report_file", str(report)]
        return self.run("play", *episodes, *argv, **where)

    def report(self) -> dict[str, Any]:
        """What the last play has measured."""
        return json.loads((self.root_dir.parent / "report.json").read_text())


@pytest.fixture(scope="module")
def place(new_checkout, tmp_path_factory) -> Place:
    """Trained, and nothing is broken yet; whoever breaks something puts it back."""
    made = Place(new_checkout(tmp_path_factory.mktemp("theirs")), tmp_path_factory.mktemp("job"))
    made.train()
    return made


@pytest.fixture(scope="module")
def before(place) -> dict[str, Any]:
    """The report of the code as it was when it trained."""
    done = place.play()
    assert done.returncode == 0, done.stderr
    assert f"from {place.checkout.folder / 'alf'}" in done.stdout
    return place.report()


@pytest.fixture
def broken_alf(place, before):
    """The checkout with another `ActorCriticAlgorithm.predict_step`."""
    text = place.algorithm.read_text()
    place.algorithm.write_text(text + BREAK_ALF)
    yield place
    place.algorithm.write_text(text)


def assert_points_at_the_snapshot(
    done: "subprocess.CompletedProcess[str]", place: Place, *words: str
) -> None:
    """A failure of today's code: short, with the place and the way out."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 15
    assert f"alf play --root_dir {place.root_dir} --use_alf_snapshot" in done.stderr
    for word in words:
        assert word in done.stderr


def assert_plays_as_before(
    done: "subprocess.CompletedProcess[str]", place: Place, before: dict[str, Any]
) -> None:
    """With the code in the root dir, and with the same episodes for the same seed."""
    assert done.returncode == 0, done.stderr
    assert f"=== Using an ALF snapshot at '{place.root_dir / 'alf'}' ===" in done.stderr
    assert f"code      the snapshot's, from {place.root_dir / 'alf'}" in done.stdout
    now = place.report()
    assert now["code"] == "snapshot"
    assert now["episodes"] == before["episodes"]


def test_today_s_code_fails_with_the_way_out(broken_alf):
    """Broken alf: exit 1, where it broke, and what to type."""
    done = broken_alf.play()

    assert_points_at_the_snapshot(
        done, broken_alf, "AttributeError", "_a_part_of_tomorrow", str(broken_alf.algorithm)
    )


@pytest.mark.parametrize("cwd", ["the checkout's root", "/"])
def test_the_snapshot_plays_whatever_the_checkout_holds(broken_alf, before, cwd):
    """From the checkout's root, where Python finds it first, as well as from elsewhere."""
    theirs = broken_alf.checkout.folder
    where: dict[str, Any] = {"cwd": theirs}
    if cwd == "/":
        where = {"cwd": Path("/"), "path": [theirs, broken_alf.work]}
    done = broken_alf.play("--use_alf_snapshot", **where)

    assert_plays_as_before(done, broken_alf, before)


def break_project(project: Path) -> None:
    path = project / "algorithm.py"
    path.write_text(PROJECT.replace("other_side(alg", "no_side(alg"))


def delete_part(project: Path) -> None:
    (project / "sides.py").unlink()


def delete_project(project: Path) -> None:
    shutil.rmtree(project)


@pytest.mark.parametrize(
    ("happens", "word"),
    [
        (break_project, "no_side"),
        (delete_part, "my_project.sides"),
        (delete_project, "my_project"),
    ],
)
def test_a_project_is_part_of_the_snapshot(
    place, before, tmp_path, happens: Callable[[Path], None], word
):
    """The project's own code, from outside of the repository, is played as it was."""
    whole = tmp_path / "whole"
    shutil.copytree(place.project, whole)
    happens(place.project)
    try:
        today = place.play()
        with_snapshot = place.play("--use_alf_snapshot")
    finally:
        shutil.rmtree(place.project, ignore_errors=True)
        shutil.copytree(whole, place.project)

    assert_points_at_the_snapshot(today, place, word)
    assert_plays_as_before(with_snapshot, place, before)
