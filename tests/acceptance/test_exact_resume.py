"""A job that is stopped, or killed, and goes on in a new process ends at the same bits.

For each kind of training: one update an unroll, epochs of minibatches, and replay; with statistics
of observations and stacked frames, whose state lies between the environment and the policy.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

CONFS = {
    "a2c": """
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=3)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
)
""",
    "a2c with memory, statistics and stacked frames": """
alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=2)
alf.config("suite_gym.load", max_episode_steps=7)
alf.config("ActorCriticAlgorithm", actor_network_ctor=alf.networks.ActorDistributionRNNNetwork)
alf.config("ActorDistributionRNNNetwork", lstm_hidden_size=5)
alf.config(
    "TrainerConfig",
    data_transformer_ctor=[ObservationNormalizer, FrameStacker],
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
)
""",
    "ppo": """
from alf.algorithms.ppo_algorithm import PPOAlgorithm
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=3)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(PPOAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
    mini_batch_size=8,
    num_updates_per_train_iter=2,
)
""",
    "dqn with priorities": """
from alf.algorithms.dqn_algorithm import DqnAlgorithm
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("QNetwork", fc_layer_params=(16,))
alf.config("DqnAlgorithm", q_optimizer=alf.optimizers.Adam(lr=1e-2), rollout_epsilon_greedy=0.5)
alf.config(
    "TrainerConfig",
    algorithm_ctor=DqnAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=30,
    mini_batch_size=8,
    replay_buffer_length=40,
)
""",
    "sac with replay": """
from alf.algorithms.sac_algorithm import SacAlgorithm
alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=2)
alf.config(
    "SacAlgorithm",
    actor_optimizer=alf.optimizers.Adam(lr=1e-2),
    critic_optimizer=alf.optimizers.Adam(lr=1e-2),
    alpha_optimizer=alf.optimizers.Adam(lr=1e-2),
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=SacAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=30,
    mini_batch_size=8,
    replay_buffer_length=40,
)
""",
}

HEAD = """
from functools import partial
import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.data_transformer import FrameStacker, ObservationNormalizer
alf.config("TrainerConfig", random_seed=11, unroll_length=5, num_checkpoints=12, summary_interval=1)
"""

ITERATIONS = 36


def command(root_dir: Path, *flags: object) -> list[str]:
    train = [sys.executable, "-m", "alf.bin.train", "--nostore_snapshot"]
    return [*train, "--root_dir", str(root_dir), *map(str, flags)]


def total(iterations: int) -> str:
    return f"--conf_param=TrainerConfig.num_iterations={iterations}"


def train(root_dir: Path, *flags: object) -> None:
    done = subprocess.run(command(root_dir, *flags), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def differences(one: Path, other: Path) -> list[str]:
    """Names of the tensors that differ in the last checkpoint, and of differing metrics."""
    tensors = [
        load_file(job / f"train/algorithm/ckpt-{ITERATIONS}/model.safetensors")
        for job in (one, other)
    ]
    assert tensors[0].keys() == tensors[1].keys()
    found = [name for name in tensors[0] if not tensors[0][name].equal(tensors[1][name])]
    lines = [(job / "train/metrics.jsonl").read_text().splitlines() for job in (one, other)]
    assert [*range(1, ITERATIONS + 1)] == [json.loads(line)["iteration"] for line in lines[0]]
    return found + ["metrics"] * (lines[0] != lines[1])


@pytest.mark.parametrize("kind", CONFS)
def test_stopped_and_killed_jobs_end_at_the_same_bits(kind, tmp_path):
    """In one go, in two halves, and killed at some moment in between."""
    conf = tmp_path / "exact_conf.py"
    conf.write_text(HEAD + CONFS[kind])
    straight, halves, killed = (tmp_path / name for name in ("straight", "halves", "killed"))
    train(straight, "--conf", conf, total(ITERATIONS))

    train(halves, "--conf", conf, total(ITERATIONS // 2))
    train(halves, total(ITERATIONS))

    with subprocess.Popen(command(killed, "--conf", conf, total(ITERATIONS))) as job:
        checkpoints = killed / "train/algorithm"
        while not list(checkpoints.glob("ckpt-*")):
            assert job.poll() is None
            time.sleep(0.001)
        job.kill()
    assert not (checkpoints / f"ckpt-{ITERATIONS}").exists(), "killed too late to prove anything"
    train(killed, total(ITERATIONS))

    assert [] == differences(straight, halves)
    assert [] == differences(straight, killed)
