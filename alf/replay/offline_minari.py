"""Recorded episodes from Minari, the collection of data sets of the Farama Foundation.

https://minari.farama.org; the extra `minari` installs what is needed: `pip install 'alf[minari]'`.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from alf.errors import UsageError
from alf.replay.offline_files import Episode

PREFIX = "minari:"


def minari_episodes(dataset_id: str) -> Iterator[Episode]:
    """The episodes of a data set that was downloaded or recorded on this machine.

    Args:
        dataset_id: its name, such as `"D4RL/pen/human-v2"`.

    Yields:
        Each episode, observations and actions as the data set's environment has them.

    Raises:
        UsageError: Minari is not installed, or there is no such data set here.
    """
    try:
        minari: Any = importlib.import_module("minari")
    except ImportError as error:
        raise UsageError(
            f"'{PREFIX}{dataset_id}' needs Minari, which cannot be imported ({error}): install "
            f"it with pip install 'alf[minari]'"
        ) from None
    try:
        dataset = minari.load_dataset(dataset_id)
    except (FileNotFoundError, ValueError, ImportError) as error:
        raise UsageError(
            f"Minari cannot open '{dataset_id}' here: {error}. `minari list local` lists the data "
            f"sets that are here, `minari download {dataset_id}` fetches one"
        ) from None
    for episode in dataset.iterate_episodes():
        yield Episode(
            observation=_plain(episode.observations),
            action=_plain(episode.actions),
            reward=episode.rewards,
            terminated=bool(episode.terminations[-1]),
        )


def _plain(nest: Any) -> Any:
    """Dicts and tuples of arrays, whatever kind of mapping they came in."""
    if isinstance(nest, Mapping):
        return {str(key): _plain(value) for key, value in nest.items()}
    if isinstance(nest, tuple | list):
        return tuple(_plain(value) for value in nest)
    return nest
