"""Where recorded episodes come from: files, replay buffers, Minari, or a function that makes them.

Levine et al., "Offline Reinforcement Learning: Tutorial, Review, and Perspectives on Open
Problems", https://arxiv.org/abs/2005.01643.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from alf._config import checked
from alf.errors import UsageError
from alf.replay.offline_files import Columns, Episode, columns_of, read_columns
from alf.replay.offline_minari import PREFIX, minari_episodes
from alf.replay.offline_replay import has_replay, replay_columns
from alf.replay.offline_steps import RecordedSteps, StepSpecs, joined, steps_of

Source = str | Callable[[], Iterable[Episode]]
"""The path of an `.npz` file, of a folder of them, or of a checkpoint that has a replay buffer;
`"minari:<data set>"`; or a function."""


def load_recorded(
    sources: Source | Sequence[Source], specs: StepSpecs, max_steps: int | None = None
) -> RecordedSteps:
    """Read and check recorded episodes.

    Args:
        sources: one, or several whose episodes are put together.
        specs: of the environment that they are for.
        max_steps: of each source at most so many rows, the last ones; `None` for all.

    Raises:
        UsageError: a source is not there, or does not hold what the specs say.
    """
    listed = [sources] if isinstance(sources, str) or callable(sources) else list(sources)
    if not listed:
        raise UsageError(
            "TrainerConfig.offline_buffer_dir is an empty list: name at least one recording"
        )
    if max_steps is not None and max_steps < 2:
        raise UsageError(
            f"TrainerConfig.offline_buffer_length is {max_steps}: give a number of at least 2"
        )
    recordings = [_load_one(source, specs) for source in listed]
    if max_steps is not None:
        recordings = [recording.newest(max_steps) for recording in recordings]
    return joined(recordings)


def _load_one(source: Source, specs: StepSpecs) -> RecordedSteps:
    parts = [steps_of(columns, specs, where) for columns, where in _columns(source, specs)]
    return joined(parts)


def _columns(source: Source, specs: StepSpecs) -> Iterable[tuple[Columns, str]]:
    """The columns of each part of a source, and what to call it."""
    if not isinstance(source, str):
        where = f"what {getattr(source, '__qualname__', source)}() gives"
        make = checked(source, "TrainerConfig.offline_buffer_dir")
        return [(columns_of(make(), where), where)]
    if source.startswith(PREFIX):
        where = f"'{source}'"
        return [(columns_of(minari_episodes(source.removeprefix(PREFIX)), where), where)]
    folder = Path(source).expanduser()
    if has_replay(folder):
        # Where several processes trained together, each but the first has a folder in there.
        found = [folder, *sorted(part for part in folder.glob("rank-*") if has_replay(part))]
        return [(replay_columns(part), f"the replay buffer in '{part}'") for part in found]
    names = specs.column_names()
    return ((read_columns(path, names), f"'{path}'") for path in _files(source))


def _files(source: str) -> list[Path]:
    path = Path(source).expanduser()
    if not path.exists():
        raise UsageError(
            f"there is no '{path.absolute()}', which TrainerConfig.offline_buffer_dir names: give "
            f"the .npz file of a recording, a folder of them, or that of a checkpoint"
        )
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.npz"))
    if not files:
        raise UsageError(
            f"there is no .npz file and no replay buffer in the folder '{path.absolute()}', which "
            f"TrainerConfig.offline_buffer_dir names: record some episodes with "
            f"`alf play --record_file x.npz` (of replay buffers, the newest "
            f"TrainerConfig.replay_checkpoints checkpoints have one)"
        )
    return files
