"""A job that is killed at any moment: nothing half-written, no process left, the same last bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

CONF = """
import time
from functools import partial
import alf
import gymnasium
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

class Slow(gymnasium.Wrapper):
    def step(self, action):
        time.sleep(0.0003)  # so that workers are worth it
        return super().step(action)

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("suite_gym.load", gym_env_wrappers=[Slow])
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
    random_seed=3,
    unroll_length=4,
    num_iterations=60,
    num_checkpoints=20,
    summary_interval=1,
)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_killed_jobs_end_as_one_that_was_not(tmp_path):
    """Four kills, while it starts, while it saves and in between; `benchmarks.kills` does more."""
    conf = tmp_path / "killed_conf.py"
    conf.write_text(CONF)
    command = [sys.executable, "-m", "benchmarks.kills", "--conf", str(conf)]

    done = subprocess.run(
        [*command, "--kills", "4", "--seed", "2"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (4, []) == (found["kills"], found["faults"])
    assert {"start", "checkpoint", "any time"} == {*found["aimed_at"]}
