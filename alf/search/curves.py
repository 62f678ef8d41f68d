"""The learning curves of a search: the return of each combination over the steps of training."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alf.search.pace import METRICS_FILE, RETURN_KEY
from alf.search.results import Combination

_POINTS = 150
_MOST_LINES = 4_000


@dataclass(frozen=True)
class Curve:
    """The learning curve of a combination, at the places of `Curves.x`.

    Attributes:
        index: number of the combination.
        mean: over its repeats; `None` where no more than half of them have a return.
        low: the lowest of its repeats; likewise.
        high: the highest.
    """

    index: int
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class Curves:
    """Learning curves over a common axis.

    Attributes:
        over: what the axis counts.
        x: its places.
        curves: one a combination that has any return.
    """

    over: str
    x: list[float]
    curves: list[Curve]


def read_curves(root_dir: Path, combinations: Sequence[Combination]) -> Curves:
    """The learning curves of some combinations.

    Args:
        root_dir: the folder of the search.
        combinations: which.
    """
    runs = {
        c.runs[0].run.index: [_points(root_dir / result.run.name) for result in c.runs]
        for c in combinations
    }
    every = [row for points in runs.values() for point in points for row in point]
    over = "environment steps" if any(row[1] for row in every) else "iterations"
    column = 1 if over == "environment steps" else 0
    places = [row[column] for row in every]
    if not places:
        return Curves(over, [], [])
    low, high = min(places), max(places)
    x = [low + (high - low) * k / (_POINTS - 1) for k in range(_POINTS)] if high > low else [low]
    curves = [
        _curve(index, x, [[(row[column], row[2]) for row in points] for points in lines])
        for index, lines in runs.items()
        if any(lines)
    ]
    return Curves(over, [round(place, 3) for place in x], curves)


def _points(run_dir: Path) -> list[tuple[float, float, float]]:
    """Iteration, environment steps and return of each summary that has one."""
    try:
        lines = (run_dir / METRICS_FILE).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    step = -(-len(lines) // _MOST_LINES)
    found: list[tuple[float, float, float]] = []
    for line in lines[::step]:
        try:
            row: Any = json.loads(line)
            facts = (row["iteration"], row.get("env_steps", 0), row[RETURN_KEY])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a line that is being written, or one before the first episode ended
        if all(type(fact) in (int, float) for fact in facts):
            found.append(facts)
    return found


def _curve(index: int, x: Sequence[float], runs: Sequence[Sequence[tuple[float, float]]]) -> Curve:
    columns = list(zip(*(interpolated(run, x) for run in runs if run), strict=True))
    known = [[value for value in column if value is not None] for column in columns]
    # Where only few repeats go on, their mean would jump.
    known = [values if 2 * len(values) > len(columns[0]) else [] for values in known]
    return Curve(
        index,
        mean=[_rounded(statistics.fmean(values)) if values else None for values in known],
        low=[_rounded(min(values)) if values else None for values in known],
        high=[_rounded(max(values)) if values else None for values in known],
    )


def interpolated(points: Sequence[tuple[float, float]], x: Sequence[float]) -> list[float | None]:
    """The values of a piecewise linear curve; `None` before its beginning and after its end.

    Args:
        points: (place, value), places rising.
        x: where to look, rising.
    """
    found: list[float | None] = []
    at = 0
    for place in x:
        while at + 1 < len(points) and points[at + 1][0] < place:
            at += 1
        (left, value), (right, then) = points[at], points[min(at + 1, len(points) - 1)]
        if place < points[0][0] or place > points[-1][0]:
            found.append(None)
        elif right <= left:
            found.append(value)
        else:
            found.append(value + (then - value) * (place - left) / (right - left))
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
