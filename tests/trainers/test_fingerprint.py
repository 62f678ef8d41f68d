"""Fingerprints: training does not notice them, and they tell whether a policy is what it was."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.environments.creation import create_environment
from alf.networks import ActorDistributionRNNNetwork
from alf.optimizers import Adam
from alf.summary import render
from alf.trainers.checkpoint import load_trainer_state, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.fingerprint import (
    MAX_BYTES,
    Fingerprint,
    Fingerprinter,
    check_answers,
    check_trace,
    make_environment,
    undisturbed,
)
from alf.trainers.play import open_model
from alf.trainers.policy import Policy
from alf.trainers.policy_trainer import Trainer
from alf.trainers.random_states import get_random_states, seed_everything
from alf.trainers.retrain import compare_checkpoints
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.verdict import ABSENT, Verdict, compare_tensors
from alf.transforms import FrameStacker, ObservationNormalizer

A2C = partial(ActorCriticAlgorithm, optimizer=Adam(lr=1e-2))
MEMORY = partial(
    ActorCriticAlgorithm,
    actor_network_ctor=partial(ActorDistributionRNNNetwork, lstm_hidden_size=5),
    optimizer=Adam(lr=1e-2),
)
SAC = partial(
    SacAlgorithm,
    actor_optimizer=Adam(lr=1e-2),
    critic_optimizer=Adam(lr=1e-2),
    alpha_optimizer=Adam(lr=1e-2),
)
REPLAY: dict[str, Any] = {
    "algorithm_ctor": SAC,
    "whole_replay_buffer_training": False,
    "clear_replay_buffer": False,
    "initial_collect_steps": 12,
    "mini_batch_size": 4,
    "replay_buffer_length": 20,
}


def make_config(root_dir: Path, **kwargs: Any) -> TrainerConfig:
    settings = {"algorithm_ctor": A2C, "num_iterations": 6, "unroll_length": 4, **kwargs}
    settings.setdefault("num_checkpoints", 2)
    return TrainerConfig(root_dir=str(root_dir), **settings)


def train(root_dir: Path, **kwargs: Any) -> TrainerConfig:
    """A job with the checkpoints 3 and 6, in two of the configured environments."""
    settings = make_config(root_dir, **kwargs)
    seed_everything(5)
    with create_environment(num_parallel_environments=2, nonparallel=True, seed=5) as env:
        trainer = Trainer(settings, env, 5)
        try:
            trainer.train()
        finally:
            trainer.close()
    return settings


def checked(settings: TrainerConfig, step: int = 6) -> tuple[Verdict, Verdict]:
    """Answers and trace of a checkpoint, as a new process would check them."""
    model = open_model(settings.root_dir, step)
    with make_environment() as env:
        policy = Policy(settings, env)
        restore_module(policy, model.tensors, "here")
        answers = check_answers(policy, env, model.fingerprint)
        trace = ABSENT
        if model.fingerprint is not None:
            trace = check_trace(policy, env, model.fingerprint)
    return answers, trace


class Pictures(gymnasium.Env[Any, Any]):
    """Noise as large as wanted, 20 steps an episode."""

    action_space = spaces.Discrete(2)

    def __init__(self, size: int = 8, draw: Callable[[int], bytes] | None = None):
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self._shape = (size, size, 3)
        self._draw = draw
        self._t = 0

    def _look(self) -> Any:
        if self._draw is None:
            return self.np_random.integers(0, 256, self._shape, np.uint8)
        size = int(np.prod(self._shape))
        return np.frombuffer(self._draw(size), np.uint8).reshape(self._shape).copy()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._t = 0
        return self._look(), {}

    def step(self, action: Any) -> Any:
        self._t += 1
        return self._look(), float(action), self._t == 20, False, {}


def use(make: Callable[[], Any]) -> None:
    """Let `create_environment` make this one."""
    config("create_environment", env_load_fn=lambda name: make())


def use_pictures(size: int = 8, draw: Callable[[int], bytes] | None = None) -> None:
    use(lambda: Pictures(size, draw))
    config("ActorDistributionNetwork", fc_layer_params=(4,), conv_layer_params=((4, 5, 4),))
    config("ValueNetwork", fc_layer_params=(4,), conv_layer_params=((4, 5, 4),))


PENDULUM: dict[str, Any] = {
    "algorithm_ctor": MEMORY,
    "data_transformer_ctor": [ObservationNormalizer, FrameStacker],
}


@pytest.mark.parametrize(
    ("env_name", "kwargs"),
    [("CartPole-v1", {}), ("Pendulum-v1", PENDULUM), ("Pendulum-v1", REPLAY)],
    ids=["a2c", "memory, statistics, stacked frames", "replay"],
)
def test_training_does_not_notice(tmp_path, env_name, kwargs):
    """With and without fingerprints, every tensor and every random state ends at the same bits."""
    config("create_environment", env_name=env_name)
    train(tmp_path / "with", **kwargs)
    train(tmp_path / "without", fingerprint_steps=0, **kwargs)
    folders = [CheckpointFolder(tmp_path / name) for name in ("with", "without")]

    for step in (3, 6):
        one, other = (folder.open(step) for folder in folders)
        verdict = compare_checkpoints(one, other)
        assert verdict.word == "exact", verdict.told
        random = [load_trainer_state(c)["random"] for c in (one, other)]
        assert random[0]["python"] == random[1]["python"]
        assert torch.equal(random[0]["torch"], random[1]["torch"])
        assert "fingerprint.pt" in one.digests
        assert "fingerprint.pt" not in other.digests


@pytest.mark.parametrize(
    ("env_name", "kwargs"),
    [("CartPole-v1", {}), ("Pendulum-v1", PENDULUM), ("Pendulum-v1", REPLAY)],
    ids=["a2c", "memory, statistics, stacked frames", "replay"],
)
def test_a_restored_policy_answers_exactly(tmp_path, env_name, kwargs):
    """In new objects, all checkpoints answer and play as they did, bit for bit."""
    config("create_environment", env_name=env_name)
    settings = train(tmp_path, **kwargs)

    for step in (3, 6):
        answers, trace = checked(settings, step)
        assert answers.word == "exact", answers.told
        assert answers.told.endswith("recorded inputs answered as then, bit for bit")
        assert trace.word == "exact", trace.told
    if env_name == "Pendulum-v1":  # an episode is longer than what is recorded of it
        assert answers.told.startswith("64 recorded")
        assert trace.told == "64 time steps of seed 5 repeat"


def test_memory_is_part_of_a_fingerprint(tmp_path):
    """Stacked frames and the state of an LSTM are recorded: without them, the answers differ."""
    config("create_environment", env_name="Pendulum-v1")
    settings = train(tmp_path, **PENDULUM)
    model = open_model(tmp_path)
    fingerprint = model.fingerprint
    assert fingerprint is not None
    shapes = {name: tuple(x.shape[1:]) for name, x in fingerprint.states.items()}
    assert sorted(shapes.values()) == [(5,), (5,), (9,)], shapes
    with make_environment() as env:
        policy = Policy(settings, env)
        restore_module(policy, model.tensors, "here")
        for name in fingerprint.states:
            zeroed = fingerprint.states | {name: torch.zeros_like(fingerprint.states[name])}
            other = replace(fingerprint, states=zeroed)
            assert check_answers(policy, env, other).word == "differs", name


@pytest.mark.parametrize(("size", "fewest"), [(48, 64), (128, 2), (512, 1)])
def test_pictures_do_not_swell_checkpoints(tmp_path, size, fewest):
    """Inputs and answers stay below a megabyte, unless a single one is larger."""
    use_pictures(size)
    settings = train(tmp_path, num_iterations=1, num_checkpoints=1, unroll_length=2)
    answers, trace = checked(settings, 1)
    path = tmp_path / "train/algorithm/ckpt-1/fingerprint.pt"

    one = size * size * 3
    assert path.stat().st_size < max(MAX_BYTES, one + 50_000)
    kept = int(answers.told.split()[0])
    assert kept == min(21, max(1, MAX_BYTES // 2 // one))
    assert answers.word == "exact"
    assert trace == Verdict("exact", "21 time steps of seed 5 repeat")


def test_inputs_are_spread_over_the_episode(tmp_path):
    """Where not all can be kept, the first and the last are, and some in between."""
    use_pictures(180)
    settings = train(tmp_path, num_iterations=1, num_checkpoints=1, unroll_length=2)
    fingerprint = open_model(settings.root_dir).fingerprint
    assert fingerprint is not None

    assert fingerprint.inputs["step_type"].tolist() == [0, 1, 1, 1, 2]
    assert len(fingerprint.trace.observations) == 21


class Counting:
    """Bytes that differ with each call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, size: int) -> bytes:
        self.calls += 1
        return bytes([self.calls % 256] * size)


