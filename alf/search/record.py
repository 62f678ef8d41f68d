"""What a search has written down about itself, so that it can go on after whatever stopped it.

<root_dir>/search.json    what was submitted; written once, whole
<root_dir>/runs.jsonl     one line for each job that ended, in order
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from alf._config import Override, parse_value
from alf.errors import RootDirError
from alf.search.executor import Outcome
from alf.search.expansion import Run, is_seed

RECORD_FILE = "search.json"
JOURNAL_FILE = "runs.jsonl"
_VERSION = 1


@dataclass(frozen=True)
class Submission:
    """A search as it was submitted; every value as the Python text that gives it again.

    Attributes:
        conf: where the conf was.
        conf_source: its text, without the overrides where it was a job's `alf_config.py`.
        overrides: name -> value that holds for all jobs.
        runs: as `expand` made them: `name`, `index`, `repeat`, `parameters` each.
        store_snapshot: whether the code was frozen, and jobs take snapshots.
        desc: a sentence about the search.
        workers: how many jobs run at once.
        use_gpu: whether jobs see a GPU, one each.
        gpus: GPUs to take turns on.
        flags: further arguments of each job.
        folders: of the conf, whose neighbours it may import by their names.
        seed: of repeat 0; repeat `r` has `seed + r`. `None` where the seed is searched.
        frozen_conf: where conf and neighbours lie now; relative to the root dir if frozen.
        snapshot_id: of the code that was frozen, or `None`.
        packages: top-level names that must come from it.
        config_path: folders for `import_config` besides those of the conf.
    """

    conf: str
    conf_source: str
    overrides: Mapping[str, str]
    runs: Sequence[Mapping[str, Any]]
    store_snapshot: bool
    desc: str = ""
    workers: int = 1
    use_gpu: bool = False
    gpus: Sequence[int] = ()
    flags: Sequence[str] = ()
    folders: Sequence[str] = ()
    seed: int | None = None
    frozen_conf: str = ""
    snapshot_id: str | None = None
    packages: Sequence[str] = ()
    config_path: Sequence[str] = ()

    def expanded(self) -> list[Run]:
        """The jobs."""
        return [
            Run(
                index=run["index"],
                repeat=run["repeat"],
                name=run["name"],
                parameters={n: parse_value(n, text) for n, text in run["parameters"].items()},
            )
            for run in self.runs
        ]

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
    """What keeps `new` from going on with what `old` began, in words; empty if it can."""
    found: list[str] = []
    if old.conf_source != new.conf_source:
        found.append(f"the conf is not the text that was submitted ('{old.conf}')")
    if dict(old.overrides) != dict(new.overrides):
        texts = " ".join(f"{name}={value}" for name, value in old.overrides.items())
        found.append(f"--conf_param was {texts or 'not given'}")
    if [dict(run) for run in old.runs] != [dict(run) for run in new.runs]:
        found.append(_runs_difference(old, new))
    if old.store_snapshot != new.store_snapshot:
        found.append(f"it was submitted with --{'' if old.store_snapshot else 'no'}store_snapshot")
    return found


def _runs_difference(old: Submission, new: Submission) -> str:
    names = {run["name"] for run in new.runs}
    missing = [run["name"] for run in old.runs if run["name"] not in names]
    if missing:
        return f"the search had {len(old.runs)} runs, among them '{missing[0]}'"
    return f"the search had {len(old.runs)} runs, not {len(new.runs)}"


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


@dataclass
class Journal:
    """Which jobs of a search have ended, and how; survives a crash at any moment.

    Args:
        root_dir: the folder of the search.
    """

    root_dir: Path
    ended: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    def load(self) -> None:
        """Read what earlier processes wrote; the last line about a job counts."""
        self.ended.clear()
        try:
            lines = (self.root_dir / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                data = json.loads(line)
                self.ended[data["run"]] = Outcome(
                    data["state"], data["exit_code"], data["error"], data["seconds"]
                )
            except (ValueError, KeyError, TypeError):
                continue  # a killed search may leave half a line

    def add(self, name: str, outcome: Outcome) -> None:
        """Note how a job ended."""
        self.ended[name] = outcome
        line = json.dumps({"run": name, "time": round(time.time(), 3), **asdict(outcome)})
        with (self.root_dir / JOURNAL_FILE).open("a", encoding="utf-8") as file:
            if file.tell() and not self._ends_with_newline():
                file.write("\n")
            file.write(line + "\n")

    def is_finished(self, name: str) -> bool:
        """Whether a job has trained to its end, and what it made is still there."""
        outcome = self.ended.get(name)
        result = self.root_dir / name / "train" / "result.json"
        return outcome is not None and outcome.state == "finished" and result.is_file()

    def _ends_with_newline(self) -> bool:
        with (self.root_dir / JOURNAL_FILE).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def read_submission(root_dir: Path) -> Submission | None:
    """The search that was submitted to a folder; `None` if there was none.

    Raises:
        RootDirError: its record is damaged, or of a newer version.
    """
    path = root_dir / RECORD_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.pop("version")
        if version != _VERSION:
            raise RootDirError(
                f"'{path}' is of version {version}, and this alf knows version {_VERSION}. Go on "
                "with the alf that started the search, or choose another --root_dir."
            )
        return Submission(**data)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RootDirError(f"'{path}' cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
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
