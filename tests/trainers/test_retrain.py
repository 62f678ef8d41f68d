"""Training again arrives at the same bits, and says so; or names what differs, or why it cannot."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from alf import snapshot
from alf._config import isolated
from alf.bin import train
from alf.errors import SnapshotError
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.retrain import compare_checkpoints, retrain
from alf.trainers.verdict import Verdict

HEAD = """
from functools import partial
import alf
alf.config("TrainerConfig", unroll_length=5, num_iterations=8, num_checkpoints=2)
"""
CART_POLE = """
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
"""
PPO = """
from alf.algorithms.ppo_algorithm import PPOAlgorithm
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(PPOAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
    mini_batch_size=4,
    num_updates_per_train_iter=2,
    evaluate=True,
    eval_interval=3,
    num_eval_episodes=1,
)
"""
SAC = """
from alf.algorithms.sac_algorithm import SacAlgorithm
alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=2)
alf.config("suite_gym.load", max_episode_steps=7)
alf.config(
    "SacAlgorithm",
    actor_optimizer=alf.optimizers.Adam(lr=1e-2),
    critic_optimizer=alf.optimizers.Adam(lr=2e-2),
    alpha_optimizer=alf.optimizers.Adam(lr=1e-2),
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=SacAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=16,
    mini_batch_size=4,
    replay_buffer_length=30,
)
"""
A2C = """
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.schedulers import LinearScheduler
rate = LinearScheduler("percent", [(0.0, 1e-2), (1.0, 0.0)])
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=rate)),
)
"""
# Something that cannot be read and put back.
HIDDEN = """
import gymnasium

class Hidden(gymnasium.Wrapper):
    def __init__(self, env):
        super().__init__(env)
        self.sensor = open

alf.config("suite_gym.load", gym_env_wrappers=[Hidden])
"""

Trained = Callable[..., Path]


@pytest.fixture
def trained(tmp_path) -> Iterator[Trained]:
    """Trains a conf in this process: conf, flags... -> the root dir, with a snapshot of its conf.

    The snapshot is taken afterwards, of alf alone: what this process has imported besides is no
    job's code.
    """
    handler = signal.getsignal(signal.SIGUSR2)
    deterministic = torch.are_deterministic_algorithms_enabled()
    root_dir = tmp_path / "job"

    def run(conf: str, *conf_params: str) -> Path:
        path = tmp_path / "my_conf.py"
        path.write_text(HEAD + conf)
        argv = ["--nostore_snapshot", "--root_dir", str(root_dir), "--conf", str(path)]
        with isolated():
            assert train.main([*argv, *[f"--conf_param={given}" for given in conf_params]]) == 0
        note(root_dir, *CheckpointFolder(root_dir).iterations())
        return root_dir

    yield run
    signal.signal(signal.SIGUSR2, handler)
    torch.use_deterministic_algorithms(deterministic)


def note(root_dir: Path, *steps: int) -> None:
    """Store a snapshot that made these checkpoints."""
    taken = snapshot.take(root_dir, conf_text_path=root_dir / "alf_config.py", modules={})
    for step in steps:
        snapshot.tag_checkpoint(root_dir, taken.id, step)


def again(root_dir: Path, step: int, conf: Path | None = None) -> Verdict:
    """Train it again, as a process of its own does."""
    with isolated():
        return retrain(root_dir, conf or root_dir / "alf_config.py", step)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in paths}


@pytest.mark.parametrize("conf", [CART_POLE + PPO, SAC, CART_POLE + A2C], ids=["ppo", "sac", "a2c"])
def test_every_checkpoint_is_trained_again_to_the_same_bits(conf, trained):
    """The first from the start, the next from the one before; the job's folder stays as it is."""
    root_dir = trained(conf)
    before = listing(root_dir)
    first, second = again(root_dir, 4), again(root_dir, 8)

    assert first.word == "exact", first.told
    assert first.told.startswith("trained again from the start: ")
    assert second.word == "exact", second.told
    assert second.told.startswith("trained again from ckpt-4: ")
    assert second.told.endswith(" tensors equal bit for bit")
    assert int(second.told.split()[4]) > 20
    assert listing(root_dir) == before


