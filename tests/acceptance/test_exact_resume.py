"""A job that is stopped, or killed, and goes on in a new process ends at the same bits.

For each kind of training: one update an unroll, epochs of minibatches, and replay; with statistics
of observations and stacked frames, whose state lies between the environment and the policy; with
environments in this process, in worker processes, and such that cannot be put back.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

A2C = """
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-2)),
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
"""
REPLAY = """
alf.config(
    "TrainerConfig",
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    initial_collect_steps=30,
    mini_batch_size=8,
    replay_buffer_length=40,
)
"""
DQN = f"""
from alf.algorithms.dqn_algorithm import DqnAlgorithm
alf.config("QNetwork", fc_layer_params=(16,))
alf.config("DqnAlgorithm", q_optimizer=alf.optimizers.Adam(lr=1e-2), rollout_epsilon_greedy=0.5)
alf.config("TrainerConfig", algorithm_ctor=DqnAlgorithm)
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
DDPG = f"""
from alf.algorithms.ddpg_algorithm import DdpgAlgorithm
alf.config("suite_gym.load", max_episode_steps=17)
alf.config(
    "DdpgAlgorithm",
    actor_optimizer=alf.optimizers.Adam(lr=1e-2),
    critic_optimizer=alf.optimizers.Adam(lr=1e-2),
    rollout_random_action=0.1,
)
alf.config("TrainerConfig", algorithm_ctor=DdpgAlgorithm)
{REPLAY}"""
# An actor that moves at each fifth of the updates, of which neither half has a multiple of five.
TD3 = f"""{DDPG}
from alf.algorithms.td3_algorithm import Td3Algorithm
alf.config("Td3Algorithm", actor_update_period=5)
alf.config("TrainerConfig", algorithm_ctor=Td3Algorithm)
"""
QUANTILES = f"""{SAC}
from alf.algorithms.quantile_sac_algorithm import QuantileSacAlgorithm
from alf.algorithms.trac_algorithm import TracAlgorithm
alf.config("QuantileSacAlgorithm", num_quantiles=5)
alf.config("TracAlgorithm", ac_algorithm_cls=QuantileSacAlgorithm, action_dist_clip_per_dim=1e-3)
alf.config("TrainerConfig", algorithm_ctor=TracAlgorithm)
"""
# Nothing but what was recorded, here by pushing about at random.
RECORDED = """
import numpy as np
from alf.replay import Episode

def recorded():
    rng = np.random.default_rng(3)
    for _ in range(5):
        seen = rng.normal(size=(10, 3)).astype(np.float32)
        yield Episode(seen, rng.uniform(-1, 1, (9, 1)).astype(np.float32), rng.normal(size=9))

alf.config("TrainerConfig", offline_buffer_dir=recorded, mini_batch_size=8)
"""
IQL = f"""
from alf.algorithms.iql_algorithm import IqlAlgorithm
from alf.algorithms.data_transformer import FrameStacker, ObservationNormalizer
alf.config("TrainerConfig", data_transformer_ctor=[ObservationNormalizer, FrameStacker])
alf.config("TrainerConfig", evaluate=True, eval_interval=7, num_eval_episodes=2)
alf.config(
    "IqlAlgorithm",
    actor_optimizer=alf.optimizers.Adam(lr=1e-2),
    critic_optimizer=alf.optimizers.Adam(lr=1e-2),
    value_optimizer=alf.optimizers.Adam(lr=1e-2),
    target_update_period=5,
)
alf.config("TrainerConfig", algorithm_ctor=IqlAlgorithm)
{RECORDED}"""
BC = f"""
from alf.algorithms.bc_algorithm import BcAlgorithm
alf.config("BcAlgorithm", actor_optimizer=alf.optimizers.Adam(lr=1e-2))
alf.config("TrainerConfig", algorithm_ctor=BcAlgorithm)
{RECORDED}"""
CART_POLE = (
    'alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=3)\n'
)
PENDULUM = 'alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=2)\n'
MEMORY = """
from alf.algorithms.data_transformer import FrameStacker, ObservationNormalizer
alf.config("suite_gym.load", max_episode_steps=7)
alf.config("ActorCriticAlgorithm", actor_network_ctor=alf.networks.ActorDistributionRNNNetwork)
alf.config("ActorDistributionRNNNetwork", lstm_hidden_size=5)
alf.config("TrainerConfig", data_transformer_ctor=[ObservationNormalizer, FrameStacker])
alf.config("TrainerConfig", evaluate=True, eval_interval=7, num_eval_episodes=2)
"""
# Networks that remember, in sequences, over episodes that end within them.
REMEMBERING = """
from alf.networks import (
    ActorDistributionRNNNetwork, CriticRNNNetwork, QRNNNetwork, ValueRNNNetwork
)
alf.config("suite_gym.load", max_episode_steps=7)
for name in ("ActorDistributionRNNNetwork", "ValueRNNNetwork", "QRNNNetwork", "CriticRNNNetwork"):
    alf.config(name, lstm_hidden_size=5)
alf.config("TrainerConfig", mini_batch_length=5)
"""
PPO_MEMORY = f"""{PPO}{REMEMBERING}
alf.config(
    "ActorCriticAlgorithm",
    actor_network_ctor=ActorDistributionRNNNetwork,
    value_network_ctor=ValueRNNNetwork,
)
alf.config("TrainerConfig", mini_batch_size=2)
"""
DQN_MEMORY = f"""{DQN}{REMEMBERING}
alf.config("DqnAlgorithm", q_network_cls=QRNNNetwork, burn_in=2)
"""
SAC_MEMORY = f"""{SAC}{REMEMBERING}
alf.config(
    "SacAlgorithm",
    actor_network_cls=ActorDistributionRNNNetwork,
    critic_network_cls=CriticRNNNetwork,
    burn_in=2,
)
"""
GAMES = """
from alf.algorithms.data_transformer import FrameStacker, RewardClipping
from alf.environments import suite_atari
alf.config(
    "create_environment",
    env_name="ALE/Breakout-v5",
    env_load_fn=partial(suite_atari.load, terminal_on_life_loss=True, screen_size=24),
    num_parallel_environments=2,
    nonparallel=True,
)
alf.config("QNetwork", conv_layer_params=((4, 8, 8),))
alf.config("TrainerConfig", fingerprint_steps=0)
alf.config("TrainerConfig", data_transformer_ctor=[FrameStacker, RewardClipping])
"""
CHEETAH = """
alf.config(
    "create_environment",
    env_name="HalfCheetah-v5",
    num_parallel_environments=2,
    nonparallel=True,
)
"""
GOALS = """
from alf.algorithms.data_transformer import HindsightExperienceTransformer, RewardNormalizer
from alf.environments.bit_flipping import bits_discount, bits_reward
alf.config(
    "create_environment",
    env_name="alf.environments.bit_flipping:BitFlipping-v0",
    num_parallel_environments=3,
)
alf.config("suite_gym.load", max_episode_steps=7)
alf.config(
    "HindsightExperienceTransformer", reward_fn=bits_reward, discount_fn=bits_discount
)
alf.config(
    "TrainerConfig", data_transformer_ctor=[HindsightExperienceTransformer, RewardNormalizer]
)
"""
CURIOUS_PPO = """
from alf.algorithms.agent import Agent
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.rnd_algorithm import RNDAlgorithm
alf.config("Agent", rl_algorithm_cls=PPOAlgorithm, intrinsic_reward_module=RNDAlgorithm)
alf.config("Agent", optimizer=alf.optimizers.Adam(lr=1e-2))
alf.config(
    "TrainerConfig", algorithm_ctor=Agent, mini_batch_size=8, num_updates_per_train_iter=2
)
"""
PRIORITIES = 'alf.config("TrainerConfig", priority_replay=True)\n'

