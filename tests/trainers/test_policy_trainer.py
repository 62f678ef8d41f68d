"""The trainer: how long, how often, and what training does not notice."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alf._config import config
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.environments.creation import create_environment
from alf.errors import ConfigError
from alf.optimizers import SGD, Adam
from alf.schedulers import LinearScheduler
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.evaluation import Evaluator
from alf.trainers.policy import Policy
from alf.trainers.policy_trainer import Trainer, checkpoint_iterations
from alf.trainers.random_states import get_random_states, seed_everything, set_random_states
from alf.trainers.trainer_config import TrainerConfig
from alf.transforms import FrameStacker, ObservationNormalizer


def make_config(root_dir: Path, **kwargs) -> TrainerConfig:
    settings = {
        "algorithm_ctor": partial(ActorCriticAlgorithm, optimizer=Adam(lr=1e-2)),
        "num_iterations": 6,
        "unroll_length": 4,
        "num_checkpoints": 2,
        "summary_interval": 2,
        **kwargs,
    }
    return TrainerConfig(root_dir=str(root_dir), **settings)


def train(root_dir: Path, **kwargs) -> Trainer:
    """A finished job on three CartPoles."""
    settings = make_config(root_dir, **kwargs)
    seed_everything(5)
    with create_environment("CartPole-v1", num_parallel_environments=3, seed=5) as env:
        evaluator = Evaluator(settings, 5) if settings.evaluate else None
        trainer = Trainer(settings, env, 5, evaluator)
        trainer.train()
        trainer.close()
        if evaluator is not None:
            evaluator.__exit__(None, None, None)
    return trainer


def metrics(root_dir: Path, folder: str = "train") -> list[dict]:
    text = (root_dir / folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def same(one: Trainer, other: Trainer) -> bool:
    states = one.policy.state_dict(), other.policy.state_dict()
    return all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@given(st.integers(1, 500), st.integers(0, 30))
def test_checkpoints_are_spread_evenly(total, count):
    """As many as asked for, the last at the end, no gap more than one longer than another."""
    at = sorted(checkpoint_iterations(total, count))

    assert min(max(count, 1), total) == len(at)
    assert total == at[-1]
    gaps = [b - a for a, b in zip([0, *at], at, strict=False)]
    assert max(gaps) - min(gaps) <= 1


def test_same_seed_gives_the_same_bits(tmp_path):
    """Two jobs with one seed end at equal parameters."""
    assert same(train(tmp_path / "a"), train(tmp_path / "b"))


def test_evaluation_is_not_noticed_by_training(tmp_path):
    """A job that evaluates ends at the parameters of one that does not."""
    plain = train(tmp_path / "plain")
    evaluated = train(tmp_path / "eval", evaluate=True, eval_interval=2, num_eval_episodes=3)

    assert same(plain, evaluated)
    assert [2, 4, 6] == [line["iteration"] for line in metrics(tmp_path / "eval", "eval")]


def test_what_a_killed_job_left_undone_after_saving_is_done_at_the_next_start(tmp_path):
    """Too many checkpoints go, and who notes the newest is told, though there is nothing to train.

    A job may be killed between saving its last checkpoint and tidying up.
    """
    train(tmp_path)
    folder = tmp_path / "train" / "algorithm"
    shutil.copytree(folder / "ckpt-3", folder / "ckpt-2")
    index = folder / "ckpt-2" / "checkpoint.json"
    index.write_text(index.read_text().replace('"iteration": 3', '"iteration": 2'))
    noted = []

    with create_environment("CartPole-v1", num_parallel_environments=3, seed=5) as env:
        again = Trainer(make_config(tmp_path), env, 5, on_checkpoint=noted.append)
        again.restore(CheckpointFolder(tmp_path).open())
        assert again.is_finished
        again.train()
        again.close()

    assert [3, 6] == CheckpointFolder(tmp_path).iterations()
    assert [6] == [checkpoint.iteration for checkpoint in noted]


def test_summaries_come_at_their_interval(tmp_path):
    """Each of the first interval, then each interval's last."""
    train(tmp_path)

    lines = metrics(tmp_path)
    assert [1, 2, 4, 6] == [line["iteration"] for line in lines]
    assert {"env_steps", "train/loss", "train/td_loss", "train/entropy"} <= set(lines[-1])
    # 3 environments * 4 steps * 6 iterations, less the resets, which count as no step
    assert lines[-1]["env_steps"] <= 72


