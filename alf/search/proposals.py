"""Which combination to train next, where a search is no grid: by chance, or by TPE, with Optuna.

Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019,
https://arxiv.org/abs/1907.10902. TPE, the tree-structured Parzen estimator: Bergstra et al.,
"Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.

Nothing is remembered here: the study is made anew for each question from what the jobs have left,
so that a search that was killed goes on as if nothing had been.
"""

import importlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alf._config import Override, literal
from alf.errors import UsageError
from alf.search.space import Range, Values, size_of

# So often a proposal that was there before is put aside for another one.
_MOST_ATTEMPTS = 50
_SEEDS = 2**31 - 1


@dataclass(frozen=True)
class Trial:
    """A combination that was proposed before.

    Attributes:
        parameters: name -> value.
        value: its mean return; `None` while its jobs run, or where none of them has one.
        is_over: whether none of its jobs runs, or waits, any more.
    """

    parameters: Mapping[str, Override]
    value: float | None
    is_over: bool


def check_optuna() -> None:
    """See that Optuna is there.

    Raises:
        UsageError: it is not.
    """
    _optuna()


def propose(
    space: Mapping[str, Values], kind: str, trials: Sequence[Trial], budget: int, seed: int
) -> dict[str, Override] | None:
    """A combination that was not proposed before.

    The same question has the same answer, in any process.

    Args:
        space: name -> what it may be.
        kind: `random`, or `tpe` for where a higher return is expected.
        trials: all that were proposed before.
        budget: how many there are to be in all.
        seed: of the search.

    Returns:
        name -> value; `None` where every combination was proposed.

    Raises:
        UsageError: Optuna is not there.
    """
    size = size_of(space)
    if size is not None and len(trials) >= size:
        return None
    known = {_identity(trial.parameters) for trial in trials}
    found = None
    for attempt in range(_MOST_ATTEMPTS):
        # TPE may insist on the best; chance finds what is left.
        by = kind if attempt < _MOST_ATTEMPTS // 2 else "random"
        sampler = _sampler(by, budget, (seed + 7919 * len(trials) + 104729 * attempt) % _SEEDS)
        found = _ask(space, sampler, trials if by == "tpe" else ())
        if _identity(found) not in known:
            return found
    return found if size is None else _first_unknown(space, known)


def _ask(space: Mapping[str, Values], sampler: Any, trials: Sequence[Trial]) -> dict[str, Override]:
    optuna = _optuna()
    distributions = {name: _distribution(values) for name, values in space.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that Optuna calls experimental
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial in trials:
            study.add_trial(_told(optuna, trial, space, distributions))
        asked = study.ask(distributions)
    return {name: _value(space[name], asked.params[name]) for name in space}


def _told(
    optuna: Any, trial: Trial, space: Mapping[str, Values], distributions: Mapping[str, Any]
) -> Any:
    """A trial as Optuna knows it."""
    states = optuna.trial.TrialState
    state = states.RUNNING
    if trial.is_over:
        state = states.FAIL if trial.value is None else states.COMPLETE
    return optuna.trial.create_trial(
        state=state,
        value=trial.value if state == states.COMPLETE else None,
        params={
            name: trial.parameters[name].value
            if isinstance(space[name], Range)
            else trial.parameters[name].source
            for name in space
        },
        distributions=dict(distributions),
    )


def _sampler(kind: str, budget: int, seed: int) -> Any:
    samplers = _optuna().samplers
    if kind == "random":
        return samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that Optuna calls experimental
        return samplers.TPESampler(
            seed=seed,
            n_startup_trials=max(4, min(10, budget // 3)),  # by chance, before anything is known
            multivariate=True,
            constant_liar=True,  # several jobs at once should not try the same
        )


def _distribution(values: Values) -> Any:
    distributions = _optuna().distributions
    if not isinstance(values, Range):
        return distributions.CategoricalDistribution([value.source for value in values])
    if not values.is_whole:
        return distributions.FloatDistribution(
            float(values.low), float(values.high), log=values.log, step=values.step
        )
    step = int(values.step or 1)
    high = int(values.low) + (int(values.high) - int(values.low)) // step * step
    return distributions.IntDistribution(int(values.low), high, log=values.log, step=step)


def _value(values: Values, proposed: Any) -> Override:
    """A proposal as a parameter's value; numbers with no more digits than people want to read."""
    if not isinstance(values, Range):
        return next(value for value in values if value.source == proposed)
    if values.is_whole:
        return literal(int(proposed))
    digits = 6 if values.step is None else 12
    rounded = float(f"{proposed:.{digits}g}")
    return literal(min(max(rounded, float(values.low)), float(values.high)))


def _first_unknown(
    space: Mapping[str, Values], known: set[tuple[tuple[str, str], ...]]
) -> dict[str, Override] | None:
    """In a space that can be counted, the first combination that was not proposed."""
    sizes = [v.size if isinstance(v, Range) else len(v) for v in space.values()]
    for number in range(math.prod(size for size in sizes if size is not None)):
        found: dict[str, Override] = {}
        rest = number
        for (name, values), size in zip(space.items(), sizes, strict=True):
            assert size is not None
            rest, place = divmod(rest, size)
            found[name] = _at(values, place)
        if _identity(found) not in known:
            return found
    return None


def _at(values: Values, place: int) -> Override:
    if isinstance(values, Range):
        return _value(values, values.low + place * (values.step or 1))
    return values[place]


def _identity(parameters: Mapping[str, Override]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value.source) for name, value in parameters.items()))


def _optuna() -> Any:
    try:
        optuna = importlib.import_module("optuna")
    except ModuleNotFoundError as error:
        raise UsageError(
            'a search with "random" or "tpe" needs Optuna, which is not installed here: '
            "pip install 'alf[search]' (or: pip install optuna)."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
