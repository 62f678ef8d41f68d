"""How far a running job is, as its `metrics.jsonl` tells."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alf.search.expansion import Run
from alf.search.record import Submission

RETURN_KEY = "Metrics/AverageReturn"
METRICS_FILE = Path("train", "metrics.jsonl")

_TAIL_BYTES = 16_384
_ITERATIONS = ".alf.trainers.trainer_config.TrainerConfig.num_iterations"
_ENV_STEPS = ".alf.trainers.trainer_config.TrainerConfig.num_env_steps"


@dataclass
class Pace:
    """How far a running job is.

    Attributes:
        iterations: how many it has in all; `None` where unknown.
        total_steps: environment steps after which it ends, which come before iterations; or `None`.
        iteration: of the last summary; 0 before the first.
        env_steps: environment steps then.
        average_return: of the last training episodes; `None` before the first has ended.
        steps_per_s: between the first and the last summary that were seen; `None` before.
        left_s: seconds until its end, at that speed; `None` while unknown.
    """

    iterations: int | None = None
    total_steps: int | None = None
    iteration: int = 0
    env_steps: int = 0
    average_return: float | None = None
    steps_per_s: float | None = None
    left_s: float | None = None
    first: tuple[float, float, int] | None = None  # when, how far and at which step at first

    @property
    def fraction(self) -> float:
        """How much of the job is done, in `[0, 1]`; 0 where unknown."""
        if self.total_steps:
            return min(1.0, self.env_steps / self.total_steps)
        return min(1.0, self.iteration / self.iterations) if self.iterations else 0.0

    def update(self, run_dir: Path, now: float) -> None:
        """Look at the file again.

        Args:
            run_dir: the job's folder.
            now: seconds on a clock that never goes back.
        """
        last = last_summary(run_dir)
        iteration = last.get("iteration", 0)
        if iteration == self.iteration:
            return
        self.iteration, self.env_steps = iteration, last.get("env_steps", 0)
        self.average_return = last.get(RETURN_KEY, self.average_return)
        if self.first is None or self.first[1] > self.fraction:
            self.first = now, self.fraction, self.env_steps
            return
        began, fraction, steps = self.first
        if now > began:
            self.steps_per_s = (self.env_steps - steps) / (now - began)
            if self.fraction > fraction:
                self.left_s = (1 - self.fraction) * (now - began) / (self.fraction - fraction)


def pace_of(submission: Submission, run: Run) -> Pace:
    """The pace of a job that starts, with what it has to do."""
    found = Pace(submission.iterations, submission.env_steps)
    for name, value in run.parameters.items():
        if isinstance(value.value, int) and _ITERATIONS.endswith(f".{name}"):
            found.iterations = value.value
        if isinstance(value.value, int) and _ENV_STEPS.endswith(f".{name}"):
            found.total_steps = value.value
    return found


def last_summary(run_dir: Path) -> Mapping[str, Any]:
    """The last whole line of a job's `metrics.jsonl`; empty where there is none."""
    try:
        with (run_dir / METRICS_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return {}
    for line in reversed(lines[:-1]):  # what follows the last line end is still being written
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    return {}
