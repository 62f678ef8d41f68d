"""What each job of a search finds around it: its import path, its GPU, its threads."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from alf.errors import ConfigError
from alf.search.record import Submission
from alf.snapshot import launch

_GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"
_THREADS_VARIABLE = "OMP_NUM_THREADS"
_CONFIG_PATH_VARIABLE = "ALF_CONFIG_PATH"
_FROZEN_VARIABLES = (
    "PYTHONPATH",
    "PYTHONDONTWRITEBYTECODE",
    launch.ROOT_VARIABLE,
    launch.ID_VARIABLE,
    launch.NAMES_VARIABLE,
)


def job_environment(root_dir: Path, submission: Submission) -> dict[str, str]:
    """The environment of every job on this machine.

    Args:
        root_dir: the folder of the search.
        submission: the search.
    """
    if submission.snapshot_id is not None:
        found = dict(os.environ) | frozen_variables(root_dir, submission)
    else:
        found = dict(os.environ)
        # What this process can import, its jobs can import; `-P` would take the first entry away.
        entries = [*(str(Path(entry).absolute()) for entry in sys.path), *submission.folders]
        found["PYTHONPATH"] = os.pathsep.join(entries)
    if not submission.use_gpu:
        found[_GPUS_VARIABLE] = ""
        # Several jobs share the cores; more threads would only be in each other's way.
        found.setdefault(_THREADS_VARIABLE, "1")
    return found


def frozen_variables(root_dir: Path, submission: Submission) -> dict[str, str]:
    """The variables that give a job the frozen code, wherever it runs.

    The folder of the search is alone on `PYTHONPATH`, so that nothing that changes in a checkout
    reaches a job that still waits.

    Args:
        root_dir: the folder of the search.
        submission: the search, with frozen code.
    """
    assert submission.snapshot_id is not None
    found = launch.child_environment(root_dir, submission.snapshot_id, submission.packages)
    kept = {name: found[name] for name in _FROZEN_VARIABLES}
    folders = [str(root_dir / folder) for folder in (*submission.config_path, "")]
    kept[_CONFIG_PATH_VARIABLE] = os.pathsep.join(folders)
    return kept


def elsewhere_variables(root_dir: Path, submission: Submission) -> dict[str, str]:
    """All variables of a job on another machine, which chooses the GPU itself.

    Args:
        root_dir: the folder of the search.
        submission: the search, with frozen code.
    """
    found = frozen_variables(root_dir, submission)
    if not submission.use_gpu:
        found |= {_GPUS_VARIABLE: "", _THREADS_VARIABLE: os.environ.get(_THREADS_VARIABLE, "1")}
    return found


def slots(submission: Submission) -> list[dict[str, str]]:
    """What a job has in its environment besides, for each job that runs at once.

    Raises:
        ConfigError: a GPU number is not among the GPUs that this process may use.
    """
    if not submission.use_gpu:
        return [{} for _ in range(submission.workers or available_cores())]
    names = [_gpu_name(number) for number in submission.gpus or (0,)]
    count = submission.workers or len(names)
    return [{_GPUS_VARIABLE: names[n % len(names)]} for n in range(count)]


def available_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_gpus(wanted: Sequence[int], available: int) -> tuple[int, ...]:
    """The GPUs to take turns on.

    Args:
        wanted: their numbers; empty for all.
        available: how many there are.

    Raises:
        ConfigError: there is none, or one that is wanted is not there.
    """
    if available == 0:
        raise ConfigError(
            "'use_gpu' is true, but torch finds no GPU here. Set it to false, or look at "
            "`nvidia-smi` and the environment variable CUDA_VISIBLE_DEVICES."
        )
    missing = [number for number in wanted if number >= available]
    if missing:
        raise ConfigError(
            f"'gpus' names GPU {missing[0]}, but torch finds {available} here: 0 to "
            f"{available - 1}. Name only these, or leave it out to use all."
        )
    return tuple(wanted) or tuple(range(available))


def frozen_config_path(places: Mapping[str, str]) -> tuple[str, ...]:
    """The folders of `ALF_CONFIG_PATH` as they lie in the frozen code, in the same order.

    A folder that no conf was loaded from is left out: nothing of it was frozen.

    Args:
        places: original file of each conf -> where its copy lies, relative to the root dir.
    """
    found: dict[str, None] = {}
    for entry in os.environ.get(_CONFIG_PATH_VARIABLE, "").split(os.pathsep):
        folder = Path(entry).expanduser().resolve()
        for file, place in places.items():
            if entry and Path(file).is_relative_to(folder):
                inside = Path(file).relative_to(folder).as_posix()
                if f"/{place}".endswith(f"/{inside}"):
                    found[place.removesuffix(inside).rstrip("/")] = None
    return tuple(found)


def _gpu_name(number: int) -> str:
    """What to call a GPU in `CUDA_VISIBLE_DEVICES`, which may restrict this process itself."""
    visible = os.environ.get(_GPUS_VARIABLE)
    if visible is None:
        return str(number)
    names = [name.strip() for name in visible.split(",") if name.strip()]
    if number >= len(names):
        raise ConfigError(
            f"'gpus' names GPU {number}, but {_GPUS_VARIABLE}={visible!r} leaves {len(names)}. "
            "Name fewer, or change the variable."
        )
    return names[number]
