"""A search from its first line to its last: submit or go on, run the jobs, tell the results."""

import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from alf.errors import RootDirError, UsageError
from alf.search.executor import FOLDER, PARENT, PYTHON, Executor, Task, Workers
from alf.search.expansion import Run
from alf.search.journal import Journal
from alf.search.local_workers import LocalWorkers
from alf.search.plan import Plan
from alf.search.progress import SearchProgress
from alf.search.record import (
    RECORD_FILE,
    Submission,
    differences,
    extended,
    read_submission,
    with_resources,
    write_submission,
)
from alf.search.report import report_results, write_reports
from alf.search.results import collect
from alf.search.submitting import CONFIG_FILE, Request, Submitter, claim, write_config
from alf.search.surroundings import job_environment, slots

EXECUTORS = ("local", "ray")

_REPORT_SECONDS = 10.0
_REPORT_SHARE = 50.0  # writing the files takes a fiftieth of the time at most


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
        executor: where jobs run, one of `EXECUTORS`.
        ray_address: of the cluster; see `RayWorkers`.
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
        executor: str = "local",
        ray_address: str | None = None,
    ):
        assert executor in EXECUTORS
        self._root_dir = Path(root_dir).expanduser().absolute()
        self._request = Request(
            root_dir=self._root_dir,
            search_config=search_config,
            conf=conf,
            conf_params=conf_params,
            store_snapshot=store_snapshot,
            flags=flags,
            command_line=command_line,
            runs_here=executor == "local",
        )
        self._console = console or Console()
        self._executor = executor
        self._ray_address = ray_address
        self._report_next = 0.0

    def run(self) -> int:
        """Run what is left of the search; returns the exit code of the command.

        Raises:
            AlfError: anything that keeps the search from going on.
        """
        self._check_flags()
        wanted = self._request.wanted()
        with ExitStack() as stack:
            if self._root_dir.is_dir():
                claim(self._root_dir, stack)
            submission = self._submitted(wanted, stack)
            submission, stopped_by = self._run_jobs(submission, stack)
            return self._finish(submission, stopped_by)

    # What to do

    def _check_flags(self) -> None:
        root = self._root_dir
        if root.exists() and not root.is_dir():
            raise RootDirError(f"--root_dir '{root}' is a file: give a folder, or a free name.")
        if (root / CONFIG_FILE).exists():
            raise RootDirError(
                f"--root_dir '{root}' is the folder of a training job. A search needs one of its "
                "own, in which each of its jobs gets a folder."
            )
        if self._executor == "local" and self._ray_address is not None:
            raise UsageError("--ray_address needs --executor ray. Without it, jobs run right here.")
        if self._executor == "ray":
            from alf.search.ray_workers import check_ray

            check_ray()
            if not self._request.store_snapshot:
                raise UsageError(
                    "--executor ray sends the frozen code to the machines of the cluster, and "
                    "--nostore_snapshot freezes none. Leave out one of the two."
                )

    def _submitted(self, wanted: Submission | None, stack: ExitStack) -> Submission:
        """The search to run: the one in the root dir if there is one, else a new one."""
        old = read_submission(self._root_dir)
        if old is None and wanted is None:
            raise RootDirError(
                f"there is no search in '{self._root_dir}' to go on with (it has no "
                f"{RECORD_FILE}): start one with --search_config and --conf."
            )
        submitter = Submitter(self._request, stack, self._say)
        if old is None:
            assert wanted is not None
            self._introduce(wanted)
            return submitter.submit(wanted)
        if wanted is not None:
            old = self._merge(old, wanted, submitter)
        self._introduce(old)
        return old

    def _merge(self, old: Submission, wanted: Submission, submitter: Submitter) -> Submission:
        """The search in the root dir, with today's workers and flags, and jobs that are new."""
        found = differences(old, wanted)
        if found:
            raise RootDirError(
                f"--root_dir '{self._root_dir}' holds another search: {'; '.join(found)}. Give "
                "--root_dir alone to go on with it as it was submitted, or choose another folder."
            )
        submission = extended(with_resources(old, wanted), wanted)
        if submission.use_gpu and not submission.gpus:
            submission = replace(submission, gpus=old.gpus)
        if submission.total > old.total:
            submitter.try_out(wanted)
            self._say(f"more      {submission.total} runs instead of {old.total}")
        write_submission(self._root_dir, submission)
        return submission

    # Running

    def _run_jobs(self, submission: Submission, stack: ExitStack) -> tuple[Submission, int | None]:
        journal = Journal(self._root_dir)
        journal.load()
        done = sum(journal.is_finished(run["name"]) for run in submission.runs)
        if done:
            self._say(f"done      {done} of them are finished already")
        plan = Plan(self._root_dir, submission, journal, self._task)
        progress = SearchProgress(self._root_dir, journal, plan, self._say, self._console)
        progress.on_end = partial(self._report_sometimes, plan, journal)
        workers = self._workers(submission)
        stack.callback(workers.close)
        self._say(f"at once   {workers.count}")
        with progress:
            stopped_by = Executor(plan, workers, progress).run()
        return plan.submission, stopped_by

    def _report_sometimes(self, plan: Plan, journal: Journal) -> None:
        """Let the files tell how it stands, but not so often that it would take long."""
        now = time.monotonic()
        if now >= self._report_next:
            results = collect(self._root_dir, plan.submission, journal)
            write_reports(self._root_dir, plan.submission, results)
            spent = time.monotonic() - now
            self._report_next = now + max(_REPORT_SECONDS, _REPORT_SHARE * spent)

    def _workers(self, submission: Submission) -> Workers:
        if self._executor == "local":
            return LocalWorkers(job_environment(self._root_dir, submission), slots(submission))
        from alf.search.ray_workers import RayWorkers

        if submission.snapshot_id is None:
            raise UsageError(
                f"the search in '{self._root_dir}' has no frozen code to send to a cluster: it was "
                "submitted with --nostore_snapshot. Go on without --executor ray."
            )
        return RayWorkers(self._root_dir, submission, self._ray_address)

    def _task(self, submission: Submission, run: Run) -> Task:
        folder = self._root_dir / run.name
        if not (folder / CONFIG_FILE).exists():  # proposed just now, or its folder was removed
            write_config(self._root_dir, submission, run)
        store = "--store_snapshot" if submission.store_snapshot else "--nostore_snapshot"
        start = [PYTHON, "-P", "-m", "alf.search.child", PARENT]
        command = [*start, "--root_dir", FOLDER, store, *submission.flags]
        return Task(run.name, command, folder, folder / "train.log")

    # Telling

    def _introduce(self, submission: Submission) -> None:
        repeats = submission.repeats
        if submission.desc:
            self._say(f"search    {submission.desc}")
        self._say(f"conf      {submission.conf}")
        self._say(f"root dir  {self._root_dir}")
        combinations = submission.budget or len({run["index"] for run in submission.runs})
        how = f", chosen by: {submission.search}" if submission.budget else ""
        self._say(
            f"runs      {submission.total} (combinations: {combinations}, repeats: {repeats}{how})"
        )

    def _finish(self, submission: Submission, stopped_by: int | None) -> int:
        journal = Journal(self._root_dir)
        journal.load()
        results = collect(self._root_dir, submission, journal)
        paths = write_reports(self._root_dir, submission, results)
        report_results(self._root_dir, submission, results, self._console)
        for path in paths:
            self._say(f"results   {path}")
        if stopped_by is not None:
            again = shlex.join(["alf", "grid_search", "--root_dir", str(self._root_dir)])
            self._say(f"go on     {again}")
            return 128 + stopped_by
        return 0 if all(result.state == "finished" for result in results) else 1

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)
