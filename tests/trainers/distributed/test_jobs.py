"""Jobs in two processes: what they learn, what they write, and how they go on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from alf._config import isolated
from alf.bin import play, train
from alf.errors import CheckpointError
from alf.replay.offline_sources import load_recorded
from alf.replay.offline_steps import StepSpecs
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.checkpoint import load_trainer_state
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.retrain import retrain

HEAD = """
from functools import partial
import alf
alf.config("TrainerConfig", random_seed=11, unroll_length=5, num_checkpoints=9, summary_interval=1)
alf.config("TrainerConfig", ddp_paras_check_interval=1)
alf.config("ActorDistributionNetwork", fc_layer_params=(16,))
alf.config("ValueNetwork", fc_layer_params=(16,))
"""
CART_POLE = (
    'alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=4)\n'
)
PENDULUM = 'alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=4)\n'
A2C = """
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.data_transformer import FrameStacker, ObservationNormalizer, RewardNormalizer
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(
        ActorCriticAlgorithm,
        optimizer=alf.optimizers.Adam(lr=1e-2, gradient_clipping=0.5),
        actor_network_ctor=alf.networks.ActorDistributionRNNNetwork,
    ),
    data_transformer_ctor=[ObservationNormalizer, RewardNormalizer, FrameStacker],
)
"""
PPO = """
from alf.algorithms.ppo_algorithm import PPOAlgorithm
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(PPOAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
    mini_batch_size=8,
    num_updates_per_train_iter=2,
)
alf.config("PPOLoss", max_kl=0.005)
alf.config("ActorDistributionNetwork", use_fc_bn=True)
"""
REPLAY = """
alf.config(
    "TrainerConfig",
    whole_replay_buffer_training=False,
    initial_collect_steps=30,
    mini_batch_size=8,
    replay_buffer_length=40,
)
"""
DQN = f"""
from alf.algorithms.dqn_algorithm import DqnAlgorithm
alf.config("QNetwork", fc_layer_params=(16,))
alf.config("DqnAlgorithm", q_optimizer=alf.optimizers.Adam(lr=1e-2), rollout_epsilon_greedy=0.5)
alf.config("TrainerConfig", algorithm_ctor=DqnAlgorithm, priority_replay=True)
{REPLAY}"""
SAC = f"""
from alf.algorithms.sac_algorithm import SacAlgorithm
alf.config(
    "SacAlgorithm",
    actor_optimizer=alf.optimizers.Adam(lr=1e-2),
    critic_optimizer=alf.optimizers.Adam(lr=1e-2),
    alpha_optimizer=alf.optimizers.Adam(lr=1e-2),
)
alf.config("TrainerConfig", algorithm_ctor=SacAlgorithm)
{REPLAY}"""
CONFS = {
    "a2c with memory, statistics, stacked frames": PENDULUM + A2C,
    "ppo that stops early, with batch normalization": CART_POLE + PPO,
    "dqn with priorities": CART_POLE + DQN,
    "sac": PENDULUM + SAC,
}
# Says what is seen; the reward is 1 for saying it right. Each rank tells what its parameters are.
ECHO = """
import hashlib, os, gymnasium
import numpy as np
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.environments import suite_gym

