"""Which learner trains an algorithm."""

from collections.abc import Callable
from typing import Any

from alf.algorithms.algorithm import Algorithm
from alf.data_structures import TimeStep
from alf.trainers.learner import Learner
from alf.trainers.minibatch import MinibatchLearner
from alf.trainers.off_policy import ReplayLearner
from alf.trainers.on_policy import OnPolicyLearner
from alf.trainers.trainer_config import TrainerConfig


def make_learner(
    algorithm: Algorithm,
    observe: Callable[[Any], TimeStep],
    batch_size: int,
    config: TrainerConfig,
) -> Learner:
    """The learner that an algorithm and the config ask for.

    Args:
        algorithm: what is trained.
        observe: see `Rollout`.
        batch_size: the number of environments.
        config: settings of the job.
    """
    if algorithm.on_policy:
        return OnPolicyLearner(algorithm, observe, batch_size, config)
    if config.whole_replay_buffer_training:
        return MinibatchLearner(algorithm, observe, batch_size, config)
    return ReplayLearner(algorithm, observe, batch_size, config)