CONFS = {
    "a2c": CART_POLE + A2C,
    "a2c with memory, statistics, stacked frames, evaluation": PENDULUM + MEMORY + A2C,
    "ppo": CART_POLE + PPO,
    "ppo with curiosity": CART_POLE + CURIOUS_PPO,
    "dqn with priorities": CART_POLE + PRIORITIES + DQN,
    "dqn with hindsight": GOALS + DQN,
    "sac with replay": PENDULUM + SAC,
    "ddpg with drifting noise": PENDULUM + DDPG,
    "td3": PENDULUM + TD3,
    "quantiles in a trust region": PENDULUM + QUANTILES,
    "iql from recorded episodes, with statistics and stacked frames": PENDULUM + IQL,
    "bc from recorded episodes": PENDULUM + BC,
    "ppo with memory": CART_POLE + PPO_MEMORY,
    "dqn with memory": CART_POLE + DQN_MEMORY,
    "sac with memory": PENDULUM + SAC_MEMORY,
}
if find_spec("ale_py") is not None:
    CONFS["dqn on a game"] = GAMES + DQN
if find_spec("mujoco") is not None:
    CONFS["ppo on a cheetah"] = CHEETAH + PPO
WATCHED = {
    "a2c": ["entropy", "grad_norm", "td_loss", "ActorCriticLoss/explained_variance"],
    "ppo": [
        *("entropy", "grad_norm", "PPOLoss/approximate_kl", "PPOLoss/clip_fraction"),
        "PPOAlgorithm/explained_variance",
    ],
    "dqn": [
        *("q/grad_norm", "td_error", "value", "OneStepTDLoss/value_min"),
        *("OneStepTDLoss/value_max", "OneStepTDLoss/td_error_max"),
        "OneStepTDLoss/explained_variance",
    ],
    "sac": [
        *("actor/grad_norm", "critic/grad_norm", "alpha/grad_norm", "entropy.continuous"),
        *("temperature.continuous", "td.td_error", "td.value", "OneStepTDLoss/value_min"),
        *("OneStepTDLoss/value_max", "OneStepTDLoss/explained_variance"),
    ],
    "ddpg": ["actor/grad_norm", "critic/grad_norm", "actor", "critic", "td.td_error", "td.value"],
    "quantiles": [
        *("actor/grad_norm", "critic/grad_norm", "alpha/grad_norm", "entropy.continuous"),
        *("td.td_error", "td.value", "QuantileTDLoss/explained_variance"),
    ],
    "iql": [
        *("actor/grad_norm", "critic/grad_norm", "value/grad_norm", "entropy", "actor", "critic"),
        *("value", "advantage", "weight", "td.td_error", "OneStepTDLoss/explained_variance"),
    ],
    "bc": ["actor/grad_norm", "entropy"],
}
WATCHED["td3"] = WATCHED["ddpg"]