def test_every_summary_is_in_tensorboard_too(tmp_path):
    """The event file is there for TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path)

    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    assert [1, 2, 4, 6] == [event.step for event in events.Scalars("train/loss")]
    assert [line["train/loss"] for line in metrics(tmp_path)] == [
        pytest.approx(event.value) for event in events.Scalars("train/loss")
    ]


def test_num_env_steps_ends_the_job(tmp_path):
    """With a number of environment steps, that is what counts."""
    trainer = train(tmp_path, num_env_steps=30, num_iterations=1)

    assert 3 == trainer.iteration
    assert trainer.env_steps >= 30
    assert [3] == CheckpointFolder(tmp_path).iterations()[-1:]


def test_schedules_run_from_start_to_end(tmp_path):
    """A learning rate that falls to 0 over the job is near 0 in its last iteration."""
    rate = LinearScheduler("percent", [(0.0, 1.0), (1.0, 0.0)])
    train(
        tmp_path,
        algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=SGD(lr=rate)),
        num_iterations=4,
        summary_interval=1,
    )

    rates = [line["train/learning_rate"] for line in metrics(tmp_path)]
    assert [1.0, 0.75, 0.5, 0.25] == pytest.approx(rates)


def test_a_constructor_of_something_else_is_refused(tmp_path):
    """The conf's algorithm_ctor must make an algorithm."""
    settings = make_config(tmp_path, algorithm_ctor=lambda **kwargs: "not an algorithm")

    with (
        create_environment(num_parallel_environments=1) as env,
        pytest.raises(ConfigError, match="made a str"),
    ):
        Policy(settings, env)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_iterations", 0),
        ("unroll_length", -1),
        ("epsilon_greedy", 1.5),
        ("num_env_steps", -1),
        ("mini_batch_size", -1),
        ("num_updates_per_train_iter", -1),
        ("replay_buffer_length", 0),
        ("replay_checkpoints", -1),
    ],
)
def test_impossible_settings_are_refused(tmp_path, name, value):
    """The message names the setting, the value and what would do."""
    with pytest.raises(ConfigError, match=rf"TrainerConfig\.{name} is {value}: give a"):
        make_config(tmp_path, **{name: value})


def test_missing_algorithm_shows_how_to_name_one():
    """A conf without an algorithm gets an example."""
    with pytest.raises(ConfigError, match=r"algorithm_ctor=functools\.partial"):
        TrainerConfig(root_dir="x")


def test_transformers_are_part_of_the_policy(tmp_path):
    """Statistics of observations are saved, used in play, and stand still there."""
    trainer = train(tmp_path, data_transformer_ctor=[ObservationNormalizer, FrameStacker])
    policy = trainer.policy
    saved = {k: v.clone() for k, v in policy.state_dict().items() if k.startswith("transformer")}
    policy.eval()

    with create_environment("CartPole-v1", num_parallel_environments=2, seed=1) as env:
        state = policy.initial_state(2)
        time_step = env.reset()
        for _ in range(5):
            alg_step = policy.predict_step(time_step, state)
            time_step, state = env.step(alg_step.output), alg_step.state

    assert saved
    for name, tensor in saved.items():
        assert torch.equal(tensor, policy.state_dict()[name])


def test_random_states_survive_a_round_trip():
    """All three generators go on as if nothing had happened."""
    import random

    import numpy as np

    def draw():
        return random.random(), np.random.rand(), np.random.randn(), torch.rand(()).item()

    seed_everything(1)
    draw()
    states = get_random_states()
    expected = draw()
    seed_everything(2)
    set_random_states(states)

    assert expected == draw()


def test_configured_values_reach_the_job(tmp_path):
    """`alf.config('TrainerConfig', ...)` sets what the call leaves out."""
    config("TrainerConfig", algorithm_ctor=ActorCriticAlgorithm, num_iterations=77)

    assert 77 == TrainerConfig(root_dir=str(tmp_path)).num_iterations
