"""The updates of our algorithms as programs: they move the parameters as Python does."""

import shutil
from functools import partial
from itertools import count, cycle
from typing import Any

import pytest
import torch

from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from alf.algorithms.dqn_algorithm import DqnAlgorithm
from alf.algorithms.ppo_algorithm import PPOAlgorithm
from alf.algorithms.sac_algorithm import SacAlgorithm
from alf.data_structures import StepType, TimeStep
from alf.networks import ActorDistributionNetwork, CriticNetwork, QNetwork, ValueNetwork
from alf.optimizers import SGD
from alf.tensor_specs import BoundedTensorSpec, TensorSpec
from alf.trainers.learners import make_learner
from alf.trainers.trainer_config import TrainerConfig

STATE = TensorSpec((3,))
CHOICE = BoundedTensorSpec((), torch.int64, 0, 2)
BOX = BoundedTensorSpec((2,), torch.float32, -1, 1)
ACTOR = partial(ActorDistributionNetwork, fc_layer_params=(8,))
VALUE = partial(ValueNetwork, fc_layer_params=(8,))
CRITIC = partial(CriticNetwork, joint_fc_layer_params=(8,))
VALUES = partial(QNetwork, fc_layer_params=(8,))

ON_POLICY = {"actor_network_ctor": ACTOR, "value_network_ctor": VALUE, "optimizer": SGD(lr=0.1)}
ALGORITHMS: dict[str, Any] = {
    "actor-critic": partial(ActorCriticAlgorithm, STATE, CHOICE, **ON_POLICY),
    "PPO": partial(PPOAlgorithm, STATE, BOX, **ON_POLICY),
    "DQN": partial(DqnAlgorithm, STATE, CHOICE, q_network_cls=VALUES, q_optimizer=SGD(lr=0.1)),
    "SAC": partial(
        SacAlgorithm,
        STATE,
        BOX,
        actor_network_cls=ACTOR,
        critic_network_cls=CRITIC,
        actor_optimizer=SGD(lr=0.1),
        critic_optimizer=SGD(lr=0.1),
        alpha_optimizer=SGD(lr=0.1),
    ),
}
SETTINGS: dict[str, Any] = {
    "actor-critic": {},
    "PPO": {"num_updates_per_train_iter": 2, "mini_batch_size": 8},
}
FROM_REPLAY: dict[str, Any] = {
    "whole_replay_buffer_training": False,
    "replay_buffer_length": 50,
    "mini_batch_size": 8,
}


EPISODE = (StepType.FIRST, StepType.MID, StepType.MID, StepType.MID, StepType.LAST)
"""Shorter than two unrolls, so that some samples hold an end, and some do not."""


def time_step(t: int, kind: int) -> TimeStep:
    """Numbers by chance."""
    numbers = torch.Generator().manual_seed(t)
    return TimeStep(
        step_type=torch.full((2,), kind, dtype=torch.int32),
        reward=torch.randn(2, generator=numbers),
        discount=torch.full((2,), float(kind != StepType.LAST)),
        observation=torch.randn(2, 3, generator=numbers),
    )


def trained(kind: str, *, is_compiled: bool) -> dict[str, torch.Tensor]:
    """All that an algorithm is after some iterations from one seed."""
    torch.manual_seed(3)
    algorithm = ALGORITHMS[kind]()
    settings = TrainerConfig(
        root_dir="unused",
        algorithm_ctor=type(algorithm),
        unroll_length=3,
        compile=is_compiled,
        **SETTINGS.get(kind, FROM_REPLAY),
    )
    # Compiled minibatches of PPO are filled up where steps do not count: other ones than these.
    kinds = (StepType.MID,) if kind == "PPO" else EPISODE
    steps = map(time_step, count(), cycle(kinds))
    learner = make_learner(algorithm, lambda action: next(steps), 2, settings)
    for _ in range(4):
        learner.train_iter()
    return {name: value.clone() for name, value in algorithm.state_dict().items()}


@pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler"
)
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch warns of itself
@pytest.mark.filterwarnings("ignore:The distutils package:DeprecationWarning")
@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_program_trains_as_python_does(kind):
    """Up to rounding; also where some steps do not count, and where all do."""
    eager, compiled = trained(kind, is_compiled=False), trained(kind, is_compiled=True)

    torch.manual_seed(3)
    first = ALGORITHMS[kind]().state_dict()
    assert any(not torch.equal(value, first[name]) for name, value in eager.items())
    torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-5)
