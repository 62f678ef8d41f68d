"""Which parameter mattered: how much of the spread of returns goes with each of them.

A parameter's share is the epsilon squared of a one-way analysis of variance, which is the adjusted
R squared of a model that knows this parameter alone: 0 where its values differ no more than chance
lets them, 1 where they explain everything. Kelley, "An Unbiased Correlation Ratio Measure", PNAS
1935, https://doi.org/10.1073/pnas.21.9.554.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alf.search.results import RunResult

# A parameter with more different numbers than this is looked at in four parts of equal size.
_MOST_GROUPS = 8
_PARTS = 4


@dataclass(frozen=True)
class Group:
    """The runs in which a parameter had one value, or one of some neighbouring numbers.

    Attributes:
        label: the value, or the lowest and the highest.
        returns: of these runs.
    """

    label: str
    returns: tuple[float, ...]


@dataclass(frozen=True)
class Importance:
    """How much a parameter mattered.

    Attributes:
        name: of the parameter.
        share: of the variance of returns that it explains alone, in `[0, 1]`; `None` where too few
            runs are finished to tell.
        groups: the runs by its value, in the order of the values.
    """

    name: str
    share: float | None
    groups: tuple[Group, ...]


def importances(results: Sequence[RunResult]) -> list[Importance]:
    """How much each searched parameter mattered, the most important first.

    Args:
        results: every job of a search; those without a return do not count.
    """
    known = [result for result in results if result.average_return is not None]
    if not known:
        return []
    found = [_importance(name, known) for name in known[0].run.parameters]
    return sorted(found, key=lambda one: -1.0 if one.share is None else one.share, reverse=True)


def seed_share(results: Sequence[RunResult]) -> float | None:
    """Share of the variance of returns among runs of the same combination, which is chance.

    `None` where no combination has two returns.
    """
    by_index: dict[int, list[float]] = {}
    for result in results:
        if result.average_return is not None:
            by_index.setdefault(result.run.index, []).append(result.average_return)
    explained = explained_share(list(by_index.values()))
    return None if explained is None else 1.0 - explained


def explained_share(groups: Sequence[Sequence[float]]) -> float | None:
    """Epsilon squared of numbers in groups, at least 0.

    Returns:
        `None` where every number has a group of its own, or all are equal.
    """
    numbers = [number for group in groups for number in group]
    count = len(numbers)
    if count <= len(groups) or count < 2:
        return None
    total = _squares(numbers)
    if total <= 0.0:
        return None
    within = sum(map(_squares, groups))
    return max(0.0, 1.0 - (within / (count - len(groups))) / (total / (count - 1)))


def _squares(numbers: Sequence[float]) -> float:
    """The sum of squared differences to the mean."""
    mean = statistics.fmean(numbers)
    return sum((number - mean) ** 2 for number in numbers)


def _importance(name: str, known: Sequence[RunResult]) -> Importance:
    groups = _by_value(name, known)
    if len(groups) > _MOST_GROUPS and all(
        type(run.run.parameters[name].value) in (int, float) for run in known
    ):
        groups = _by_part(name, known)
    told = tuple(Group(label, tuple(returns)) for label, returns in groups.items())
    return Importance(name, explained_share([group.returns for group in told]), told)


def _by_value(name: str, known: Sequence[RunResult]) -> Mapping[str, list[float]]:
    values = [result.run.parameters[name].value for result in known]
    order = list(known)
    if all(type(value) in (int, float) for value in values):
        order.sort(key=lambda result: result.run.parameters[name].value)
    found: dict[str, list[float]] = {}
    for result in order:
        assert result.average_return is not None
        found.setdefault(result.run.parameters[name].source, []).append(result.average_return)
    return found


def _by_part(name: str, known: Sequence[RunResult]) -> Mapping[str, list[float]]:
    order = sorted(known, key=lambda result: result.run.parameters[name].value)
    found: dict[str, list[float]] = {}
    for part in range(_PARTS):
        some = order[part * len(order) // _PARTS : (part + 1) * len(order) // _PARTS]
        low, high = (some[end].run.parameters[name].value for end in (0, -1))
        returns = [r.average_return for r in some if r.average_return is not None]
        found.setdefault(f"{low:.4g} to {high:.4g}", []).extend(returns)
    return found
