"""What a training job leaves to read: TensorBoard events, `metrics.jsonl` and `result.json`."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from alf import summary
from alf.errors import TrainingError
from alf.summary.event_writer import EventWriter
from alf.trainers.distributed.pooling import mean_scalars
from alf.trainers.distributed.ranks import Ranks

METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"


class RunLog:
    """Writes the summaries of a job; nothing is on disk before the first one.

    An iteration has one line, however often the job was killed: what an earlier process wrote of
    iterations that are about to be repeated goes, training and evaluation alike, and so do its
    unfinished files. In TensorBoard their points are replaced.

    Of several processes the first writes: scalars are means over all of them, and all else is its
    own.

    Args:
        root_dir: the job's folder; files go into its `train` folder.
        flush_secs: longest time in seconds until a summary is on disk.
        ranks: the processes of the job; `None` for one by itself.
    """

    def __init__(self, root_dir: str | Path, flush_secs: float, ranks: Ranks | None = None):
        self._ranks = ranks or Ranks()
        self._folder = Path(root_dir) / "train"
        self._evaluations = Path(root_dir) / "eval" / METRICS_FILE
        self._flush_secs = flush_secs
        self._metrics = self._folder / METRICS_FILE
        self._first: int | None = None  # iteration of this process

    @cached_property
    def _writer(self) -> EventWriter:
        writer = summary.create_summary_writer(self._folder, self._flush_secs)
        writer.start_session(self._first or 1)
        return writer

    def rewind(self, iteration: int) -> None:
        """Forget the metrics of later iterations, which a resumed job is about to repeat.

        The first `iteration` does it by itself: a job that was killed before its first checkpoint
        begins anew, and is not told to go on from anywhere.
        """
        self._first = iteration + 1
        if not self._ranks.is_first:
            return
        for path in (self._metrics, self._evaluations):
            for left in path.parent.glob(".*.partial-*"):
                left.unlink()
            if path.exists():
                lines = path.read_text().splitlines()
                kept = [line for line in lines if _is_upto(line, iteration)]
                _write_whole(path, "".join(line + "\n" for line in kept))

    @contextmanager
    def iteration(self, number: int, record: bool, facts: Mapping[str, Any]) -> Iterator[None]:
        """Around a training iteration: where `record`, its scalars become one line of metrics.

        Args:
            number: the iteration, counted from 1.
            record: whether to write summaries.
            facts: filled by the caller before the end; these go first in the line.
        """
        summary.set_global_counter(number)
        if self._first is None:
            with self._writing():
                self.rewind(number - 1)
        if not record:
            with summary.record_if(False):
                yield
            return
        with self._collecting(number) as scalars:
            yield
        if not self._ranks.is_first:
            return
        values = {"iteration": number, **facts, **scalars}
        with self._writing(), self._metrics.open("a") as file:
            file.write(json.dumps({k: _plain(v) for k, v in values.items()}) + "\n")

    @contextmanager
    def _collecting(self, number: int) -> Iterator[dict[str, float]]:
        """Write summaries; the dict has the scalars when all is done."""
        writer: Any = self._writer if self._ranks.is_first else None
        if self._ranks.count == 1:
            with summary.push_summary_writer(writer), summary.collect_scalars() as scalars:
                yield scalars
            return
        found: dict[str, float] = {}
        others: Any = None if writer is None else _AllButScalars(writer)
        with summary.push_summary_writer(others), summary.collect_scalars() as scalars:
            yield found
        found.update(mean_scalars(scalars, self._ranks))
        if writer is not None:
            for tag, value in found.items():
                writer.add_scalar(tag, value, number)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`."""
        text = json.dumps({k: _plain(v) for k, v in result.items()}, indent=2) + "\n"
        with self._writing():
            _write_whole(self._folder / RESULT_FILE, text)

    def result_iteration(self) -> int | None:
        """The iteration that `result.json` tells of; `None` where it tells of none."""
        try:
            result = json.loads((self._folder / RESULT_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return result.get("iterations") if isinstance(result, dict) else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"the curves in '{self._folder}' could not be written: {error.strerror}. Free some "
                f"space; the same command without --conf goes on from the newest checkpoint"
            ) from error

    def close(self) -> None:
        """Flush and close the event file."""
        if "_writer" in vars(self):
            self._writer.close()


class _AllButScalars:
    """A writer that leaves scalars to who averages them."""

    def __init__(self, writer: EventWriter):
        self._writer = writer

    def add_scalar(self, tag: str, value: float, step: int, walltime: float | None = None) -> None:
        """They are collected elsewhere."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def _is_upto(line: str, iteration: int) -> bool:
    try:
        return json.loads(line)["iteration"] <= iteration
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # a killed job may leave half a line at the end


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become `null`."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)
