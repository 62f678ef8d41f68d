"""`package:Name-v0` imports the package: a conf may say so, an override or a search may not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from alf.bin import grid_search, train

LEARNING = """
from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=1)
alf.define_config("world", "CartPole-v1")
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.SGD(lr=0.1)),
    num_iterations=1,
)
"""


def refused(run_here, main, *argv: str) -> str:
    """Runs a command that has to refuse; what it told."""
    code, _, told = run_here(main, *argv)
    assert code in (1, 2)
    assert "Traceback" not in told
    return told


@pytest.fixture(autouse=True)
def canary(tmp_path, monkeypatch) -> Iterator[Path]:
    """An installed package that does harm when it is imported."""
    made = tmp_path / "canary"
    code = f"import os\nos.mkdir({str(made)!r})\n"
    (tmp_path / "harmful.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield made
    assert not made.exists()


REFUSED = "would import 'harmful'"


@pytest.mark.parametrize(
    ("param", "added", "advice"),
    [
        ("create_environment.env_name='harmful:CartPole-v1'", "", REFUSED),
        (
            "suite_gym.load.environment_name='harmful:CartPole-v1'",
            "env = alf.environments.suite_gym.load()",
            REFUSED,
        ),
        (
            "world='harmful:CartPole-v1'",
            "alf.config1('env_name', alf.get_config_value('world'))",
            REFUSED,
        ),
        (
            "create_environment.env_load_fn=partial(alf.environments.suite_gym.load, 'harmful:X')",
            "",
            "got multiple values",
        ),
        (
            "create_environment.env_load_fn=lambda name: "
            "alf.environments.suite_gym.load('harmful:X-v0')",
            "",
            "uses 'alf.environments.suite_gym.load'. An override may",
        ),
    ],
)
def test_overrides(run_here, tmp_path, param, added, advice):
    """Whatever way the name takes from an override."""
    (tmp_path / "a_conf.py").write_text(f"{LEARNING}{added}\n")
    argv = ["--root_dir", "job", "--conf", "a_conf.py", f"--conf_param={param}"]

    assert advice in refused(run_here, train.main, *argv)
    assert not (tmp_path / "job").exists()


def test_searches(run_here, tmp_path):
    """Any value of a search, before the first job begins."""
    names = ["CartPole-v0", "harmful:CartPole-v1"]
    search = {"parameters": {"create_environment.env_name": names}}
    (tmp_path / "search.json").write_text(json.dumps(search))
    (tmp_path / "a_conf.py").write_text(LEARNING)
    argv = ["--search_config", "search.json", "--conf", "a_conf.py", "--root_dir", "search"]
    told = refused(run_here, grid_search.main, *argv)

    assert "would import 'harmful'" in told
    assert "Write 'import harmful' into the conf" in told


def test_what_the_conf_has_imported(run_here, tmp_path):
    """Its environments can be named."""
    (tmp_path / "worlds.py").write_text("")
    (tmp_path / "a_conf.py").write_text(f"import worlds\n{LEARNING}")
    param = "create_environment.env_name='worlds:CartPole-v1'"
    argv = ["--root_dir", "job", "--conf", "a_conf.py", f"--conf_param={param}"]
    code, _, told = run_here(train.main, *argv)

    assert code == 0, told


def test_our_own_environments(run_here, tmp_path):
    """Those that come with alf need no import: there is nothing to be let in."""
    (tmp_path / "a_conf.py").write_text(LEARNING)
    name = "alf.environments.bit_flipping:BitFlipping-v0"
    params = [
        f"create_environment.env_name={name!r}",
        "TrainerConfig.random_seed=1",
        "TrainerConfig.unroll_length=2",
    ]
    argv = ["--root_dir", "job", "--conf", "a_conf.py", *(f"--conf_param={p}" for p in params)]
    _, _, told = run_here(train.main, *argv)

    assert "would import" not in told
