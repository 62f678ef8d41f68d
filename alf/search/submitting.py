"""How a search begins: what the flags describe is read, tried out, frozen and written down."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from alf import snapshot
from alf._config import Override, parse_overrides, read_recorded, write_alf_config
from alf.errors import AlfError, ConfigError, RootDirError, UsageError
from alf.search.expansion import Run, abbreviations, expand, is_seed, repeated
from alf.search.proposals import check_optuna
from alf.search.record import Submission, plain_runs, write_submission
from alf.search.rehearsal import Finding, Rehearsal, Trial
from alf.search.space import Range, ends_of, plain_space, read_space, size_of
from alf.search.spec import read_spec
from alf.search.surroundings import choose_gpus, frozen_config_path

CONFIG_FILE = "alf_config.py"


@dataclass(frozen=True)
class Request:
    """What the flags of the command ask for.

    Attributes:
        root_dir: absolute path of the folder of the search.
        search_config: the JSON file of a new search; `None`, together with `conf`, goes on.
        conf: the conf of a new search.
        conf_params: overrides that hold for every job, `NAME=VALUE` each.
        store_snapshot: whether to freeze the code; without, jobs run what is there when they start.
        flags: further arguments of every job.
        command_line: how the search was started, for the record.
        runs_here: whether jobs run on this machine, whose GPUs must be there then.
    """

    root_dir: Path
    search_config: str | None = None
    conf: str | None = None
    conf_params: Sequence[str] = ()
    store_snapshot: bool = True
    flags: Sequence[str] = ()
    command_line: Sequence[str] = ()
    runs_here: bool = True

    @property
    def conf_path(self) -> Path:
        """Absolute path of the conf of a new search."""
        assert self.conf is not None
        return Path(self.conf).expanduser().absolute()

    def wanted(self) -> Submission | None:
        """The search that the flags describe; `None` to go on with what is there.

        Raises:
            UsageError: they do not describe one.
        """
        if self.conf is None and self.search_config is None:
            if self.conf_params:
                raise UsageError(
                    "--conf_param belongs to a new search, with --search_config and --conf: what "
                    "was submitted stays as it is."
                )
            return None
        if self.conf is None or self.search_config is None:
            missing = "--conf my_conf.py" if self.conf is None else "--search_config search.json"
            raise UsageError(
                f"A new search needs {missing} too. To go on with one, give --root_dir alone."
            )
        return self._described(self.search_config)

    def _described(self, search_config: str) -> Submission:
        spec = read_spec(search_config)
        if spec.search != "grid":
            check_optuna()
        conf = self.conf_path
        recorded = read_recorded(conf)
        overrides = parse_overrides(self.conf_params)
        twice = [name for name in spec.parameters if name in overrides]
        if twice:
            raise ConfigError(
                f"'{twice[0]}' is given by --conf_param and searched by '{search_config}'. "
                "Leave out one of the two."
            )
        overrides = {**recorded.overrides, **overrides}
        return Submission(
            conf=str(recorded.conf_path or conf),
            conf_source=recorded.conf_source,
            overrides={
                name: value.source
                for name, value in overrides.items()
                if name not in spec.parameters  # a job's own conf may hold what is searched now
            },
            runs=plain_runs(expand(spec)),
            store_snapshot=self.store_snapshot,
            desc=spec.desc,
            workers=spec.max_worker_num,
            use_gpu=spec.use_gpu,
            gpus=spec.gpus,
            flags=list(self.flags),
            folders=list(dict.fromkeys(str(p.parent) for p in (conf, recorded.conf_path or conf))),
            search=spec.search,
            space=plain_space(spec.parameters),
            budget=min(spec.budget, size_of(spec.parameters) or spec.budget),
            repeats=spec.repeats,
        )


class Submitter:
    """Makes a new search of what was asked for.

    Nothing is written before one of its jobs has been built, so that a mistake leaves the root dir
    as it was.

    Args:
        request: what was asked for.
        stack: what lasts until the search ends.
        say: tells the user a line.
    """

    def __init__(self, request: Request, stack: ExitStack, say: Callable[[str], None]):
        self._request = request
        self._root_dir = request.root_dir
        self._stack = stack
        self._say = say

    def submit(self, wanted: Submission) -> Submission:
        """Try the search out, freeze its code, and write all down; returns what was written."""
        with ExitStack() as trials:  # which hold a process with all that a job imports
            return self._submit(wanted, trials)

    def try_out(self, wanted: Submission) -> None:
        """Only see whether its jobs can be built.

        Raises:
            AlfError: they cannot.
        """
        with ExitStack() as trials:
            self._rehearse(wanted, trials)

    def _submit(self, wanted: Submission, trials: ExitStack) -> Submission:
        rehearsal, finding = self._rehearse(wanted, trials)
        searches_seed = any(map(is_seed, wanted.names))
        takes_gpus = wanted.use_gpu and self._request.runs_here
        submission = replace(
            wanted,
            seed=None if searches_seed else finding.seed,
            sampling_seed=0 if wanted.search == "grid" else finding.seed,
            frozen_conf=wanted.conf,
            gpus=choose_gpus(wanted.gpus, finding.gpus) if takes_gpus else wanted.gpus,
            iterations=finding.iterations,
            env_steps=finding.env_steps or None,
        )
        if not self._root_dir.is_dir():
            claim(self._root_dir, self._stack)
        if submission.store_snapshot:
            submission = self._freeze(submission, rehearsal)
        self._say("seed      " + (f"{finding.seed} + repeat" if not searches_seed else "searched"))
        if takes_gpus:
            self._say(f"GPUs      {', '.join(map(str, submission.gpus))}")
        for run in submission.expanded():
            write_config(self._root_dir, submission, run)
        write_submission(self._root_dir, submission)
        return submission

    def _rehearse(self, wanted: Submission, trials: ExitStack) -> tuple[Rehearsal, Finding]:
        """Build one job, the first; if that cannot be, the last: a value of one may be bad."""
        first, last = _samples(wanted)
        self._say(f"trying    {first.name}")
        try:
            found = self._build(wanted, first, trials)
        except AlfError as error:
            if first.index == last.index:
                raise
            try:
                found = self._build(wanted, last, trials)
            except AlfError:
                raise error from None
            self._say(f"warning   {first.name} will fail: {error}")
        for name in found[1].unused:
            self._say(
                f"warning   '{name}' is searched, but nothing used it while the job was built: do "
                "its values make a difference?"
            )
        return found

    def _build(self, wanted: Submission, run: Run, trials: ExitStack) -> tuple[Rehearsal, Finding]:
        folder = tempfile.TemporaryDirectory(prefix="alf_search_", ignore_cleanup_errors=True)
        trial = Trial(
            conf=str(self._request.conf_path),
            root_dir=str(self._root_dir / run.name),
            folder=trials.enter_context(folder),
            overrides={name: value.source for name, value in wanted.overrides_of(run).items()},
            searched=_searched(wanted),
        )
        rehearsal = trials.enter_context(Rehearsal())
        return rehearsal, rehearsal.try_out(trial)

    def _freeze(self, submission: Submission, rehearsal: Rehearsal) -> Submission:
        frozen = rehearsal.freeze(
            self._root_dir, self._request.command_line, submission.seed, Path(submission.conf)
        )
        for line in frozen.lines:
            self._say(line)
        given = str(self._request.conf_path.resolve())
        place = frozen.places.get(str(Path(submission.conf).resolve()), frozen.places.get(given))
        return replace(
            submission,
            frozen_conf=place or submission.conf,
            snapshot_id=frozen.snapshot_id,
            packages=frozen.packages,
            config_path=frozen_config_path(frozen.places),
        )


def claim(root_dir: Path, stack: ExitStack) -> None:
    """Make the folder, and keep every other search out of it until this one ends.

    Raises:
        RootDirError: it cannot be made or written, or another search runs there.
    """
    try:
        root_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RootDirError(f"--root_dir '{root_dir}' cannot be made: {error.strerror}.") from None
    if not os.access(root_dir, os.W_OK):
        raise RootDirError(f"--root_dir '{root_dir}' cannot be written to.")
    stack.enter_context(snapshot.hold_root_dir(root_dir))


def write_config(root_dir: Path, submission: Submission, run: Run) -> None:
    """Write the `alf_config.py` of a job, and the store of its snapshots.

    Args:
        root_dir: the folder of the search.
        submission: the search.
        run: the job.
    """
    folder = root_dir / run.name
    write_alf_config(
        folder / CONFIG_FILE,
        submission.overrides_of(run),
        submission.conf_source,
        root_dir / submission.frozen_conf,
    )
    if submission.snapshot_id is not None:
        snapshot.share(folder, root_dir)


def _samples(wanted: Submission) -> tuple[Run, Run]:
    """The first and the last job; where jobs are proposed, the two ends of the space."""
    runs = wanted.expanded()
    if not runs:
        space = read_space(wanted.space)
        for index in range(2):
            ends: Mapping[str, Override] = {name: ends_of(v)[index] for name, v in space.items()}
            runs += repeated(index, ends, 1, abbreviations(wanted.names))
    return runs[0], runs[-1]


def _searched(wanted: Submission) -> dict[str, list[str]]:
    """Each searched parameter with all of its values; with both ends of its range."""
    return {
        name: [v.source for v in (ends_of(values) if isinstance(values, Range) else values)]
        for name, values in read_space(wanted.space).items()
    }
