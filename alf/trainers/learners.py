"""Which learner trains an algorithm."""

from collections.abc import Callable
from typing import Any, Protocol

from alf.algorithms.algorithm import Algorithm
from alf.data_structures import TimeStep
from alf.trainers.minibatch import MinibatchLearner
from alf.trainers.on_policy import OnPolicyLearner
from alf.trainers.trainer_config import TrainerConfig


class Learner(Protocol):
    """Trains an algorithm, one iteration at a time."""

    def train_iter(self) -> None:
        """Collect experience and update."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and numbers in dicts and lists."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        ...


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
    return MinibatchLearner(algorithm, observe, batch_size, config)
