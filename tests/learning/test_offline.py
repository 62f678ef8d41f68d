"""Learning from recorded episodes: what is better than what was recorded, and what is as good."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from alf._config import config
from alf.algorithms.bc_algorithm import BcAlgorithm
from alf.algorithms.iql_algorithm import IqlAlgorithm
from alf.algorithms.one_step_loss import OneStepTDLoss
from alf.optimizers import Adam
from alf.replay import Episode

BC = partial(BcAlgorithm, actor_optimizer=Adam(lr=5e-3))
IQL = partial(
    IqlAlgorithm,
    critic_loss_ctor=partial(OneStepTDLoss, gamma=0.5),
    actor_optimizer=Adam(lr=5e-3),
    critic_optimizer=Adam(lr=5e-3),
    value_optimizer=Adam(lr=5e-3),
    expectile=0.9,
    temperature=10.0,
)


@pytest.fixture(autouse=True)
def _small_networks():
    config("ActorDistributionNetwork", fc_layer_params=(32,))
    config("CriticNetwork", joint_fc_layer_params=(32, 32))
    config("QNetwork", fc_layer_params=(32,))
    config("ValueNetwork", fc_layer_params=(32,))
    config("TrainerConfig", num_updates_per_train_iter=50, mini_batch_size=128)


def numbers_met(skill: float, seed: int) -> list[Episode]:
    """Of the continuous `Identity`: what is seen is met so often, anything else is tried."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(100):
        shown = rng.uniform(-1, 1, (9, 1)).astype(np.float32)
        tried = rng.uniform(-1, 1, (8, 1)).astype(np.float32)
        action = np.where(rng.random((8, 1)) < skill, shown[:-1], tried).astype(np.float32)
        reward = 1 - np.square(action - shown[:-1])[:, 0]
        made.append(Episode(shown, action, reward, terminated=True))
    return made


def choices_made(skill: float, seed: int) -> list[Episode]:
    """Of the discrete `Identity`: the right one of four so often, else the one after it."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(100):
        shown = rng.integers(0, 4, 9)
        right = rng.random(8) < skill
        action = np.where(right, shown[:-1], (shown[:-1] + 1) % 4)
        seen = np.eye(4, dtype=np.float32)[shown]
        made.append(Episode(seen, action, right.astype(np.float32), terminated=True))
    return made


WORLDS: dict[str, Any] = {
    "continuous identity": numbers_met,
    "discrete identity": choices_made,
}


def learn_from(train: Any, recorded: Any, *ctors: Any, seed: int = 0) -> list[float]:
    """The greedy return of each algorithm after training; the best is 8."""
    world, skill = recorded
    config("TrainerConfig", offline_buffer_dir=partial(WORLDS[world], skill, seed))
    jobs = [train(world, ctor, iterations=8, seed=seed, job=ctor.func.__name__) for ctor in ctors]
    return [job.greedy_return() for job in jobs]


@pytest.mark.parametrize("world", WORLDS)
def test_what_was_recorded_well_can_be_cloned(train, world):
    """Almost as good as the best."""
    (clone,) = learn_from(train, (world, 1.0), BC)

    assert clone > 7.9


@pytest.mark.parametrize(
    ("world", "seed"),
    [("continuous identity", seed) for seed in range(3)] + [("discrete identity", 0)],
)
def test_the_best_of_mixed_recordings_is_found(train, world, seed):
    """Where mostly anything was tried, a clone does no better; implicit Q-learning does well."""
    clone, best = learn_from(train, (world, 0.3), BC, IQL, seed=seed)

    assert clone < 7
    assert best > 7.7