class NewEachTime(Pictures):
    """Repeats itself as long as it lives, and is another one when it is made again."""

    def __init__(self) -> None:
        colour = os.urandom(1)
        super().__init__(8, lambda size: colour * size)


@pytest.mark.parametrize(
    "make",
    [partial(Pictures, 8, os.urandom), lambda: Pictures(8, Counting()), NewEachTime],
    ids=["random at each step", "goes on from episode to episode", "random when made"],
)
def test_an_environment_that_does_not_repeat_itself_raises_no_alarm(tmp_path, make):
    """Its trace proves nothing and says why; the answers to recorded inputs are exact anyway."""
    use_pictures()
    use(make)
    settings = train(tmp_path)
    answers, trace = checked(settings)

    assert answers.word == "exact"
    assert trace.word == "absent"
    assert trace.told == "the environment did not repeat itself when the trace was taken"


class DrawsItsMap(Pictures):
    """Draws from the global generators when it is made and at each step, as many do."""

    def __init__(self) -> None:
        colour = np.random.randint(256)
        super().__init__(8, lambda size: bytes([colour, np.random.randint(256)] * (size // 2)))


def test_global_generators_are_seeded_for_the_trace(tmp_path):
    """An environment that draws from them repeats itself in a process of any history."""
    use_pictures()
    use(DrawsItsMap)
    settings = train(tmp_path)
    np.random.seed(77)

    assert checked(settings)[1].word == "exact"


class Breaks(Pictures):
    """Fails in its n-th life, counted over all of them."""

    made = 0

    def __init__(self, fails_at: int, fails_in: str) -> None:
        type(self).made += 1
        self._fails = type(self).made >= fails_at
        self._fails_in = fails_in
        if self._fails and fails_in == "init":
            raise RuntimeError("the licence is for one simulator")
        super().__init__()

    def step(self, action: Any) -> Any:
        if self._fails:
            raise RuntimeError("the gearbox fell out")
        return super().step(action)


@pytest.mark.parametrize(
    ("fails_in", "why"),
    [("init", "the licence is for one simulator"), ("step", "the gearbox fell out")],
)
def test_an_environment_that_fails_for_evaluation_costs_no_checkpoint(
    tmp_path, caplog, fails_in, why
):
    """Training goes on with one warning, and the checkpoints have no fingerprint."""
    use_pictures()
    Breaks.made = 0
    # The first is made to look at, two more to train in.
    use(lambda: Breaks(4, fails_in))
    settings = train(tmp_path)

    assert CheckpointFolder(tmp_path).iterations() == [3, 6]
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warned) == 1
    assert warned[0].startswith("No fingerprint: ")
    assert why in warned[0]
    Breaks.made = 0
    assert open_model(tmp_path).fingerprint is None
    assert checked(settings) == (ABSENT, ABSENT)


def test_sampled_actions_are_answered_exactly(tmp_path):
    """A policy that plays with samples of its distribution repeats them too."""
    config("create_environment", env_name="Pendulum-v1")
    settings = train(tmp_path, **REPLAY, epsilon_greedy=0.5)
    answers, trace = checked(settings)

    assert (answers.word, trace.word) == ("exact", "exact")
    fingerprint = open_model(tmp_path).fingerprint
    assert fingerprint is not None
    greedy = replace(settings, epsilon_greedy=0.0)
    other = checked(greedy)[0]
    assert other.word == "differs"
    assert "'output' differs first" in other.told


def test_without_a_fingerprint_nothing_is_said(tmp_path):
    """A job that wants none, or an older checkpoint, is played all the same."""
    settings = train(tmp_path, fingerprint_steps=0)

    assert checked(settings) == (ABSENT, ABSENT)
    assert ABSENT.holds


def recorded_and_policy(root_dir: Path, stack: ExitStack) -> tuple[Fingerprint, Policy, Any]:
    """A trained policy with what is recorded of it, and an environment."""
    settings = train(root_dir)
    model = open_model(root_dir)
    assert model.fingerprint is not None
    env = stack.enter_context(make_environment())
    policy = Policy(settings, env)
    restore_module(policy, model.tensors, "here")
    return model.fingerprint, policy, env


@pytest.fixture
def proved(tmp_path):
    """(fingerprint, policy, env) of CartPole."""
    config("create_environment", env_name="CartPole-v1")
    with ExitStack() as stack:
        yield recorded_and_policy(tmp_path, stack)


def change(policy: Policy, by: Callable[[Any, Any], Any], monkeypatch) -> None:
    """Pass what the algorithm gives through a function of it and of the inputs."""
    act = policy.algorithm.predict_step
    monkeypatch.setattr(
        policy.algorithm, "predict_step", lambda inputs, state: by(act(inputs, state), inputs)
    )


def test_other_answers_differ_and_are_named(proved, monkeypatch):
    """Actions that a line of code turns round are noticed, in the batch and in the episode."""
    fingerprint, policy, env = proved
    change(policy, lambda step, _: step._replace(output=1 - step.output), monkeypatch)
    count = len(fingerprint.trace.observations)

    answers = check_answers(policy, env, fingerprint)
    assert answers.word == "differs"
    assert (
        answers.told == f"answer 'output' differs first, in {count} of {count} numbers, by up to 1"
    )
    trace = check_trace(policy, env, fingerprint)
    assert trace.word == "differs"
    assert trace.told.startswith("another action at step 0: 'output' differs first")


def test_a_change_that_shows_late_is_found(proved, monkeypatch):
    """One answer of all is enough."""
    fingerprint, policy, env = proved
    last = fingerprint.inputs["observation"][-1]

    def by(step, inputs):
        is_last = (inputs.observation == last).all(-1)
        return step._replace(output=torch.where(is_last, 1 - step.output, step.output))

    change(policy, by, monkeypatch)

    assert "in 1 of" in check_answers(policy, env, fingerprint).told


def test_rounding_is_close(proved, monkeypatch):
    """What another processor may add is no difference."""
    fingerprint, policy, env = proved
    recorded = {
        name: x * (1 + 1e-6) if x.is_floating_point() else x
        for name, x in fingerprint.answers.items()
    }
    verdict = check_answers(policy, env, replace(fingerprint, answers=recorded, device="cuda:0"))

    assert verdict.word == "close"
    assert verdict.told.endswith(", cuda:0 then and cpu now")


def test_a_policy_that_fails_on_a_batch_differs(proved, monkeypatch):
    """A line for debugging that takes one time step does not keep the model from being played."""
    fingerprint, policy, env = proved
    change(policy, lambda step, inputs: (step, step.output.item())[0], monkeypatch)
    verdict = check_answers(policy, env, fingerprint)

    assert verdict.word == "differs"
    assert "the policy fails on" in verdict.told
    assert "RuntimeError: a Tensor with" in verdict.told


def test_what_was_not_recorded_is_named(proved):
    """A policy that takes more than it did cannot be asked."""
    fingerprint, policy, env = proved
    inputs = {name: x for name, x in fingerprint.inputs.items() if name != "reward"}
    verdict = check_answers(policy, env, replace(fingerprint, inputs=inputs))

    assert verdict == Verdict("differs", "the policy takes 'reward', which was not recorded")


def halve_reward(env: Any) -> Any:
    return gymnasium.wrappers.TransformReward(env, lambda reward: float(reward) / 2)


@pytest.mark.parametrize(
    ("settings", "step"),
    [({"max_episode_steps": 3}, 3), ({"gym_env_wrappers": [halve_reward]}, 1)],
    ids=["ends earlier", "another reward"],
)
def test_another_environment_is_found_by_the_trace(proved, settings, step):
    """The answers are the policy's alone; the trace proves the environment too."""
    fingerprint, policy, _ = proved
    config("suite_gym.load", raise_if_used=False, **settings)
    with make_environment() as env:
        assert check_answers(policy, env, fingerprint).word == "exact"
        assert check_trace(policy, env, fingerprint) == Verdict(
            "differs", f"what the environment shows differs at step {step}"
        )


def test_a_trace_that_ends_elsewhere_is_found(proved):
    """As many time steps as then, no more and no less."""
    fingerprint, policy, env = proved
    count = len(fingerprint.trace.observations)
    longer = replace(
        fingerprint.trace, observations=[*fingerprint.trace.observations, "of one more step"]
    )

    assert check_trace(policy, env, replace(fingerprint, trace=longer)) == Verdict(
        "differs", f"it has {count} time steps, and had {count + 1}"
    )


def test_a_trace_with_rounded_actions_is_close_and_not_exact(tmp_path):
    """What is said to be exact has the same bits; anything less is told with its step."""
    config("create_environment", env_name="Pendulum-v1")
    with ExitStack() as stack:
        fingerprint, policy, env = recorded_and_policy(tmp_path, stack)
        recorded = {name: x.clone() for name, x in fingerprint.trace.actions.items()}
        (action,) = recorded.values()
        action[7] *= 1 + 1e-6
        trace = replace(fingerprint.trace, actions=recorded)
        verdict = check_trace(policy, env, replace(fingerprint, trace=trace))

    assert verdict.word == "close"
    assert verdict.told.startswith("at step 7 first, ")


def test_asking_leaves_no_trace(proved):
    """Modes of all modules, random numbers and rendering are as before, after a failure too."""
    _, policy, _ = proved
    policy.train()
    part = policy.algorithm.get_submodule("_actor_network")
    part.eval()
    modes = [module.training for module in policy.modules()]
    states = get_random_states()

    def ask() -> None:
        with render.rendering(True), undisturbed(policy):
            assert not render.is_rendering_enabled()
            assert not any(module.training for module in policy.modules())
            torch.rand(3)
            np.random.rand()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask()

    assert modes == [module.training for module in policy.modules()]
    assert torch.equal(states["torch"], get_random_states()["torch"])
    assert states["numpy"]["position"] == get_random_states()["numpy"]["position"]


def test_the_episode_is_the_seed_s(tmp_path):
    """Two jobs of one seed record the same episode; another seed gives another one."""
    settings = make_config(tmp_path)
    with make_environment() as env:
        seed_everything(0)
        policy = Policy(settings, env)
        taken: list[Fingerprint | None] = []
        for seed in (3, 3, 4):
            with Fingerprinter(settings, seed) as fingerprinter:
                taken.append(fingerprinter.take(policy))
    one, again, other = taken
    assert one is not None
    assert again is not None
    assert other is not None

    assert one.trace.observations == again.trace.observations
    assert one.trace.observations[0] != other.trace.observations[0]
    assert compare_tensors(one.answers, again.answers).word == "exact"
    read_back = Fingerprint.from_dict(one.as_dict())
    assert read_back.trace.observations == one.trace.observations
    assert compare_tensors(one.trace.actions, read_back.trace.actions).word == "exact"