class Echo(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def _see(self):
        self.shown = int(self.np_random.integers(3))
        return np.eye(3, dtype=np.float32)[self.shown]

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._see(), {}

    def step(self, action):
        reward, self.time = float(action == self.shown), self.time + 1
        return self._see(), reward, False, self.time == 10, {}

class Telling(PPOAlgorithm):
    def after_train_iter(self, inputs, info):
        digest = hashlib.sha256()
        for parameter in self.parameters():
            digest.update(parameter.detach().numpy().tobytes())
        with open(f"{self._config.root_dir}.{os.environ.get('RANK', 0)}.txt", "a") as file:
            file.write(f"{digest.hexdigest()} {tuple(inputs.step_type.shape)}\\n")

def load(env_name, env_id):
    return suite_gym.wrap_env(Echo())

alf.config("create_environment", env_load_fn=load, num_parallel_environments=8, nonparallel=True)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(Telling, optimizer=alf.optimizers.Adam(lr=2e-2)),
    unroll_length=11,
    mini_batch_size=22,
    num_updates_per_train_iter=4,
    num_iterations=30,
    num_checkpoints=1,
    metric_min_buffer_size=16,
)
"""


def total(iterations: int) -> str:
    return f"--conf_param=TrainerConfig.num_iterations={iterations}"


def index(root_dir: Path, iteration: int) -> dict[str, Any]:
    path = root_dir / "train" / "algorithm" / f"ckpt-{iteration}" / "checkpoint.json"
    return json.loads(path.read_text())


def metrics(root_dir: Path) -> list[dict[str, Any]]:
    text = (root_dir / "train" / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def result(root_dir: Path) -> dict[str, Any]:
    return json.loads((root_dir / "train" / "result.json").read_text())


def train_alone(root_dir: Path, *flags: object) -> None:
    with isolated():
        argv = ["--nostore_snapshot", "--root_dir", str(root_dir), *map(str, flags)]
        assert 0 == train.main(argv)


def test_two_processes_learn_what_one_does(ranks, tmp_path):
    """The same conf: equal parameters on both ranks at each iteration, and the same return as in
    one process, which has twice as many environments.
    """
    conf = tmp_path / "echo_conf.py"
    conf.write_text(HEAD + ECHO)
    together, alone = tmp_path / "together", tmp_path / "alone"
    ranks.train(together, "--conf", conf)
    train_alone(alone, "--conf", conf)

    first, second = (Path(f"{together}.{rank}.txt").read_text().splitlines() for rank in (0, 1))
    whole = Path(f"{alone}.0.txt").read_text().splitlines()
    assert first == second
    assert 30 == len(set(first))
    assert first[0].endswith("(12, 4)")
    assert whole[0].endswith("(12, 8)")
    there, here = result(together), result(alone)
    assert here["env_steps"] == there["env_steps"] == 30 * 10 * 8
    assert here["average_return"] > 9.7
    assert there["average_return"] == pytest.approx(here["average_return"], abs=0.3)


@pytest.mark.parametrize("kind", CONFS)
def test_a_stopped_job_goes_on_at_the_same_bits(kind, ranks, tmp_path):
    """All that each rank keeps of its own, replay buffers too, and the curves."""
    conf = tmp_path / "exact_conf.py"
    conf.write_text(HEAD + CONFS[kind])
    straight, halves = tmp_path / "straight", tmp_path / "halves"
    ranks.train(straight, "--conf", conf, total(10))
    ranks.train(halves, "--conf", conf, total(5))
    ranks.train(halves, total(10))

    one, other = index(straight, 10), index(halves, 10)
    assert {"model.safetensors", "rank-1/trainer.pt"} <= one["digests"].keys()
    assert one["digests"] == other["digests"]
    assert one["replay_digests"] == other["replay_digests"]
    has_replay = "rank-1/replay.safetensors" in one["replay_digests"]
    assert has_replay == (kind in ("dqn with priorities", "sac"))
    assert metrics(straight) == metrics(halves)
    assert [*range(1, 11)] == [line["iteration"] for line in metrics(halves)]
    assert one["env_steps"] == metrics(halves)[-1]["env_steps"]


@pytest.fixture(scope="module")
def job(ranks, tmp_path_factory) -> Path:
    """A job of two ranks with a replay buffer; nobody changes it."""
    folder = tmp_path_factory.mktemp("job")
    conf = folder / "dqn_conf.py"
    conf.write_text(HEAD + CART_POLE + DQN)
    ranks.train(folder / "job", "--conf", conf, total(10))
    return folder / "job"


@pytest.fixture
def copied(job, tmp_path) -> Path:
    shutil.copytree(job, tmp_path / "job")
    return tmp_path / "job"


@pytest.mark.parametrize("count", [1, 4])
def test_another_number_of_processes(count, ranks, copied, capsys):
    """Model and counters go on; what does not is said, and how to do better."""
    before = index(copied, 10)
    if count == 1:
        train_alone(copied, total(12))
        said = capsys.readouterr().err
    else:
        said = ranks.train(copied, total(12), count=count)

    assert f"is of a job of 2 processes, and this one has {count}, so this" in said
    assert "start as many as then: --distributed multi-gpu --num_processes 2" in said
    after = index(copied, 12)
    assert (2, count) == (before["processes"], after["processes"])
    steps = [line["env_steps"] for line in metrics(copied)]
    assert before["env_steps"] == steps[9] < steps[10] < steps[11] == after["env_steps"]
    counted = [line["Metrics/NumberOfEpisodes"] for line in metrics(copied)]
    assert counted[9] <= counted[11]


def test_each_rank_draws_for_itself(job):
    """Other actions, other minibatches, and other episodes."""
    checkpoint = CheckpointFolder(job).open(10)
    first, second = (load_trainer_state(checkpoint, rank) for rank in (0, 1))

    for name in ("torch", "python"):
        assert str(first["random"][name]) != str(second["random"][name])
    assert str(first["env"]["simulator"]) != str(second["env"]["simulator"])
    assert "optimizers" in first["learner"].keys() - second["learner"].keys()


def test_a_finished_job_has_nothing_left(ranks, copied):
    """What all ranks have stepped counts, also before the first iteration of a resumed job."""
    steps = index(copied, 10)["env_steps"]
    said = ranks.train(copied, f"--conf_param=TrainerConfig.num_env_steps={steps}")

    assert "Nothing is left to train: 10 iterations are done" in said


def test_play_needs_no_part_of_another_rank(copied, capsys):
    """The policy is in the checkpoint itself; training needs the parts, and says so."""
    parts = copied / "train" / "algorithm" / "ckpt-10" / "rank-1"
    shutil.rmtree(parts)
    with isolated():
        assert 0 == play.main(["--root_dir", str(copied), "--num_episodes=1", "--norender"])

    assert "fingerprint exact" in capsys.readouterr().out
    with pytest.raises(CheckpointError, match=r"ckpt-10/rank-1/trainer\.pt' cannot be read"):
        load_trainer_state(CheckpointFolder(copied).open(10), 1)


def test_a_part_is_no_link(copied, tmp_path):
    """What lies behind one belongs to somebody else, and is neither read nor removed."""
    part = copied / "train" / "algorithm" / "ckpt-10" / "rank-1"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(CheckpointError, match=r"'rank-1/trainer\.pt' is no file of a checkpoint"):
        CheckpointFolder(copied).open(10)


def test_replay_buffers_go_together(copied):
    """Those of older checkpoints are dropped on all ranks; the rest of their parts stays."""
    CheckpointFolder(copied).drop_replay(1)
    names = {
        n: sorted(p.name for p in (copied / f"train/algorithm/ckpt-{n}/rank-1").iterdir())
        for n in CheckpointFolder(copied).iterations()[-2:]
    }

    assert [["trainer.pt"], ["replay.json", "replay.safetensors", "trainer.pt"]] == [
        *names.values()
    ]


def test_recorded_data_of_all_ranks(job):
    """A checkpoint as a source of episodes gives the replay buffers of all ranks."""
    specs = StepSpecs(TensorSpec((4,)), BoundedTensorSpec((), torch.int64, 0, 1))
    checkpoint = job / "train" / "algorithm" / "ckpt-10"
    of_all = load_recorded(str(checkpoint), specs)
    second = load_recorded(str(checkpoint / "rank-1"), specs)

    first = len(of_all) - len(second)
    assert first in (79, 80)  # 40 rows of 2 environments, less a FIRST step that nothing follows
    for mine, theirs in zip(
        of_all.time_step.observation[first:], second.time_step.observation, strict=True
    ):
        assert torch.equal(mine, theirs)


def test_training_again_in_one_process_proves_nothing(copied):
    """So it is not tried, and the verdict says why."""
    verdict = retrain(copied, copied / "alf_config.py", 10)

    assert "absent" == verdict.word
    assert verdict.told.startswith("2 processes trained it together")


def test_a_checkpoint_that_a_rank_cannot_write(ranks, tmp_path):
    """The job ends, says whose part it was, and leaves nothing half-written."""
    conf = tmp_path / "full_conf.py"
    conf.write_text(
        HEAD + CART_POLE + DQN + "import os, resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "if os.environ['RANK'] == '1': resource.setrlimit(resource.RLIMIT_FSIZE, (2000, -1))\n"
    )
    logs = [tmp_path / "0.log", tmp_path / "1.log"]
    argv = ["--distributed=multi-gpu", "--nostore_snapshot", f"--root_dir={tmp_path / 'job'}"]
    codes = ranks.run([*argv, f"--conf={conf}", total(3)], logs)

    assert [1, 75] == codes
    assert "could not be written: rank 1 could not write its part: " in logs[0].read_text()
    assert [] == [*(tmp_path / "job" / "train" / "algorithm").iterdir()]
