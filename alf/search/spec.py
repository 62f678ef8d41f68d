"""What a search is to do, read from its JSON file and checked."""

import difflib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alf.errors import ConfigError
from alf.search.space import MOST_RUNS, Values, parse_parameters

KINDS = ("grid", "random", "tpe")


@dataclass(frozen=True)
class SearchSpec:
    """A search.

    Attributes:
        parameters: name -> its values, in the order of the file; neither is empty.
        search: one of `KINDS`: every combination, some by chance, or where TPE expects the best.
        budget: how many combinations are trained; 0 in a grid, which trains all.
        desc: a sentence about the search, for people.
        repeats: how often each combination is trained, each time from another seed, at least 1.
        max_worker_num: how many jobs run at once; `None` for as many as there is room for.
        use_gpu: whether jobs see a GPU, one each.
        gpus: numbers of the GPUs that jobs take turns on; empty for all there are.
    """

    parameters: Mapping[str, Values]
    search: str = "grid"
    budget: int = 0
    desc: str = ""
    repeats: int = 1
    max_worker_num: int | None = None
    use_gpu: bool = False
    gpus: tuple[int, ...] = ()


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
    kind = data.get("search", "grid")
    _check_budget(kind, data.get("budget"), where)
    return _within_limit(
        SearchSpec(
            parameters=parse_parameters(data["parameters"], where, ranges=kind != "grid"),
            search=kind,
            budget=data.get("budget", 0),
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
    "search": (lambda value: value in KINDS, "one of " + ", ".join(f'"{kind}"' for kind in KINDS)),
    "budget": (_is_count, "how many combinations to train, a whole number of at least 1"),
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


def _check_budget(kind: str, budget: int | None, where: str) -> None:
    if kind != "grid" and budget is None:
        raise ConfigError(
            f'{where}: "search": "{kind}" needs a budget: how many combinations to train, for '
            'example "budget": 30.'
        )
    if kind == "grid" and budget is not None:
        raise ConfigError(
            f"{where}: a grid trains every combination, so that it has no 'budget'. Leave it out, "
            'or add "search": "tpe" or "search": "random".'
        )


def _within_limit(spec: SearchSpec, where: str) -> SearchSpec:
    count = spec.repeats * (spec.budget or 1)
    if spec.search == "grid":
        for values in spec.parameters.values():
            assert isinstance(values, tuple)  # a grid has no ranges
            count *= len(values)
    if count > MOST_RUNS:
        raise ConfigError(
            f"{where}: this makes {count:,} runs, above the limit of {MOST_RUNS:,}. Search fewer "
            "values at a time."
        )
    return spec
