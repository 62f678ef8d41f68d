"""Trying a job out before a search starts, and freezing the code that it turned out to need.

Both happen in one process of their own: what was imported while the job was built is the evidence
for what the snapshot has to hold, and the memory and the GPU that it took are given back.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Self

from alf import process, snapshot
from alf._config import (
    get_config_value,
    isolated,
    load_config,
    loaded_confs,
    parse_value,
    pre_config,
    unused_configs,
    validate_pre_configs,
)
from alf.errors import AlfError, TrainingError
from alf.failures import last_places
from alf.search.child import end_with


@dataclass(frozen=True)
class Trial:
    """A job to try out; values are Python texts, which go to another process as they are.

    Attributes:
        conf: absolute path of the conf.
        root_dir: of the job.
        folder: the current folder while the job is built.
        overrides: name -> value of all that is set from outside the conf.
        searched: name -> every value that the search will use.
    """

    conf: str
    root_dir: str
    folder: str
    overrides: Mapping[str, str]
    searched: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Finding:
    """What trying a job out has told.

    Attributes:
        seed: `TrainerConfig.random_seed`, or one that was drawn where it is not set.
        gpus: how many GPUs torch can use.
        unused: names of searched parameters that nothing has used while the job was built.
        iterations: `TrainerConfig.num_iterations`.
        env_steps: `TrainerConfig.num_env_steps`; `None` or 0 where iterations are counted.
    """

    seed: int
    gpus: int
    unused: tuple[str, ...]
    iterations: int | None = None
    env_steps: int | None = None


@dataclass(frozen=True)
class Frozen:
    """Code that was put aside for the jobs of a search.

    Attributes:
        snapshot_id: id of the snapshot in the search's folder.
        packages: top-level names that must be imported from there.
        places: original file of each conf -> where its copy lies, or would lie beside its
            neighbours; relative to the search's folder.
        lines: what to tell the user.
    """

    snapshot_id: str
    packages: tuple[str, ...]
    places: Mapping[str, str]
    lines: tuple[str, ...]


class Rehearsal:
    """A process in which a job is tried out, and whose code is then frozen. A context manager."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def try_out(self, trial: Trial) -> Finding:
        """Load the conf, make the environments and the model, and check every searched value.

        Raises:
            AlfError: what would keep the job from starting.
        """
        try:
            return self._pool.submit(_try_out, trial).result()
        except BrokenProcessPool as error:
            raise _died(trial.conf) from error

    def freeze(
        self, root_dir: Path, command: Sequence[str], seed: int | None, conf: Path
    ) -> Frozen:
        """Store the code of the job that was tried out in the search's folder.

        Args:
            root_dir: the search's folder.
            command: how the search was started, for the record.
            seed: likewise.
            conf: where the conf came from, if it was loaded from a job's `alf_config.py`.

        Raises:
            SnapshotError: it cannot be read or stored.
        """
        try:
            return self._pool.submit(_freeze, root_dir, command, seed, conf).result()
        except BrokenProcessPool as error:
            raise _died(str(root_dir)) from error


def _died(what: str) -> TrainingError:
    return TrainingError(
        f"the process that tried out '{what}' died without an answer. Does it run alone, with "
        "`alf train`? It may have run out of memory."
    )


def _try_out(trial: Trial) -> Finding:
    with process.importing():
        import torch

        from alf.trainers.random_states import draw_seed
        from alf.trainers.trainer_config import TrainerConfig

    end_with(os.getppid())  # the pool would wait for ever for a parent that was killed
    # A job runs in a folder of its own: what a conf finds by a relative path only, it will miss.
    sys.path[:] = [str(Path(entry).absolute()) for entry in sys.path]
    os.chdir(trial.folder)
    torch.set_num_threads(1)
    pre_config({name: parse_value(name, text) for name, text in trial.overrides.items()})
    load_config(trial.conf)
    config = TrainerConfig(root_dir=trial.root_dir, conf_file=trial.conf)
    _build(config)
    validate_pre_configs()
    _check_values(trial.searched)
    unused = [
        name
        for name in trial.searched
        if any(f".{full}".endswith(f".{name}") for full, _, _ in unused_configs())
    ]
    seed = draw_seed() if config.random_seed is None else config.random_seed
    return Finding(
        seed=seed,
        gpus=torch.cuda.device_count(),
        unused=tuple(unused),
        iterations=config.num_iterations,
        env_steps=config.num_env_steps,
    )


def _build(config: object) -> None:
    """Make the environments and the model as training does, and drop them again."""
    from alf.environments.creation import create_environment
    from alf.trainers.policy import Policy
    from alf.trainers.policy_trainer import Trainer  # noqa: F401 - imports all that training needs
    from alf.trainers.trainer_config import TrainerConfig

    assert isinstance(config, TrainerConfig)
    try:
        with create_environment(seed=0) as env:
            Policy(config, env)
    except AlfError:
        raise
    except Exception as error:  # from code of the user's; not every exception can be sent back
        places = "".join(f"\n  {place}" for place in last_places(error, 1))
        raise TrainingError(
            f"building the job fails: {type(error).__name__}: {error}{places}\n"
            "`alf train` with the same conf shows the traceback."
        ) from error


def _check_values(searched: Mapping[str, Sequence[str]]) -> None:
    """Set every value once, where nothing else is set, to learn whether it can be right."""
    from alf.environments.suite_gym import refuse_import_by_data

    for name, texts in searched.items():
        for text in texts:
            with isolated():
                pre_config({name: parse_value(name, text)})
                refuse_import_by_data(get_config_value("create_environment.env_name"))


def _freeze(root_dir: Path, command: Sequence[str], seed: int | None, conf: Path) -> Frozen:
    confs = [Path(loaded.path) for loaded in loaded_confs()]
    taken = snapshot.take(root_dir, confs=confs, command=command, seed=seed)
    names = {package.import_name for package in taken.packages}
    places = {str(file): _place(file, taken.packages) for file in [*confs, conf.resolve()]}
    return Frozen(
        snapshot_id=taken.id,
        packages=tuple(sorted(name for name in names if name and name.isidentifier())),
        places={file: place for file, place in places.items() if place is not None},
        lines=tuple(snapshot.describe(taken)),
    )


def _place(file: Path, packages: Sequence[snapshot.Package]) -> str | None:
    """Where the copy of a file lies in the snapshot; `None` if it is not there."""
    for package in packages:
        root = Path(package.root).resolve()
        if package.kind == "files" and file.parent == root:
            return f"{package.name}/{file.name}"
        if package.kind == "module" and file == root / package.name.rpartition("/")[2]:
            return package.name
        folder = root / (package.import_name or "")
        if package.kind == "package" and file.is_relative_to(folder):
            return f"{package.name}/{file.relative_to(folder).as_posix()}"
    return None
