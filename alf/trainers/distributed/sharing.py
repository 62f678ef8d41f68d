"""How the ranks of a job share what its conf asks for.

A conf says what is trained, and the number of processes how fast: environments, minibatches and
what is counted over all environments are those of the whole job, and each rank has its share.
"""

from dataclasses import replace
from typing import Any

from alf._config import get_config_value
from alf.errors import ConfigError
from alf.trainers.distributed.ranks import Ranks
from alf.trainers.off_policy import DEFAULT_BATCH_SIZE
from alf.trainers.trainer_config import TrainerConfig

_ENVIRONMENTS = "create_environment.num_parallel_environments"
# Far from the seeds of neighbouring jobs, and from those of environments.
_SEED_STEP = 15_485_863


def share_of_config(config: TrainerConfig, ranks: Ranks) -> TrainerConfig:
    """The settings of one rank: sizes over all environments are divided, all else is the same.

    Args:
        config: settings of the job.
        ranks: the processes that share.

    Raises:
        ConfigError: a minibatch cannot be divided.
    """
    if ranks.count == 1:
        return config
    size = config.mini_batch_size
    if size is not None:
        size = share_of("TrainerConfig.mini_batch_size", size, ranks)
    elif not config.whole_replay_buffer_training:
        size = _rounded_up(DEFAULT_BATCH_SIZE, ranks)
    return replace(
        config,
        mini_batch_size=size,
        initial_collect_steps=_rounded_up(config.initial_collect_steps, ranks),
        metric_min_buffer_size=_rounded_up(config.metric_min_buffer_size, ranks),
        num_evals=None,  # these have become intervals already
        num_summaries=None,
    )


def share_of(name: str, total: int, ranks: Ranks) -> int:
    """One rank's equal share of a number that the conf gives.

    Args:
        name: of the parameter, for the message.
        total: its value.
        ranks: the processes that share.

    Raises:
        ConfigError: it cannot be divided.
    """
    if total % ranks.count:
        more = -(-total // ranks.count) * ranks.count
        raise ConfigError(
            f"{name} is {total}, and {ranks.count} processes get equal shares of it: set it to a "
            f"multiple of {ranks.count}, such as {more}, or train in another number of processes"
        )
    return total // ranks.count


def environments_of(config: TrainerConfig, ranks: Ranks) -> dict[str, Any]:
    """Which environments of the job a rank steps, as arguments of `create_environment`.

    Args:
        config: settings of the job. Training from recorded episodes steps none.
        ranks: the processes that share.

    Raises:
        ConfigError: they cannot be divided.
    """
    if ranks.count == 1 or config.offline_buffer_dir is not None:
        return {}
    count = share_of(_ENVIRONMENTS, get_config_value(_ENVIRONMENTS), ranks)
    return {"num_parallel_environments": count, "first_environment": ranks.rank * count}


def seed_of(seed: int, ranks: Ranks) -> int:
    """What a rank draws its actions and minibatches from; the first draws as a job by itself does.

    Args:
        seed: of the job.
        ranks: tells which rank.
    """
    return (seed + _SEED_STEP * ranks.rank) % 2**31


def _rounded_up(total: int, ranks: Ranks) -> int:
    return -(-total // ranks.count)