# An environment that takes long enough for workers to be worth it, and whose state cannot be read
# and put back where `hidden`.
SLOW = """
import time
import gymnasium

class Slow(gymnasium.Wrapper):
    def __init__(self, env, hidden=False):
        super().__init__(env)
        self.sensor = open if hidden else None

    def step(self, action):
        time.sleep(0.0003)
        return super().step(action)

alf.config("create_environment", num_parallel_environments=4)
"""
WORKERS = SLOW + 'alf.config("suite_gym.load", gym_env_wrappers=[Slow], max_episode_steps=9)\n'
HIDDEN = SLOW + 'alf.config("suite_gym.load", gym_env_wrappers=[partial(Slow, hidden=True)])\n'

HEAD = """
from functools import partial
import alf
alf.config("TrainerConfig", random_seed=11, unroll_length=5, num_checkpoints=8, summary_interval=1)
"""

ITERATIONS = 24
IN_PROCESS = "--conf_param=create_environment.nonparallel=True"
ONE_WORKER = (
    "--conf_param=create_environment.parallel_environment_ctor="
    "partial(alf.environments.process_environment.ProcessEnvironment, num_workers=1)"
)

# Each job is a process of its own, forked from one that has done the imports and nothing else.
LAUNCHER = """
import gc, json, os, sys
gc.disable()  # half of the time of each job would go into looking for garbage in the imports
import gymnasium.envs.classic_control, torch.fx.experimental.symbolic_shapes
import alf.algorithms.ppo_algorithm, alf.summary.event_writer, alf.trainers.train_job
from alf.bin import train

gc.freeze()
gc.enable()
for line in sys.stdin:
    argv, log = json.loads(line)
    job = os.fork()
    if not job:
        os.setsid()
        for number, file in ((0, os.devnull), (1, log), (2, log)):
            os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
        sys.exit(train.main(argv))
    print(job, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]), flush=True)
"""


