"""What a search is, written to `<root_dir>/search.json`, so that it can go on after any stop."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from alf._config import Override, parse_value
from alf.errors import RootDirError
from alf.search.expansion import Run, is_seed

RECORD_FILE = "search.json"
_VERSION = 2


@dataclass(frozen=True)
class Submission:
    """A search as it was submitted; every value as the Python text that gives it again.

    Attributes:
        conf: where the conf was.
        conf_source: its text, without the overrides where it was a job's `alf_config.py`.
        overrides: name -> value that holds for all jobs.
        runs: as `expand` made them: `name`, `index`, `repeat`, `parameters` each. Where the search
            is no grid, those that were proposed until now.
        store_snapshot: whether the code was frozen, and jobs take snapshots.
        desc: a sentence about the search.
        workers: how many jobs run at once; `None` for as many as there is room for.
        use_gpu: whether jobs see a GPU, one each.
        gpus: GPUs to take turns on.
        flags: further arguments of each job.
        folders: of the conf, whose neighbours it may import by their names.
        seed: of repeat 0; repeat `r` has `seed + r`. `None` where the seed is searched.
        frozen_conf: where conf and neighbours lie now; relative to the root dir if frozen.
        snapshot_id: of the code that was frozen, or `None`.
        packages: top-level names that must come from it.
        config_path: folders for `import_config` besides those of the conf.
        search: `grid`, `random` or `tpe`.
        space: what is searched: name -> texts of the values, or a range.
        budget: how many combinations are trained; 0 in a grid, which trains all.
        repeats: how often each combination is trained.
        sampling_seed: what proposals are drawn with; 0 in a grid.
        iterations: `TrainerConfig.num_iterations` of the conf, or `None`.
        env_steps: `TrainerConfig.num_env_steps` of the conf, or `None`.
    """

    conf: str
    conf_source: str
    overrides: Mapping[str, str]
    runs: Sequence[Mapping[str, Any]]
    store_snapshot: bool
    desc: str = ""
    workers: int | None = None
    use_gpu: bool = False
    gpus: Sequence[int] = ()
    flags: Sequence[str] = ()
    folders: Sequence[str] = ()
    seed: int | None = None
    frozen_conf: str = ""
    snapshot_id: str | None = None
    packages: Sequence[str] = ()
    config_path: Sequence[str] = ()
    search: str = "grid"
    space: Mapping[str, Any] = field(default_factory=dict[str, Any])
    budget: int = 0
    repeats: int = 1
    sampling_seed: int = 0
    iterations: int | None = None
    env_steps: int | None = None

    @property
    def names(self) -> list[str]:
        """The searched parameters."""
        return list(self.space or (self.runs[0]["parameters"] if self.runs else ()))

    @property
    def total(self) -> int:
        """How many jobs the search has in the end."""
        return self.budget * self.repeats if self.budget else len(self.runs)

    def expanded(self) -> list[Run]:
        """The jobs."""
        return [_run_of(run) for run in self.runs]

    def run_named(self, name: str) -> Run | None:
        """The job of a name; `None` if there is none."""
        return next((_run_of(run) for run in self.runs if run["name"] == name), None)

    def overrides_of(self, run: Run) -> dict[str, Override]:
        """All that is set from outside the conf in one job: the weakest first."""
        found = {
            name: parse_value(name, text)
            for name, text in self.overrides.items()
            if self.seed is None or not is_seed(name)
        }
        found |= run.parameters
        if self.seed is not None:
            seed = (self.seed + run.repeat) % 2**31
            found["TrainerConfig.random_seed"] = Override(seed, str(seed))
        return found

    def seed_of(self, run: Run) -> int | None:
        """The seed of a job; `None` for one that draws its own."""
        seeds = [value for name, value in self.overrides_of(run).items() if is_seed(name)]
        return seeds[-1].value if seeds else None


def _run_of(run: Mapping[str, Any]) -> Run:
    return Run(
        index=run["index"],
        repeat=run["repeat"],
        name=run["name"],
        parameters={name: parse_value(name, text) for name, text in run["parameters"].items()},
    )


def plain_runs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Jobs as they stand in a `Submission`."""
    return [
        {
            "name": run.name,
            "index": run.index,
            "repeat": run.repeat,
            "parameters": {name: value.source for name, value in run.parameters.items()},
        }
        for run in runs
    ]


