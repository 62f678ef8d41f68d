"""Which job of a search comes next."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from alf.search.executor import Task
from alf.search.expansion import Run, abbreviations, repeated
from alf.search.journal import Journal
from alf.search.proposals import Trial, propose
from alf.search.record import Submission, plain_runs, write_submission
from alf.search.results import RunResult, by_combination, collect, mean_return
from alf.search.space import read_space


class Plan:
    """The jobs that are left, in order; then new ones, where the search is no grid.

    Args:
        root_dir: the folder of the search.
        submission: the search.
        journal: which jobs have ended, and how; kept up to date by others.
        make_task: makes the process of a job.

    Attributes:
        submission: the search, with the jobs that were proposed since.
    """

    def __init__(
        self,
        root_dir: Path,
        submission: Submission,
        journal: Journal,
        make_task: Callable[[Submission, Run], Task],
    ):
        self.submission = submission
        self._root_dir = root_dir
        self._journal = journal
        self._make_task = make_task
        self._space = read_space(submission.space)
        self._queue = deque(
            run for run in submission.expanded() if not journal.is_finished(run.name)
        )

    def next(self) -> Task | None:
        """The next job; `None` if there is none left."""
        if not self._queue:
            self._queue.extend(self._proposed())
        if not self._queue:
            return None
        return self._make_task(self.submission, self._queue.popleft())

    def _proposed(self) -> Sequence[Run]:
        """The jobs of one more combination; written down before the first of them starts."""
        search = self.submission
        if search.search == "grid":
            return ()
        trials = trials_of(collect(self._root_dir, search, self._journal))
        if len(trials) >= search.budget:
            return ()
        parameters = propose(
            self._space, search.search, trials, search.budget, search.sampling_seed
        )
        if parameters is None:
            return ()
        runs = repeated(len(trials), parameters, search.repeats, abbreviations(search.names))
        self.submission = replace(search, runs=[*search.runs, *plain_runs(runs)])
        write_submission(self._root_dir, self.submission)
        return runs


def trials_of(results: Sequence[RunResult]) -> list[Trial]:
    """What a search knows of its combinations, in the order in which they were proposed."""
    return [
        Trial(
            parameters=runs[0].run.parameters,
            value=mean_return(runs),
            is_over=all(result.state in ("finished", "failed") for result in runs),
        )
        for _, runs in sorted(by_combination(results).items())
    ]
