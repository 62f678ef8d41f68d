"""What a searched parameter may be: one of some values, or anything in a range."""

import ast
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alf._config import Override, literal, parse_value
from alf.errors import ConfigError

MOST_RUNS = 10_000

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_RANGE_EXAMPLE = '{"low": 1e-5, "high": 1e-2, "log": true}'


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones if both are whole.

    Attributes:
        low: the lowest.
        high: the highest, above `low`.
        log: whether each factor is as likely as any other, instead of each difference.
        step: only `low`, `low + step`, and so on; `None` for all numbers.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def size(self) -> int | None:
        """How many numbers it holds; `None` for more than can be told apart."""
        if self.step is None and not self.is_whole:
            return None
        return math.floor((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    def plain(self) -> dict[str, Any]:
        """As it stands in a search file."""
        found: dict[str, Any] = {"low": self.low, "high": self.high}
        return (
            found | ({"log": True} if self.log else {}) | ({"step": self.step} if self.step else {})
        )

    def told(self) -> str:
        """In words."""
        what = "whole numbers " if self.is_whole else ""
        how = ", by factors" if self.log else f", in steps of {self.step}" if self.step else ""
        return f"{what}{self.low} to {self.high}{how}"


Values = tuple[Override, ...] | Range
"""What a parameter may be."""


def plain_space(parameters: Mapping[str, Values]) -> dict[str, Any]:
    """A space as JSON: name -> texts of its values, or its range."""
    return {
        name: values.plain() if isinstance(values, Range) else [v.source for v in values]
        for name, values in parameters.items()
    }


def read_space(space: Mapping[str, Any]) -> dict[str, Values]:
    """What `plain_space` made, read back."""
    return {
        name: Range(**given)
        if isinstance(given, dict)
        else tuple(parse_value(name, text) for text in given)
        for name, given in space.items()
    }


def size_of(parameters: Mapping[str, Values]) -> int | None:
    """How many combinations there are; `None` for more than can be told apart."""
    sizes = [v.size if isinstance(v, Range) else len(v) for v in parameters.values()]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def ends_of(values: Values) -> tuple[Override, Override]:
    """The first and the last of the values."""
    if isinstance(values, Range):
        return literal(values.low), literal(values.high)
    return values[0], values[-1]


def parse_parameters(data: Mapping[str, Any], where: str, ranges: bool) -> dict[str, Values]:
    """Read what is searched.

    Args:
        data: `parameters` of a search file.
        where: name of the file, for the messages.
        ranges: whether a parameter may have a range.

    Raises:
        ConfigError: it does not say what to search.
    """
    if not data:
        raise ConfigError(
            f"{where}: 'parameters' is empty, so that there is nothing to search. Give a parameter "
            'and its values, for example {"ActorCriticLoss.gamma": [0.98, 0.99]}, or train one job '
            "with `alf train`."
        )
    return {name: _values(name, data[name], where, ranges) for name in data}


def _values(name: str, given: Any, where: str, ranges: bool) -> Values:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: '{name}' is no name of a parameter: write it like 'ActorCriticLoss.gamma'."
        )
    try:
        if isinstance(given, dict):
            return _range(given, ranges)
        if isinstance(given, str):
            values = _from_expression(name, given)
        elif isinstance(given, list):
            values = [literal(value) for value in given]
        else:
            shown = json.dumps(given)
            raise ConfigError(f"{shown} is no list of values. For one value write [{shown}].")
    except ConfigError as error:
        raise ConfigError(f"{where}: the values of '{name}': {error}") from error
    return _checked(name, values, where)


def _checked(name: str, values: Sequence[Override], where: str) -> tuple[Override, ...]:
    if not values:
        raise ConfigError(
            f"{where}: '{name}' has no value, so that there is no combination to train. Give it "
            "values or take it out."
        )
    sources = [value.source for value in values]
    for source in sources:
        if sources.count(source) > 1:
            raise ConfigError(
                f"{where}: '{name}' has the value {source} twice. Give it once; `repeats` trains "
                "each combination several times."
            )
    return tuple(values)


def _range(given: Mapping[str, Any], ranges: bool) -> Range:
    shown = json.dumps(given)
    if not ranges:
        raise ConfigError(
            f"{shown} is a range, of which a grid cannot take every value. Give a list, or add "
            '"search": "tpe" (or "random") and a "budget".'
        )
    unknown = sorted(set(given) - {"low", "high", "log", "step"})
    numbers = [given.get(key) for key in ("low", "high", "step") if key in given]
    if unknown or not {"low", "high"} <= set(given) or not all(map(_is_number, numbers)):
        raise ConfigError(
            f"{shown} is no range: write it like {_RANGE_EXAMPLE}. It may have a 'step' instead of "
            "'log'; where 'low' and 'high' are whole (16, not 16.0), so are its numbers."
        )
    found = Range(given["low"], given["high"], given.get("log", False), given.get("step"))
    wrong = _wrong_range(found)
    if wrong:
        raise ConfigError(f"{shown}: {wrong}")
    return found


def _wrong_range(found: Range) -> str:
    if type(found.log) is not bool:
        return "'log' is true or false."
    if not found.low < found.high:
        return "'low' is not below 'high'."
    if found.log and (found.low <= 0 or found.step is not None):
        return "with 'log', 'low' is above 0 and there is no 'step'."
    if found.step is not None and found.step <= 0:
        return "'step' is above 0."
    if found.is_whole and isinstance(found.step, float):
        return "whole numbers have a whole 'step'."
    return ""


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _from_expression(name: str, text: str) -> list[Override]:
    """The values of a Python expression, each with text of its own that gives it again."""
    whole = parse_value(name, text.strip())
    if isinstance(whole.value, str | bytes | dict) or not isinstance(whole.value, Iterable):
        raise ConfigError(
            f"{text!r} is {whole.value!r}, no list. Give a JSON list, or Python text that "
            'makes one, such as "[10 ** -k for k in range(2, 5)]".'
        )
    if isinstance(whole.value, set | frozenset):
        raise ConfigError(f"{text!r} is a set, which has no order. Write it as a list.")
    values = list(itertools.islice(whole.value, MOST_RUNS + 1))
    if len(values) > MOST_RUNS:
        raise ConfigError(f"{text!r} gives more than {MOST_RUNS:,} values. Give fewer.")
    parts = _elements(whole.source)
    return [
        _single(name, value, parts[index] if parts else f"list({whole.source})[{index}]")
        for index, value in enumerate(values)
    ]


def _elements(source: str) -> list[str]:
    """The text of each element of a list or tuple that is written out; else none."""
    body = ast.parse(source, mode="eval").body
    if not isinstance(body, ast.List | ast.Tuple):
        return []
    if any(isinstance(element, ast.Starred) for element in body.elts):
        return []
    return [ast.unparse(element) for element in body.elts]


def _single(name: str, value: Any, source: str) -> Override:
    try:
        return literal(value)
    except ConfigError:
        return parse_value(name, source)  # a function, an optimizer: as it was written