class Launcher:
    """Starts jobs, one at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", LAUNCHER]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, root_dir: Path, *flags: object) -> int:
        """Begins to train; returns the process id."""
        assert self.process.stdin is not None
        argv = ["--nostore_snapshot", "--root_dir", str(root_dir), *map(str, flags)]
        self.process.stdin.write(json.dumps([argv, f"{root_dir}.log"]) + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> int:
        """The next number it says; after a process id, the exit code."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def train(self, root_dir: Path, *flags: object) -> str:
        """Trains to the end; returns what was printed."""
        self.start(root_dir, *flags)
        code, printed = self.read(), Path(f"{root_dir}.log").read_text()
        assert code == 0, printed
        return printed


@pytest.fixture(scope="module")
def launchers() -> Iterator[list[Launcher]]:
    """Two, so that hashes of strings differ between a job's halves as they do in real life."""
    both = [Launcher(), Launcher()]
    yield both
    for launcher in both:
        launcher.process.communicate()


def total(iterations: int) -> str:
    return f"--conf_param=TrainerConfig.num_iterations={iterations}"


def train_half_and_half(launchers, root_dir, *flags, then=""):
    launchers[0].train(root_dir, *flags, total(ITERATIONS // 2))
    launchers[1].train(root_dir, total(ITERATIONS), *[then] * bool(then))


def train_killed(launchers, root_dir, *flags):
    """Kills a job once it has a checkpoint, and goes on with it."""
    job = launchers[0].start(root_dir, *flags, total(ITERATIONS))
    checkpoints = root_dir / "train/algorithm"
    deadline = time.monotonic() + 60
    while not list(checkpoints.glob("ckpt-*")) and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(job, signal.SIGKILL)
    assert -signal.SIGKILL == launchers[0].read(), Path(f"{root_dir}.log").read_text()
    assert not (checkpoints / f"ckpt-{ITERATIONS}").exists(), "killed too late to prove anything"
    launchers[1].train(root_dir, total(ITERATIONS))


def differences(one: Path, other: Path) -> list[str]:
    """What differs in the last checkpoints and in the curves, to the last bit."""
    folders = [job / f"train/algorithm/ckpt-{ITERATIONS}" for job in (one, other)]
    found: list[str] = []
    for what, read in (
        ("model", lambda folder: load_file(folder / "model.safetensors")),
        ("trainer", lambda folder: torch.load(folder / "trainer.pt", weights_only=True)),
        ("replay", lambda f: json.loads((f / "checkpoint.json").read_text())["replay_digests"]),
    ):
        found += unequal(read(folders[0]), read(folders[1]), what)
    for name in ("train/metrics.jsonl", "eval/metrics.jsonl"):
        texts = [p.read_text() if p.exists() else "" for p in (one / name, other / name)]
        found += [name] * (texts[0] != texts[1])
    return found


def unequal(one: Any, other: Any, where: str) -> list[str]:
    """Paths of the leaves that differ; a NaN equals itself."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [path for key in one for path in unequal(one[key], other[key], f"{where}.{key}")]
    if isinstance(one, list | tuple) and type(one) is type(other) and len(one) == len(other):
        return [path for i, x in enumerate(one) for path in unequal(x, other[i], f"{where}.{i}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and torch.equal(one.nan_to_num(), other.nan_to_num())
        return [] if same and torch.equal(one != one, other != other) else [where]  # noqa: PLR0124
    return [] if repr(one) == repr(other) else [where]


def curve(root_dir: Path, folder: str = "train") -> list[dict[str, Any]]:
    text = (root_dir / folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def check_curves(root_dir: Path, kind: str) -> None:
    """Each iteration once, with all that is watched, in the file and in TensorBoard."""
    lines = curve(root_dir)
    assert [*range(1, ITERATIONS + 1)] == [line["iteration"] for line in lines]
    names = WATCHED[kind.partition(" ")[0]]
    watched = [name if name[0].isupper() else f"train/{name}" for name in names]
    assert [] == [tag for tag in watched if lines[-1].get(tag) is None]
    drawn = EventAccumulator(str(root_dir / "train")).Reload()
    assert [line["iteration"] for line in lines] == [e.step for e in drawn.Scalars("train/loss")]


@pytest.mark.parametrize("kind", CONFS)
def test_stopped_and_killed_jobs_end_at_the_same_bits(kind, launchers, tmp_path):
    """In one go, once more with the same seed, in two halves, and killed in between."""
    conf = tmp_path / "exact_conf.py"
    conf.write_text(HEAD + CONFS[kind])
    straight, again, halves, killed = (tmp_path / name for name in ("s", "again", "halves", "k"))
    launchers[0].train(straight, "--conf", conf, total(ITERATIONS))
    launchers[1].train(again, "--conf", conf, total(ITERATIONS))
    train_half_and_half(launchers, halves, "--conf", conf)
    train_killed(launchers, killed, "--conf", conf)

    check_curves(straight, kind)
    check_curves(killed, kind)
    assert [] == differences(straight, again)
    assert [] == differences(straight, halves)
    assert [] == differences(straight, killed)


@pytest.mark.parametrize("kind", ["a2c", "ppo", "dqn", "sac"])
def test_worker_processes_end_at_the_same_bits(kind, launchers, tmp_path):
    """Those of environments in the job's own process, however many workers, stopped or killed."""
    conf = tmp_path / "workers_conf.py"
    algorithm = {"a2c": CART_POLE + A2C, "ppo": CART_POLE + PPO, "dqn": CART_POLE + DQN}
    conf.write_text(HEAD + algorithm.get(kind, PENDULUM + SAC) + WORKERS)
    straight, here, halves, killed = (tmp_path / name for name in ("s", "here", "halves", "k"))
    said = launchers[0].train(straight, "--conf", conf, total(ITERATIONS))
    if os.cpu_count() != 1:
        assert "so workers step it" in said
    here_said = launchers[1].train(here, "--conf", conf, total(ITERATIONS), IN_PROCESS)
    assert "4 environments in this process" in here_said
    train_half_and_half(launchers, halves, "--conf", conf, then=ONE_WORKER)
    train_killed(launchers, killed, "--conf", conf)

    for other in (here, halves, killed):
        assert [] == differences(straight, other), other.name


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_environments_that_cannot_be_put_back_begin_anew(kind, launchers, tmp_path):
    """The job says so, goes on all the same, and always in the same way."""
    conf = tmp_path / "hidden_conf.py"
    conf.write_text(HEAD + {"ppo": CART_POLE + PPO, "sac": PENDULUM + SAC}[kind] + HIDDEN)
    job, twin = tmp_path / "job", tmp_path / "twin"
    said = launchers[0].train(job, "--conf", conf, total(ITERATIONS // 2))
    assert "cannot be put back" not in said
    shutil.copytree(job, twin)

    assert "The environments cannot be put back" in launchers[0].train(job, total(ITERATIONS))
    launchers[1].train(twin, total(ITERATIONS))

    check_curves(job, kind)
    assert [] == differences(job, twin)
