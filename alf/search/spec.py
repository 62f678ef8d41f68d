"""What a search is to do, read from its JSON file and checked."""

import ast
import difflib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alf._config import Override, literal, parse_value
from alf.errors import ConfigError

MOST_RUNS = 10_000

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class SearchSpec:
    """A search.

    Attributes:
        parameters: name -> its values, in the order of the file; neither is empty.
        desc: a sentence about the search, for people.
        repeats: how often each combination is trained, each time from another seed, at least 1.
        max_worker_num: how many jobs run at once; `None` for one a CPU core.
        use_gpu: whether jobs see a GPU, one each.
        gpus: numbers of the GPUs that jobs take turns on; empty for all there are.
    """

    parameters: Mapping[str, tuple[Override, ...]]
    desc: str = ""
    repeats: int = 1
    max_worker_num: int | None = None
    use_gpu: bool = False
    gpus: tuple[int, ...] = ()

    @property
    def workers(self) -> int:
        """How many jobs run at once."""
        return self.max_worker_num or available_cores()


def available_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_spec(path: str | os.PathLike[str]) -> SearchSpec:
    """Read a search from its JSON file.

    Raises:
        ConfigError: the file cannot be read, is not JSON, or does not describe a search.
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--search_config '{path}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--search_config '{path}' is not UTF-8 text: {error}.") from error
    return parse_spec(text, str(path))


def parse_spec(text: str, where: str) -> SearchSpec:
    """Read a search from JSON.

    Args:
        text: the JSON text.
        where: name of the file, for the messages.

    Raises:
        ConfigError: it is not JSON, or does not describe a search.
    """
    data = _read_json(text, where)
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where}: a search is a JSON object, for example "
            '{"parameters": {"ActorCriticLoss.gamma": [0.98, 0.99]}, "repeats": 3}'
        )
    for key, value in data.items():
        _check_key(key, value, where)
    if "parameters" not in data:
        raise ConfigError(
            f"{where}: 'parameters' is missing, which says what to search, for example "
            '"parameters": {"ActorCriticLoss.gamma": [0.98, 0.99]}'
        )
    return _within_limit(
        SearchSpec(
            parameters=_parameters(data["parameters"], where),
            desc=data.get("desc", ""),
            repeats=data.get("repeats", 1),
            max_worker_num=data.get("max_worker_num"),
            use_gpu=data.get("use_gpu", False),
            gpus=tuple(data.get("gpus", ())),
        ),
        where,
    )


def _read_json(text: str, where: str) -> Any:
    def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ConfigError(f"{where}: '{key}' is given twice. Give it once.")
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        raise ConfigError(
            f"{where}:{error.lineno}: not JSON: {error.msg}\n    {line}\n"
            f"    {' ' * (error.colno - 1)}^"
        ) from error
    except (RecursionError, ValueError) as error:  # nested without end, or a number without end
        raise ConfigError(f"{where}: not JSON that can be read: {error}") from error


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_gpu_list(value: object) -> bool:
    return (
        isinstance(value, list)
        and all(type(number) is int and number >= 0 for number in value)
        and len(set(value)) == len(value)
    )


_KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "desc": (lambda value: isinstance(value, str), "a text"),
    "parameters": (
        lambda value: isinstance(value, dict),
        "an object from parameter name to its values",
    ),
    "repeats": (_is_count, "a whole number of at least 1"),
    "max_worker_num": (_is_count, "a whole number of at least 1"),
    "use_gpu": (lambda value: isinstance(value, bool), "true or false"),
    "gpus": (_is_gpu_list, "a list of different GPU numbers, for example [0, 1]"),
}


def _check_key(key: str, value: object, where: str) -> None:
    if key not in _KEYS:
        close = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.5)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        inside = f' A parameter to search stands inside "parameters": {{"{key}": [...]}}.'
        raise ConfigError(
            f"{where}: there is no key '{key}' in a search.{hint or (inside if '.' in key else '')}"
            f" It has: {', '.join(_KEYS)}."
        )
    accepts, wanted = _KEYS[key]
    if not accepts(value):
        raise ConfigError(f"{where}: '{key}' is {json.dumps(value)}: give {wanted}.")


def _parameters(data: Mapping[str, Any], where: str) -> dict[str, tuple[Override, ...]]:
    if not data:
        raise ConfigError(
            f"{where}: 'parameters' is empty, so that there is nothing to search. Give a parameter "
            'and its values, for example {"ActorCriticLoss.gamma": [0.98, 0.99]}, or train one job '
            "with `alf train`."
        )
    return {name: _values(name, data[name], where) for name in data}


def _values(name: str, given: Any, where: str) -> tuple[Override, ...]:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: '{name}' is no name of a parameter: write it like 'ActorCriticLoss.gamma'."
        )
    try:
        if isinstance(given, str):
            values = _from_expression(name, given)
        elif isinstance(given, list):
            values = [literal(value) for value in given]
        else:
            shown = json.dumps(given)
            raise ConfigError(f"{shown} is no list of values. For one value write [{shown}].")
    except ConfigError as error:
        raise ConfigError(f"{where}: the values of '{name}': {error}") from error
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


def _within_limit(spec: SearchSpec, where: str) -> SearchSpec:
    count = spec.repeats
    for values in spec.parameters.values():
        count *= len(values)
    if count > MOST_RUNS:
        raise ConfigError(
            f"{where}: this makes {count:,} runs, above the limit of {MOST_RUNS:,}. Search fewer "
            "values at a time."
        )
    return spec