@pytest.mark.parametrize(
    ("conf", "before", "after", "names"),
    [
        (CART_POLE + A2C, "1e-2), (1.0", "1.0001e-2), (1.0", "model.algorithm."),
        (CART_POLE + PPO, "mini_batch_size=4", "mini_batch_size=3", "model.algorithm."),
        (SAC, "lr=2e-2", "lr=2.0001e-2", "model.algorithm."),
    ],
    ids=["learning rate", "minibatches", "another learning rate"],
)
def test_a_change_is_found_and_the_first_tensor_named(
    conf, before, after, names, trained, tmp_path
):
    """One constant that is a ten-thousandth larger is enough."""
    root_dir = trained(conf)
    text = (root_dir / "alf_config.py").read_text()
    assert text.count(before) == 1
    edited = tmp_path / "edited.py"
    edited.write_text(text.replace(before, after))
    verdict = again(root_dir, 8, edited)

    assert verdict.word == "differs"
    assert verdict.told.startswith(f"trained again from ckpt-4: '{names}")
    assert "differs first, in " in verdict.told


def test_a_replay_buffer_that_is_gone_is_said(trained):
    """Without what it was trained on, training cannot be repeated."""
    root_dir = trained(SAC, "TrainerConfig.replay_checkpoints=1")

    assert again(root_dir, 8) == Verdict(
        "absent",
        "the replay buffer of ckpt-4 is not kept any more "
        "(TrainerConfig.replay_checkpoints says of how many it is)",
    )
    assert again(root_dir, 4).word == "exact"


def test_environments_that_cannot_be_put_back_are_said(trained):
    """From the middle of their episodes nothing can be trained again; from the start it can."""
    root_dir = trained(CART_POLE + A2C + HIDDEN)

    told = "the environments cannot be put back to where they were, so other episodes begin"
    assert again(root_dir, 8) == Verdict("absent", told)
    assert again(root_dir, 4).word == "exact"


def test_a_checkpoint_that_is_gone_in_between_is_said(trained):
    """A job that went on with another conf from a checkpoint that is gone raises no alarm."""
    root_dir = trained(CART_POLE + A2C)
    note(root_dir, 4)
    (root_dir / "alf_config.py").write_text((root_dir / "alf_config.py").read_text() + "\n")
    note(root_dir, 6)
    (root_dir / "alf_config.py").write_text((root_dir / "alf_config.py").read_text() + "\n")
    note(root_dir, 7, 8)

    assert again(root_dir, 8) == Verdict(
        "absent", "it was trained on from ckpt-6, which is not kept any more"
    )
    assert again(root_dir, 4).word == "exact"


def test_a_replay_buffer_with_other_contents_differs(trained):
    """The experience is compared too."""
    root_dir = trained(SAC)
    folder = CheckpointFolder(root_dir)
    then = folder.open(8)
    index = json.loads((then.path / "checkpoint.json").read_text())
    name = next(iter(index["replay_digests"]))
    index["replay_digests"][name] = "0" * 64
    (then.path / "checkpoint.json").write_text(json.dumps(index))

    assert compare_checkpoints(then, then).word == "exact"
    assert compare_checkpoints(then, folder.open(8)) == Verdict(
        "differs", f"'{name}' of the replay buffer differs first"
    )


FALLING_RATE = """
from alf.utils.schedulers import LinearScheduler
rate = LinearScheduler("percent", [(0.0, 1e-2), (1.0, 0.0)])
optimizer = alf.optimizers.Adam(lr=rate)
alf.config("TrainerConfig", algorithm_ctor=partial(PPOAlgorithm, optimizer=optimizer))
"""


def test_steps_instead_of_iterations(trained):
    """A job that counts environment steps ends where it ended, schedules included."""
    root_dir = trained(CART_POLE + PPO + FALLING_RATE, "TrainerConfig.num_env_steps=80")
    steps = CheckpointFolder(root_dir).iterations()

    assert [again(root_dir, step).word for step in steps] == ["exact"] * len(steps)


def test_without_a_snapshot_there_is_nothing_to_train_with(trained):
    """The code that made a checkpoint is asked for by name."""
    root_dir = trained(CART_POLE + A2C)
    CheckpointFolder(root_dir).open(8).path.rename(root_dir / "train/algorithm/ckpt-9")

    with pytest.raises(SnapshotError, match="ckpt-9"):
        again(root_dir, 9)
