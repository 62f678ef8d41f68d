"""The compare command in real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

AGENT = """
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm


class Agent(ActorCriticAlgorithm):
    def predict_step(self, inputs, state):
        return super().predict_step(inputs, state)
"""

CONF = """
from functools import partial

import alf
from agent_of_mine import Agent

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(Agent, optimizer=alf.optimizers.Adam(lr=1e-2)),
    unroll_length=8,
    num_iterations=10,
    num_checkpoints=2,
    random_seed=1,
)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with an agent, and a job that it trained."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "agent_of_mine.py").write_text(AGENT)
    (folder / "conf.py").write_text(CONF)
    done = alf(folder, "train", "--root_dir", folder / "job", "--conf", folder / "conf.py")
    assert done.returncode == 0, done.stderr
    return folder


def alf(project: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(CHECKOUT), str(project)])
    return subprocess.run(
        [sys.executable, "-m", "alf", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def compare(project: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    flags = ["--root_dir", project / "job", "--num_episodes", 2, "--exit_code"]
    return alf(project, "compare", *flags, *arguments)


def test_unchanged_code_behaves_the_same(project):
    """Its own code against today's: no difference, exit code 0."""
    done = compare(project)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "no difference in 2 episodes" in done.stdout
    assert 2 == done.stdout.count("fingerprint exact")


def test_a_change_of_behaviour_is_found(project, tmp_path):
    """The step, both returns, the film of both sides, and exit code 1."""
    agent = project / "agent_of_mine.py"
    agent.write_text(AGENT.replace("super().predict_step(inputs, state)", CHANGED))
    try:
        files = ["--record_file", tmp_path / "both.mp4", "--record_file", tmp_path / "both.html"]
        done = compare(project, *files, "--report_file", tmp_path / "both.json")
    finally:
        agent.write_text(AGENT)

    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads((tmp_path / "both.json").read_text())
    first = report["episodes"][0]
    assert not report["same"]
    assert [["exact", "snapshot"], ["differs", "current"]] == [
        [report[side]["fingerprint"], report[side]["code"]] for side in ("a", "b")
    ]
    assert f"actions part at step {first['parted']}" in done.stdout
    assert first["actions"][0] == [1 - first["actions"][1][0]]
    with av.open(str(tmp_path / "both.mp4")) as film:
        frames = sum(1 for _ in film.decode(video=0))
    assert "its own" in (tmp_path / "both.html").read_text()
    lengths = [max(e["a"]["length"], e["b"]["length"]) + 1 for e in report["episodes"]]
    assert frames == sum(lengths)


CHANGED = """super().predict_step(
            inputs._replace(observation=-inputs.observation), state
        )"""


def test_two_checkpoints_are_compared_with_their_own_code(project):
    """Each plays as it was trained."""
    done = compare(project, "--a", "ckpt-5", "--b", "ckpt-10")

    assert done.returncode in (0, 1), done.stderr
    assert "a         ckpt-5, its own code, fingerprint exact" in done.stdout
    assert "b         ckpt-10, its own code, fingerprint exact" in done.stdout


def test_a_side_that_cannot_be_played_is_shown(project):
    """With its error and the command that plays it alone; exit code 1."""
    agent = project / "agent_of_mine.py"
    agent.write_text("raise ImportError('gone')")
    try:
        done = compare(project)
    finally:
        agent.write_text(AGENT)

    assert 1 == done.returncode
    assert "ckpt-10, today's code" in done.stderr
    assert "gone" in done.stderr
    assert "Try it alone:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        (["--a", "ckpt-3"], "there are: ckpt-5, ckpt-10"),
        (["--a", "yesterday"], "CHECKPOINT@CODE"),
        (["--record_file", "x.txt"], ".mp4, .gif or .html"),
        (["--b_root_dir", "/nowhere"], "no job"),
    ],
)
def test_wrong_use_exits_with_2(project, flags, advice):
    """And says what to do."""
    done = compare(project, *flags)

    assert 2 == done.returncode
    assert advice in done.stderr
    assert "Traceback" not in done.stderr
