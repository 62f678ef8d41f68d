"""A search from its first line to its last: submit or go on, run the jobs, tell the results."""

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from alf import snapshot
from alf._config import parse_overrides, read_recorded, write_alf_config
from alf.errors import AlfError, ConfigError, RootDirError, UsageError
from alf.search.executor import Executor, Task
from alf.search.expansion import Run, expand, is_seed
from alf.search.progress import SearchProgress
from alf.search.record import (
    RECORD_FILE,
    Journal,
    Submission,
    differences,
    plain_runs,
    read_submission,
    with_resources,
    write_submission,
)
from alf.search.rehearsal import Finding, Rehearsal, Trial
from alf.search.report import report_results
from alf.search.results import collect, write_results
from alf.search.spec import read_spec
from alf.search.surroundings import choose_gpus, frozen_config_path, job_environment, slots

_CONFIG_FILE = "alf_config.py"


class SearchJob:
    """Submits a search and runs it, or goes on with the one in a root dir.

    Nothing is written before the search has been read and one of its jobs has been built, so that
    a mistake leaves the root dir as it was.

    Args:
        root_dir: the folder of the search.
        search_config: the JSON file of a new search; `None`, together with `conf`, goes on.
        conf: the conf of a new search.
        conf_params: overrides that hold for every job, `NAME=VALUE` each.
        store_snapshot: whether to freeze the code; without, jobs run what is there when they start.
        flags: further arguments of every job.
        command_line: how the search was started, for the record.
        console: tells the user how it goes.
    """

    def __init__(
        self,
        root_dir: str,
        search_config: str | None = None,
        conf: str | None = None,
        conf_params: Sequence[str] = (),
        store_snapshot: bool = True,
        flags: Sequence[str] = (),
        command_line: Sequence[str] = (),
        console: Console | None = None,
    ):
        self._root_dir = Path(root_dir).expanduser().absolute()
        self._search_config = search_config
        self._conf = conf
        self._conf_params = conf_params
        self._store_snapshot = store_snapshot
        self._flags = flags
        self._command_line = command_line
        self._console = console or Console()

    def run(self) -> int:
        """Run what is left of the search; returns the exit code of the command.

        Raises:
            AlfError: anything that keeps the search from going on.
        """
        self._check_root_dir()
        wanted = self._wanted()
        with ExitStack() as stack:
            if self._root_dir.is_dir():
                self._claim(stack)
            submission = self._submitted(wanted, stack)
            stopped_by = self._run_jobs(submission)
            return self._finish(submission, stopped_by)

    # What to do

    def _check_root_dir(self) -> None:
        root = self._root_dir
        if root.exists() and not root.is_dir():
            raise RootDirError(f"--root_dir '{root}' is a file: give a folder, or a free name.")
        if (root / _CONFIG_FILE).exists():
            raise RootDirError(
                f"--root_dir '{root}' is the folder of a training job. A search needs one of its "
                "own, in which each of its jobs gets a folder."
            )

    def _wanted(self) -> Submission | None:
        """The search that the flags describe; `None` to go on with what is there."""
        if self._conf is None and self._search_config is None:
            if self._conf_params:
                raise UsageError(
                    "--conf_param belongs to a new search, with --search_config and --conf: what "
                    "was submitted stays as it is."
                )
            return None
        if self._conf is None or self._search_config is None:
            missing = "--conf my_conf.py" if self._conf is None else "--search_config search.json"
            raise UsageError(
                f"A new search needs {missing} too. To go on with one, give --root_dir alone."
            )
        spec = read_spec(self._search_config)
        conf = Path(self._conf).expanduser().absolute()
        recorded = read_recorded(conf)
        overrides = parse_overrides(self._conf_params)
        twice = [name for name in spec.parameters if name in overrides]
        if twice:
            raise ConfigError(
                f"'{twice[0]}' is given by --conf_param and searched by '{self._search_config}'. "
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
            store_snapshot=self._store_snapshot,
            desc=spec.desc,
            workers=spec.workers,
            use_gpu=spec.use_gpu,
            gpus=spec.gpus,
            flags=list(self._flags),
            folders=list(dict.fromkeys(str(p.parent) for p in (conf, recorded.conf_path or conf))),
        )

    def _submitted(self, wanted: Submission | None, stack: ExitStack) -> Submission:
        """The search to run: the one in the root dir if there is one, else a new one."""
        old = read_submission(self._root_dir)
        if old is None and wanted is None:
            raise RootDirError(
                f"there is no search in '{self._root_dir}' to go on with (it has no "
                f"{RECORD_FILE}): start one with --search_config and --conf."
            )
        if old is None:
            assert wanted is not None
            self._introduce(wanted)
            return self._submit(wanted, stack)
        if wanted is not None:
            old = self._merge(old, wanted)
        self._introduce(old)
        return old

    def _merge(self, old: Submission, wanted: Submission) -> Submission:
        """The search in the root dir, with the workers and flags of today."""
        found = differences(old, wanted)
        if found:
            raise RootDirError(
                f"--root_dir '{self._root_dir}' holds another search: {'; '.join(found)}. Give "
                "--root_dir alone to go on with it as it was submitted, or choose another folder."
            )
        submission = with_resources(old, wanted)
        if submission.use_gpu and not submission.gpus:
            submission = replace(submission, gpus=old.gpus or (0,))
        write_submission(self._root_dir, submission)
        return submission

    # Submitting

    def _submit(self, wanted: Submission, stack: ExitStack) -> Submission:
        rehearsal, finding = self._rehearse(wanted, stack)
        for name in finding.unused:
            self._say(
                f"warning   '{name}' is searched, but nothing used it while the job was built: do "
                "its values make a difference?"
            )
        searches_seed = any(map(is_seed, wanted.runs[0]["parameters"]))
        submission = replace(
            wanted,
            seed=None if searches_seed else finding.seed,
            frozen_conf=wanted.conf,
            gpus=choose_gpus(wanted.gpus, finding.gpus) if wanted.use_gpu else wanted.gpus,
        )
        if not self._root_dir.is_dir():
            self._claim(stack)
        if submission.store_snapshot:
            submission = self._freeze(submission, rehearsal)
        self._say("seed      " + (f"{finding.seed} + repeat" if not searches_seed else "searched"))
        if submission.use_gpu:
            self._say(f"GPUs      {', '.join(map(str, submission.gpus))}")
        for run in submission.expanded():
            self._write_config(submission, run)
        write_submission(self._root_dir, submission)
        return submission

    def _rehearse(self, wanted: Submission, stack: ExitStack) -> tuple[Rehearsal, Finding]:
        """Build one job, the first; if that cannot be, the last: a value of one may be bad."""
        runs = wanted.expanded()
        self._say(f"trying    {runs[0].name}")
        try:
            return self._try_out(wanted, runs[0], stack)
        except AlfError as error:
            if runs[0].index == runs[-1].index:
                raise
            try:
                found = self._try_out(wanted, runs[-1], stack)
            except AlfError:
                raise error from None
            self._say(f"warning   {runs[0].name} will fail: {error}")
            return found

    def _try_out(self, wanted: Submission, run: Run, stack: ExitStack) -> tuple[Rehearsal, Finding]:
        folder = tempfile.TemporaryDirectory(prefix="alf_search_", ignore_cleanup_errors=True)
        assert self._conf is not None
        trial = Trial(
            conf=str(Path(self._conf).expanduser().absolute()),
            root_dir=str(self._root_dir / run.name),
            folder=stack.enter_context(folder),
            overrides={name: value.source for name, value in wanted.overrides_of(run).items()},
            searched=_searched(wanted),
        )
        rehearsal = stack.enter_context(Rehearsal())
        return rehearsal, rehearsal.try_out(trial)

    def _freeze(self, submission: Submission, rehearsal: Rehearsal) -> Submission:
        frozen = rehearsal.freeze(
            self._root_dir, self._command_line, submission.seed, Path(submission.conf)
        )
        for line in frozen.lines:
            self._say(line)
        assert self._conf is not None
        given = str(Path(self._conf).expanduser().resolve())
        place = frozen.places.get(str(Path(submission.conf).resolve()), frozen.places.get(given))
        return replace(
            submission,
            frozen_conf=place or submission.conf,
            snapshot_id=frozen.snapshot_id,
            packages=frozen.packages,
            config_path=frozen_config_path(frozen.places),
        )

    def _claim(self, stack: ExitStack) -> None:
        """Make the folder, and keep every other search out of it until this one ends."""
        root = self._root_dir
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RootDirError(f"--root_dir '{root}' cannot be made: {error.strerror}.") from None
        if not os.access(root, os.W_OK):
            raise RootDirError(f"--root_dir '{root}' cannot be written to.")
        stack.enter_context(snapshot.hold_root_dir(root))

    # Running

    def _run_jobs(self, submission: Submission) -> int | None:
        journal = Journal(self._root_dir)
        journal.load()
        runs = submission.expanded()
        waiting = [run for run in runs if not journal.is_finished(run.name)]
        if len(waiting) < len(runs):
            self._say(f"done      {len(runs) - len(waiting)} of them are finished already")
        tasks = [self._task(submission, run) for run in waiting]
        names = [run.name for run in runs]
        progress = SearchProgress(self._root_dir, journal, names, self._say, self._console)
        environment = job_environment(self._root_dir, submission)
        with progress:
            return Executor(tasks, environment, slots(submission), progress).run()

    def _write_config(self, submission: Submission, run: Run) -> None:
        folder = self._root_dir / run.name
        write_alf_config(
            folder / _CONFIG_FILE,
            submission.overrides_of(run),
            submission.conf_source,
            self._root_dir / submission.frozen_conf,
        )
        if submission.snapshot_id is not None:
            snapshot.share(folder, self._root_dir)

    def _task(self, submission: Submission, run: Run) -> Task:
        folder = self._root_dir / run.name
        config = folder / _CONFIG_FILE
        if not config.exists():  # the folder was removed, so that the job runs again
            self._write_config(submission, run)
        store = "--store_snapshot" if submission.store_snapshot else "--nostore_snapshot"
        start = [sys.executable, "-P", "-m", "alf.search.child", str(os.getpid())]
        command = [*start, "--root_dir", str(folder), store, *submission.flags]
        return Task(run.name, command, folder, folder / "train.log")

    # Telling

    def _introduce(self, submission: Submission) -> None:
        repeats = 1 + max(run["repeat"] for run in submission.runs)
        combinations = len(submission.runs) // repeats
        if submission.desc:
            self._say(f"search    {submission.desc}")
        self._say(f"conf      {submission.conf}")
        self._say(f"root dir  {self._root_dir}")
        self._say(
            f"runs      {len(submission.runs)} (combinations: {combinations}, repeats: {repeats}, "
            f"at once: {submission.workers})"
        )

    def _finish(self, submission: Submission, stopped_by: int | None) -> int:
        journal = Journal(self._root_dir)
        journal.load()
        results = collect(self._root_dir, submission, journal)
        path = write_results(self._root_dir, results)
        report_results(results, self._root_dir, self._console)
        self._say(f"results   {path}")
        if stopped_by is not None:
            again = shlex.join(["alf", "grid_search", "--root_dir", str(self._root_dir)])
            self._say(f"go on     {again}")
            return 128 + stopped_by
        return 0 if all(result.state == "finished" for result in results) else 1

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def _searched(wanted: Submission) -> dict[str, list[str]]:
    """Each searched parameter with all of its values."""
    found: dict[str, dict[str, None]] = {}
    for run in wanted.runs:
        for name, text in run["parameters"].items():
            found.setdefault(name, {})[text] = None
    return {name: list(texts) for name, texts in found.items()}
