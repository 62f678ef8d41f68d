"""What all learners share: a rollout that collects, an updater that moves parameters."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alf.algorithms.algorithm import Algorithm
from alf.data_structures import TimeStep
from alf.trainers.distributed.ranks import Ranks
from alf.trainers.rollout import Rollout
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.update import Updater


class Learner(ABC):
    """Trains an algorithm, one iteration at a time.

    Args:
        algorithm: decides; its parameters are what is trained.
        observe: see `Rollout`.
        batch_size: the number of environments, `B`.
        config: settings of the job.

    Raises:
        ConfigError: the algorithm has no optimizer, or does not go with this learner.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        observe: Callable[[Any], TimeStep],
        batch_size: int,
        config: TrainerConfig,
    ):
        self._algorithm = algorithm
        self._config = config
        self._rollout = Rollout(algorithm, observe, batch_size, config.unroll_length)
        self._updater = Updater(algorithm, config)
        self._ranks = Ranks()

    def train_among(self, ranks: Ranks) -> None:
        """From now on, learn from what all processes of a job see; called before training."""
        self._ranks = self._updater.ranks = ranks

    @abstractmethod
    def train_iter(self) -> None:
        """Collect experience and update."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and numbers in dicts and lists."""
        return {"optimizers": self._updater.state_dict(), "rollout": self._rollout.state_dict()}

    def load_state_dict(self, state: dict[str, Any], time_step: TimeStep | None) -> None:
        """Go on where `state_dict` was taken.

        Args:
            state: what it gave.
            time_step: any time step as `observe` gives it, if the environments stand where they
                stood then; `None` if they could not be put back, and begin new episodes.
        """
        self._updater.load_state_dict(state["optimizers"])
        # There is no rollout to go on with after training from recorded episodes.
        if time_step is not None and state["rollout"]:
            self._rollout.load_state_dict(state["rollout"], time_step)

    def save_replay(self, folder: Path) -> dict[str, str]:
        """Write the experience that is kept; returns the SHA-256 of each file, by name."""
        return {}

    def load_replay(self, folder: Path) -> None:  # noqa: B027 - most learners keep none
        """Read what `save_replay` wrote; called after `load_state_dict`."""
