"""Which learner trains an algorithm."""

from collections.abc import Callable
from typing import Any

from alf.algorithms.algorithm import Algorithm
from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.trainers.learner import Learner
from alf.trainers.minibatch import MinibatchLearner
from alf.trainers.off_policy import ReplayLearner
from alf.trainers.offline import OfflineLearner, Recording
from alf.trainers.on_policy import OnPolicyLearner
from alf.trainers.trainer_config import TrainerConfig
from alf.transforms import DataTransformer


def make_learner(
    algorithm: Algorithm,
    observe: Callable[[Any], TimeStep],
    batch_size: int,
    config: TrainerConfig,
    transformer: DataTransformer | None = None,
    recording: Recording | None = None,
) -> Learner:
    """The learner that an algorithm and the config ask for.

    Args:
        algorithm: what is trained.
        observe: see `Rollout`.
        batch_size: the number of environments.
        config: settings of the job.
        transformer: what `observe` changes time steps with; may also change samples.
        recording: recorded episodes to learn from instead of stepping the environments.

    Raises:
        ConfigError: the transformer changes samples, and there are none; the algorithm learns from
            whole unrolls, and there is a replay buffer; or see the learners.
    """
    if recording is not None:
        return OfflineLearner(algorithm, observe, recording, config)
    if not algorithm.on_policy and not config.whole_replay_buffer_training:
        if algorithm.prepares_unrolls:
            raise ConfigError(
                f"TrainerConfig.whole_replay_buffer_training is False, and "
                f"{type(algorithm).__name__} learns from whole unrolls: what it needs of them is "
                f"in no replay buffer. Set whole_replay_buffer_training=True"
            )
        return ReplayLearner(algorithm, observe, batch_size, config, transformer)
    if transformer is not None and transformer.changes_samples:
        raise ConfigError(
            f"a data transformer changes samples from a replay buffer, and "
            f"{type(algorithm).__name__} is trained on each unroll as it is: set "
            f"TrainerConfig.whole_replay_buffer_training=False, with an algorithm that learns "
            f"from replayed experience, or remove the transformer (hindsight)"
        )
    if algorithm.on_policy:
        return OnPolicyLearner(algorithm, observe, batch_size, config)
    return MinibatchLearner(algorithm, observe, batch_size, config)