def differences(old: Submission, new: Submission) -> list[str]:
    """What keeps `new` from going on with what `old` began, in words; empty if it can.

    It can where it is the same search, or has all its jobs and more.
    """
    found: list[str] = []
    if old.conf_source != new.conf_source:
        found.append(f"the conf is not the text that was submitted ('{old.conf}')")
    if dict(old.overrides) != dict(new.overrides):
        texts = " ".join(f"{name}={value}" for name, value in old.overrides.items())
        found.append(f"--conf_param was {texts or 'not given'}")
    if old.search != new.search:
        found.append(f'its "search" is "{old.search}"')
    elif old.search == "grid":
        found += _missing_run(old, new)
    elif json.dumps(dict(old.space)) != json.dumps(dict(new.space)):  # 1 is not 1.0 in a range
        found.append(f"its parameters are {json.dumps(dict(old.space))}")
    elif new.budget < old.budget or new.repeats != old.repeats:
        found.append(
            f"it has a budget of {old.budget} and repeats: {old.repeats}, of which only the budget "
            "may be raised"
        )
    if old.store_snapshot != new.store_snapshot:
        found.append(f"it was submitted with --{'' if old.store_snapshot else 'no'}store_snapshot")
    return found


def _missing_run(old: Submission, new: Submission) -> list[str]:
    wanted = {_identity(run) for run in new.runs}
    missing = [run["name"] for run in old.runs if _identity(run) not in wanted]
    return [f"it has {len(old.runs)} runs, among them '{missing[0]}'"] if missing else []


def _identity(run: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells one job of a search from another, however they are numbered."""
    return (run["repeat"], *sorted(run["parameters"].items()))


def extended(old: Submission, new: Submission) -> Submission:
    """`old` with the jobs that only `new` has; those that are there keep number and folder.

    Args:
        old: the search that was submitted.
        new: one without `differences` to it.
    """
    if old.search != "grid":
        return replace(old, budget=new.budget)
    known = {_identity(run) for run in old.runs}
    index_of = {_identity({**run, "repeat": 0}): run["index"] for run in old.runs}
    runs = [dict(run) for run in old.runs]
    for run in new.runs:
        if _identity(run) not in known:
            combination = _identity({**run, "repeat": 0})
            index = index_of.setdefault(combination, 1 + max(index_of.values(), default=-1))
            rest = run["name"].partition("+")
            name = f"{index}r{run['repeat']}{rest[1]}{rest[2]}"
            runs.append({**run, "index": index, "name": name})
    return replace(old, runs=runs, space=new.space, repeats=max(old.repeats, new.repeats))


def with_resources(old: Submission, new: Submission) -> Submission:
    """`old` with what may change when a search goes on: how jobs are run, not what they are."""
    return replace(
        old,
        desc=new.desc,
        workers=new.workers,
        use_gpu=new.use_gpu,
        gpus=new.gpus,
        flags=new.flags,
    )


def read_submission(root_dir: Path) -> Submission | None:
    """The search that was submitted to a folder; `None` if there was none.

    Raises:
        RootDirError: its record is damaged, or of a newer version.
    """
    path = root_dir / RECORD_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.pop("version")
        if version not in (1, _VERSION):
            raise RootDirError(
                f"'{path}' is of version {version}, and this alf knows version {_VERSION}. Go on "
                "with the alf that started the search, or choose another --root_dir."
            )
        if version == 1:  # which had grids only
            data["repeats"] = 1 + max(run["repeat"] for run in data["runs"])
        return Submission(**data)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RootDirError(f"'{path}' cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RootDirError(
            f"'{path}' is no record of a search ({error}). Put the file back, or choose another "
            "--root_dir."
        ) from error


def write_submission(root_dir: Path, submission: Submission) -> None:
    """Write the record, whole or not at all.

    Raises:
        RootDirError: the folder cannot be written.
    """
    path = root_dir / RECORD_FILE
    partial = path.with_name(f".{RECORD_FILE}.partial-{os.getpid()}")
    try:
        text = json.dumps({"version": _VERSION, **asdict(submission)}, indent=1)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RootDirError(f"'{path}' cannot be written: {error.strerror}.") from error
