"""What came out of a search: each run in a CSV file, combinations ranked by their return."""

import csv
import json
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alf.search.executor import Outcome
from alf.search.expansion import Run, abbreviations
from alf.search.journal import Journal
from alf.search.record import Submission

RESULTS_FILE = "results.csv"
REPORT_FILES = (RESULTS_FILE, "results.html")
_FACTS = ("iterations", "env_steps", "steps_per_s", "wall_s", "checkpoint", "snapshot")


@dataclass(frozen=True)
class RunResult:
    """One job of a search.

    Attributes:
        run: which.
        seed: it was seeded with; `None` where it drew its own.
        state: `finished`, `failed`, `stopped`, or `waiting`.
        error: for one that failed, one line that says why.
        exit_code: of its process; `None` while it waits.
        average_return: of its last training episodes; `None` if unknown.
        facts: the rest of its `result.json`.
        tries: how often it was started since it was lost first; 1 for most.
    """

    run: Run
    seed: int | None
    state: str
    error: str
    exit_code: int | None
    average_return: float | None
    facts: Mapping[str, Any]
    tries: int = 1


@dataclass(frozen=True)
class Combination:
    """A combination over its repeats.

    Attributes:
        runs: its jobs.
        mean: of the average returns of finished jobs; `None` if there is none.
        std: their standard deviation, with `n - 1`; `None` for fewer than two.
        best: the finished job with the highest return; `None` if there is none.
    """

    runs: Sequence[RunResult]
    mean: float | None
    std: float | None
    best: RunResult | None

    @property
    def finished(self) -> int:
        """How many of its jobs are finished."""
        return sum(result.state == "finished" for result in self.runs)


def collect(root_dir: Path, submission: Submission, journal: Journal) -> list[RunResult]:
    """How each job of a search stands, in the order of the search."""
    found: list[RunResult] = []
    for run in submission.expanded():
        outcome = journal.ended.get(run.name)
        gone = outcome is not None and outcome.state == "finished"
        gone = gone and not journal.is_finished(run.name)
        if outcome is None or outcome.state == "lost" or gone:
            outcome = Outcome("waiting", -1, "", 0.0)
        result = read_result(root_dir / run.name) if outcome.state == "finished" else {}
        found.append(
            RunResult(
                run=run,
                seed=submission.seed_of(run),
                state=outcome.state,
                error=outcome.error,
                exit_code=None if outcome.state == "waiting" else outcome.exit_code,
                average_return=_number(result.get("average_return")),
                facts={name: result.get(name) for name in _FACTS},
                tries=1 + journal.losses.get(run.name, 0),
            )
        )
    return found


def read_result(run_dir: Path) -> dict[str, Any]:
    """A job's `result.json`; empty where there is none that can be read."""
    try:
        data = json.loads((run_dir / "train" / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def rank(results: Sequence[RunResult]) -> list[Combination]:
    """Combinations, the highest mean return first; those without one last, in their order."""
    combinations = [_combine(runs) for runs in by_combination(results).values()]
    return sorted(combinations, key=lambda c: -math.inf if c.mean is None else c.mean, reverse=True)


def by_combination(results: Sequence[RunResult]) -> dict[int, list[RunResult]]:
    """Index -> its jobs."""
    found: dict[int, list[RunResult]] = {}
    for result in results:
        found.setdefault(result.run.index, []).append(result)
    return found


def mean_return(runs: Sequence[RunResult]) -> float | None:
    """The mean of the average returns of finished jobs; `None` if there is none."""
    returns = [r.average_return for r in runs if r.average_return is not None]
    return statistics.fmean(returns) if returns else None


def _combine(runs: Sequence[RunResult]) -> Combination:
    known = [(r.average_return, r) for r in runs if r.average_return is not None]
    returns = [value for value, _ in known]
    return Combination(
        runs=tuple(runs),
        mean=mean_return(runs),
        std=statistics.stdev(returns) if len(returns) > 1 else None,
        best=max(known, key=lambda pair: pair[0])[1] if known else None,
    )


def shown_parameters(run: Run) -> list[tuple[str, str]]:
    """The searched parameters of a job, as (short name, value)."""
    short = abbreviations(list(run.parameters))
    return [(short[name], value.source) for name, value in run.parameters.items()]


def shown_spread(mean: float | None, std: float | None) -> str:
    """For example `195.20 ± 3.10`."""
    told = "-" if mean is None else f"{mean:.2f}"
    return told if std is None else f"{told} ± {std:.2f}"


def write_results(root_dir: Path, names: Sequence[str], results: Sequence[RunResult]) -> Path:
    """Write one row for each job to `results.csv`, whole or not at all; returns its path.

    Args:
        root_dir: the folder of the search.
        names: of the searched parameters.
        results: every job of the search.
    """
    path = root_dir / RESULTS_FILE
    partial = path.with_name(f".{RESULTS_FILE}.partial-{os.getpid()}")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        head = ["run", "index", "repeat", "seed", *names, "state", "average_return", *_FACTS]
        writer.writerow([*head, "tries", "exit_code", "error"])
        for result in results:
            run = result.run
            values = [_cell(run.parameters[name].value) for name in names]
            known = [result.average_return, *(result.facts[name] for name in _FACTS)]
            row = [run.name, run.index, run.repeat, result.seed, *values, result.state, *known]
            writer.writerow([*row, result.tries, result.exit_code, result.error])
    partial.replace(path)
    return path


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
