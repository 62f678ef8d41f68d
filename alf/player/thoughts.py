"""What a policy thinks, in numbers: read from any algorithm's answer, without code of its own.

The answer's info is searched for what goes by the usual names: an action distribution, a value,
values of actions. What is not there stays out; nothing has to be declared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import distributions as td

from alf.data_structures import AlgStep
from alf.distributions import Categorical, Distribution
from alf.nest import map_structure_with_path

Array = np.ndarray[Any, np.dtype[np.float64]]

VALUE_NAMES = ("value", "values", "state_value", "v")
ACTION_VALUE_NAMES = ("q_values", "q_value", "action_values")
DISTRIBUTION_NAMES = ("action_distribution", "distribution", "action_dist")
LOGIT_NAMES = ("logits", "action_logits")
PROBABILITY_NAMES = ("probs", "action_probs", "probabilities")

AnyDistribution = Distribution | td.Distribution
"""Ours, or one of torch's."""


@dataclass(frozen=True)
class Thoughts:
    """What a policy did and thinks at one step.

    Attributes:
        actions: numbers of each leaf of the action by its dotted path (`"action"` where the action
            is a single tensor), flat, `[n]`.
        value: what the policy expects from here; `None` if it does not say.
        action_values: what it expects of each action of a discrete one, `[A]`; `None` likewise.
        probabilities: of each action of a discrete one, `[A]`; `None` likewise.
        first_action: the number of the action that index 0 stands for.
        entropy: of all action distributions together, in nats; `None` without any.
        distributions: each action distribution by the path of its leaf of the action.
    """

    actions: dict[str, Array]
    value: float | None = None
    action_values: Array | None = None
    probabilities: Array | None = None
    first_action: int = 0
    entropy: float | None = None
    distributions: Mapping[str, AnyDistribution] = field(
        default_factory=dict[str, AnyDistribution], repr=False
    )

    @property
    def runner_up(self) -> int | None:
        """The second best action of a discrete one, by probability or else by value."""
        scores = self.scores
        if scores is None or len(scores) < 2:
            return None
        return int(np.argsort(-scores, kind="stable")[1]) + self.first_action

    @property
    def lead(self) -> float | None:
        """How far the best action is ahead of the runner-up, as `scores` count."""
        scores = self.scores
        if scores is None or len(scores) < 2:
            return None
        second, first = np.sort(scores)[-2:]
        return float(first - second)

    @property
    def scores(self) -> Array | None:
        """What ranks the actions of a discrete one: probabilities, else values; `[A]`."""
        return self.probabilities if self.probabilities is not None else self.action_values


def read_thoughts(alg_step: AlgStep) -> Thoughts:
    """What a policy's answer to one time step tells.

    Args:
        alg_step: of a batch of one.
    """
    actions = {name: _numbers(leaf) for name, leaf in _leaves(alg_step.output, "action")}
    found = dict(_walk(alg_step.info, ()))
    distributions = _distributions(found, list(actions))
    choice = _single_choice(distributions)
    action_values = _first(found, ACTION_VALUE_NAMES)
    values = None if action_values is None else _numbers(_lowest(action_values))
    return Thoughts(
        actions=actions,
        value=_scalar(_first(found, VALUE_NAMES)),
        action_values=values,
        probabilities=None if choice is None else _numbers(choice.probs),
        first_action=getattr(choice, "offset", 0),
        entropy=_entropy(distributions),
        distributions=distributions,
    )


def _walk(nest: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Leaves of a nest with their paths; a distribution is a leaf."""
    if isinstance(nest, Mapping):
        for key, value in nest.items():
            yield from _walk(value, (*path, str(key)))
    elif isinstance(nest, tuple) and hasattr(nest, "_fields"):
        for key, value in zip(nest._fields, nest, strict=True):  # type: ignore[attr-defined]
            yield from _walk(value, (*path, key))
    elif isinstance(nest, list | tuple):
        for index, value in enumerate(nest):
            yield from _walk(value, (*path, str(index)))
    elif isinstance(nest, torch.Tensor | AnyDistribution):
        yield path, nest


def _distributions(
    found: dict[tuple[str, ...], Any], names: list[str]
) -> dict[str, AnyDistribution]:
    """The distributions below the first name that stands for those of the action."""
    for wanted in DISTRIBUTION_NAMES:
        below = {
            ".".join(path[path.index(wanted) + 1 :]): leaf
            for path, leaf in found.items()
            if wanted in path and isinstance(leaf, AnyDistribution)
        }
        if below:
            return _matched(below, names)
    everywhere = {
        ".".join(path): leaf for path, leaf in found.items() if isinstance(leaf, AnyDistribution)
    }
    if len(everywhere) == len(names):
        return _matched(everywhere, names)
    return _from_tensors(found, names) if len(names) == 1 and not everywhere else {}


def _matched(below: dict[str, AnyDistribution], names: list[str]) -> dict[str, AnyDistribution]:
    """Distributions by the names of their actions; by their order where paths say nothing."""
    if set(below) == set(names):
        return {name: below[name] for name in names}
    return dict(zip(names, below.values(), strict=False))


def _from_tensors(
    found: dict[tuple[str, ...], Any], names: list[str]
) -> dict[str, AnyDistribution]:
    """The distribution of a single choice, from tensors that go by the names of its parameters."""
    logits, probs = _first(found, LOGIT_NAMES), _first(found, PROBABILITY_NAMES)
    if logits is None and probs is not None:
        logits = probs.clamp_min(1e-30).log()
    return {} if logits is None or logits.dim() != 2 else {names[0]: Categorical(logits)}


def _first(found: dict[tuple[str, ...], Any], names: tuple[str, ...]) -> torch.Tensor | None:
    """The first tensor that goes by one of the names; of an ensemble the whole, `[1, ...]`."""
    for path, leaf in found.items():
        if path and path[-1] in names and isinstance(leaf, torch.Tensor):
            return leaf
    return None


def _scalar(value: torch.Tensor | None) -> float | None:
    """One number; the mean where a value has several, for rewards of several components."""
    return None if value is None else float(value.detach().double().mean())


def _lowest(values: torch.Tensor) -> torch.Tensor:
    """Values `[1, n]`; of an ensemble `[1, R, n]` the lowest of each."""
    return values.amin(1) if values.dim() == 3 else values


def _entropy(distributions: Mapping[str, AnyDistribution]) -> float | None:
    # Some families estimate it from draws, and looking must not change what is played. The
    # generator itself is seeded: torch.manual_seed takes half a millisecond to look for devices.
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(0)
    try:
        each = [float(d.entropy().sum()) for d in distributions.values()]
    except NotImplementedError:
        return None
    finally:
        torch.set_rng_state(before)
    return sum(each) if each else None


def _single_choice(
    distributions: Mapping[str, AnyDistribution],
) -> Categorical | td.Categorical | None:
    """The distribution of an action that is one choice among several; `None` for any other."""
    if len(distributions) == 1:
        only = next(iter(distributions.values()))
        if isinstance(only, td.Categorical) and only.batch_shape.numel() == 1:
            return only
        if isinstance(only, Categorical) and not only.event_shape:
            return only
    return None


def _numbers(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().double().reshape(-1).numpy(), np.float64)


def _leaves(nest: Any, alone: str) -> list[tuple[str, Any]]:
    named: list[tuple[str, Any]] = []
    map_structure_with_path(lambda path, leaf: named.append((path or alone, leaf)) or leaf, nest)
    return [(name, leaf) for name, leaf in named if isinstance(leaf, torch.Tensor)]
