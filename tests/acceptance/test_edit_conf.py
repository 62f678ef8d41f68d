"""`alf_config.py` is what play and resume run, as somebody has edited it."""

import json
import re
from pathlib import Path

import pytest

from alf.bin import play, train


def edit(root_dir: Path, before: str, after: str) -> None:
    """Changes the one place in `alf_config.py` that says `before`."""
    path = root_dir / "alf_config.py"
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def returns(said: str) -> list[float]:
    """The return of each episode that play has reported."""
    return [float(number) for number in re.findall(r"^episode.*return ([\d.]+)", said, re.M)]


@pytest.mark.parametrize(("env_name", "longest"), [("CartPole-v0", 200), ("CartPole-v1", 500)])
def test_play_runs_the_edited_conf(root_dir, run_here, env_name, longest):
    """Another environment, another limit of an episode."""
    edit(root_dir, "CartPole-v0", env_name)
    code, said, told = run_here(
        play.main, "--root_dir", str(root_dir), "--num_episodes", "2", "--random_seed", "3"
    )

    assert code == 0, told
    assert returns(said) == [longest, longest]


def test_play_with_the_snapshot_runs_the_edited_conf_too(root_dir, checkout):
    """The configuration comes from the root dir whoever's code runs."""
    edit(root_dir, "CartPole-v0", "CartPole-v1")
    argv = ["--root_dir", str(root_dir), "--num_episodes", "1", "--use_alf_snapshot"]
    done = checkout.run("python", "-m", "alf.bin.play", *argv)

    assert done.returncode == 0, done.stderr
    assert returns(done.stdout) == [500]
    assert f"=== Using an ALF snapshot at '{root_dir / 'alf'}' ===" in done.stderr


def test_an_edit_of_an_algorithm_in_the_conf_is_played(root_dir, run_here):
    """Code that lives in the conf is edited there as well."""
    edit(root_dir, "push_right.long()", "(~push_right).long()")
    code, said, told = run_here(play.main, "--root_dir", str(root_dir), "--num_episodes", "3")

    assert code == 0, told
    assert max(returns(said)) < 20


def test_resume_runs_the_edited_conf(root_dir, run_here):
    """A job goes on with the edited conf, and its file keeps the edit."""
    edit(root_dir, "CartPole-v0", "CartPole-v1")
    edit(root_dir, "num_iterations=4", "num_iterations=6")
    code, said, told = run_here(train.main, "--root_dir", str(root_dir), "--nostore_snapshot")
    result = json.loads((root_dir / "train" / "result.json").read_text())
    kept = (root_dir / "alf_config.py").read_text()

    assert code == 0, told
    assert "resume    ckpt-4" in said
    assert "CartPole-v1" in told
    assert result["iterations"] == 6
    assert "CartPole-v1" in kept
    assert "num_iterations=6" in kept


def test_an_edited_block_of_overrides_is_played(root_dir, run_here):
    """The overrides on top can be edited, added and removed like the rest."""
    path = root_dir / "alf_config.py"
    block = (
        "########### pre-configs ###########\n\nimport alf\nalf.pre_config({\n"
        "    'suite_gym.load.max_episode_steps': 7,\n"
        "})\n\n########### end pre-configs ###########\n\n"
    )
    path.write_text(block + path.read_text())
    code, said, told = run_here(play.main, "--root_dir", str(root_dir), "--num_episodes", "2")

    assert code == 0, told
    assert returns(said) == [7, 7]
