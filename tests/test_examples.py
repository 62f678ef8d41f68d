"""Every conf under alf/examples, as users run it: trained, replayed with its snapshot, filmed."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import gymnasium
import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
EXAMPLES = CHECKOUT / "alf" / "examples"
CONFS = sorted(EXAMPLES.rglob("*_conf.py"))
# These name another game than the conf that they import, and change nothing else.
SIBLINGS = {"dqn_pong_conf": "dqn_breakout_conf"}

# Folders of gymnasium's environments, and what it imports for them and does not bring itself.
PACKAGES = {"box2d": "Box2D", "mujoco": "mujoco"}
ATARI = "ale_py"

SMALL = {
    "TrainerConfig.num_iterations": 2,
    "create_environment.num_parallel_environments": 2,
    "suite_gym.load.max_episode_steps": 12,
}
# For confs whose steps or networks are dear.
SMALLER = {
    "TrainerConfig.initial_collect_steps": 40,
    "TrainerConfig.num_updates_per_train_iter": 1,
    "TrainerConfig.fingerprint_steps": 4,
}


def run(command: str, root_dir: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of alf on a machine without a display."""
    kept = {k: v for k, v in os.environ.items() if "DISPLAY" not in k and k != "SDL_VIDEODRIVER"}
    return subprocess.run(
        [sys.executable, "-m", f"alf.bin.{command}", "--root_dir", str(root_dir), *argv],
        env={**kept, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"},
        cwd=root_dir.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def needed_packages(conf: Path) -> list[str]:
    """What must be installed, beyond what `alf` itself needs, for the environments of a conf."""
    names = re.findall(r'\benv_name="([^"]+)"', conf.read_text())
    if any(name.startswith("ALE/") for name in names):  # registered when it is imported
        return [ATARI]
    entries = [str(gymnasium.registry[n].entry_point) for n in names if n in gymnasium.registry]
    return [
        package
        for folder, package in PACKAGES.items()
        if any(f"envs.{folder}." in entry for entry in entries)
    ]


def test_there_are_examples():
    """The pattern finds the confs that the docs name."""
    names = {str(path.relative_to(EXAMPLES)) for path in CONFS}

    assert {"ac_cart_pole_conf.py", "tutorial/ac_render_conf.py"} <= names


def test_only_these_may_be_skipped():
    """Every other conf runs with what `alf` brings."""
    needs = {conf.stem: needed_packages(conf) for conf in CONFS}

    assert {name: packages for name, packages in needs.items() if packages} == {
        "dqn_breakout_conf": ["ale_py"],
        "dqn_pong_conf": ["ale_py"],
        "ppo_bipedal_walker_conf": ["Box2D"],
        "ppo_breakout_conf": ["ale_py"],
        "ppo_half_cheetah_conf": ["mujoco"],
        "ppo_lunar_lander_conf": ["Box2D"],
        "sac_half_cheetah_conf": ["mujoco"],
    }


def test_siblings_differ_in_the_game_alone():
    """The import and the name are all that they hold beside their docstring."""
    for sibling, conf in SIBLINGS.items():
        (_, docstring), *rest = enumerate(ast.parse((EXAMPLES / f"{sibling}.py").read_text()).body)
        statements = [ast.unparse(statement) for _, statement in rest]

        assert isinstance(docstring, ast.Expr)
        assert [
            "import alf",
            f"from alf.examples import {conf}",
            "alf.config('create_environment', env_name='ALE/Pong-v5')",
        ] == statements


@pytest.mark.parametrize(
    "conf", [conf for conf in CONFS if conf.stem not in SIBLINGS], ids=lambda path: path.stem
)
def test_an_example_is_trained_and_replayed(conf, tmp_path):
    """Two iterations leave a checkpoint and a snapshot; the snapshot plays it and makes a film."""
    missing = [package for package in needed_packages(conf) if find_spec(package) is None]
    if missing:
        pytest.skip(f"{conf.stem} needs {', '.join(missing)}, which is not installed here")
    root_dir = tmp_path / "job"
    small = {**SMALL, **(SMALLER if needed_packages(conf) else {})}
    if ATARI in needed_packages(conf):
        small["suite_atari.load.max_episode_steps"] = small.pop("suite_gym.load.max_episode_steps")
    overrides = [f"--conf_param={name}={value}" for name, value in small.items()]
    trained = run("train", root_dir, "--conf", str(conf), *overrides)

    assert trained.returncode == 0, trained.stderr
    assert "Checkpoint 'ckpt-2' is saved successfully." in trained.stderr
    result = json.loads((root_dir / "train" / "result.json").read_text())
    assert (result["iterations"], result["checkpoint"]) == (2, "ckpt-2")
    assert (root_dir / conf.relative_to(CHECKOUT)).read_bytes() == conf.read_bytes()

    film, report = tmp_path / "play.mp4", tmp_path / "report.json"
    draws = "mujoco" not in needed_packages(conf)  # it draws with OpenGL, which few servers have
    played = run(
        *("play", root_dir, "--use_alf_snapshot", "--norender", "--num_episodes", "1"),
        *("--report_file", str(report)),
        *(["--alg_render", "--record_file", str(film)] if draws else []),
    )

    assert played.returncode == 0, played.stderr
    assert f"=== Using an ALF snapshot at '{root_dir / 'alf'}' ===" in played.stderr
    told = json.loads(report.read_text())
    assert (told["code"], told["snapshot"]) == ("snapshot", result["snapshot"])
    assert told["checkpoint_step"] == 2
    (episode,) = told["episodes"]
    assert 0 < episode["length"] <= 12
    if not draws:
        return
    with av.open(str(film)) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == episode["length"] + 1
