"""Every combination of a search, and a folder name that tells which one it is."""

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alf._config import Override
from alf.errors import ConfigError
from alf.search.space import Range
from alf.search.spec import SearchSpec

SEED_PARAMETER = "alf.trainers.trainer_config.TrainerConfig.random_seed"

_LONGEST_NAME = 100
_LONGEST_VALUE = 24
_UNSAFE = re.compile(r"[^A-Za-z0-9._]+")


@dataclass(frozen=True)
class Run:
    """One job of a search.

    Attributes:
        index: number of its combination, from 0, in the order of the search.
        repeat: how many jobs of the same combination come before.
        name: of its folder; unique in the search.
        parameters: what is searched: name -> value of this combination.
    """

    index: int
    repeat: int
    name: str
    parameters: Mapping[str, Override]


def expand(spec: SearchSpec) -> list[Run]:
    """Every combination, `spec.repeats` times each; the last parameter changes fastest.

    Returns:
        The jobs of a grid; nothing for any other search, whose jobs are not known before it runs.

    Raises:
        ConfigError: the seed is searched and repeated at once.
    """
    names = list(spec.parameters)
    if spec.repeats > 1 and any(map(is_seed, names)):
        raise ConfigError(
            f"The search has {spec.repeats} repeats and also sets 'TrainerConfig.random_seed', so "
            "that repeats would be the same job again. Leave out one of the two; each repeat gets "
            "a seed of its own."
        )
    runs: list[Run] = []
    if spec.search == "grid":
        lists = [values for values in spec.parameters.values() if not isinstance(values, Range)]
        assert len(lists) == len(names)  # a grid has no ranges
        short = abbreviations(names)
        for index, values in enumerate(itertools.product(*lists)):
            parameters = dict(zip(names, values, strict=True))
            runs += repeated(index, parameters, spec.repeats, short)
    return runs


def repeated(
    index: int, parameters: Mapping[str, Override], repeats: int, short: Mapping[str, str]
) -> list[Run]:
    """The jobs of one combination.

    Args:
        index: its number.
        parameters: name -> value.
        repeats: how many jobs.
        short: name -> what stands for it in the name of the folder.
    """
    return [
        Run(index, repeat, folder_name(index, repeat, parameters, short), parameters)
        for repeat in range(repeats)
    ]


def is_seed(name: str) -> bool:
    """Whether a parameter's name, written in full or in short, means the seed of a job."""
    return f".{SEED_PARAMETER}".endswith(f".{name}")


def abbreviations(names: Sequence[str]) -> dict[str, str]:
    """For each name as few of its last components as tell it from the others."""
    short: dict[str, str] = {}
    for name in names:
        parts = name.split(".")
        others = [other for other in names if other != name]
        for count in range(1, len(parts) + 1):
            short[name] = ".".join(parts[-count:])
            if not any(f".{other}".endswith(f".{short[name]}") for other in others):
                break
    return short


def folder_name(
    index: int, repeat: int, parameters: Mapping[str, Override], short: Mapping[str, str]
) -> str:
    """For example `3r0+lr=0.001+gamma=0.98`: letters, digits and `._+=-` only.

    Args:
        index: number of the combination.
        repeat: number of the repeat.
        parameters: name -> value.
        short: name -> what stands for it.
    """
    parts = [f"{_safe(short[name])}={_shown(value)}" for name, value in parameters.items()]
    name = "+".join([f"{index}r{repeat}", *parts])
    if len(name) <= _LONGEST_NAME:
        return name
    told = "+".join(f"{key}={value.source}" for key, value in parameters.items())
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9].rstrip('._+=-')}-{digest}"


def _shown(value: Override) -> str:
    if type(value.value) in (int, float):
        return _cut(value.source if type(value.value) is int else repr(value.value))
    text = value.value if isinstance(value.value, str) else value.source
    return _cut(_safe(text))


def _safe(text: str) -> str:
    """Only characters that every file system and shell takes; no dot or dash at the ends."""
    return _UNSAFE.sub("-", text).strip("-._") or "_"


def _cut(text: str) -> str:
    return text[:_LONGEST_VALUE].rstrip("._-") or "_"
