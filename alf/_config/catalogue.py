"""What can be configured, with the words of its docstring, and what a conf has set."""

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alf._config import builtins
from alf._config.origin import Origin
from alf._config.parameters import MISSING, Definition, Parameter
from alf._config.setting import Setting
from alf._config.settled import Settled
from alf._config.store import ConfigStore

DEFAULT = Origin("default")
_SECTION = re.compile(r"^(?:Args|Attributes):\n", re.MULTILINE)
_ARGUMENT = re.compile(r"(\s+)(\w+)(?: \([^)]*\))?:\s*(.*)")


@dataclass(frozen=True)
class Configurable:
    """A function or class whose parameters can be set.

    Attributes:
        name: `module.Class`.
        doc: the first line of its docstring.
        parameters: in the order of its signature.
    """

    name: str
    doc: str
    parameters: tuple["Described", ...]


@dataclass(frozen=True)
class Described:
    """A parameter.

    Attributes:
        name: its full name.
        default: its value where nobody sets one; `MISSING` where it needs one.
        annotation: its type as it is written; `""` for none.
        doc: what its docstring says of it, in one line.
    """

    name: str
    default: object
    annotation: str
    doc: str


@dataclass(frozen=True)
class Set:
    """A value that somebody set, or a default that was used.

    Attributes:
        name: full name of the parameter.
        value: the value.
        origin: file and line, or the flag; `DEFAULT` for what nobody set.
        is_override: whether it came before the conf and is stronger.
        instead_of: what a conf sets, where an override is stronger.
    """

    name: str
    value: Any
    origin: Origin
    is_override: bool = False
    instead_of: Setting | None = None


def import_everything() -> None:
    """Import all parts of `alf` that a conf can configure without importing them."""
    for module in dict.fromkeys(builtins.MODULES.values()):
        importlib.import_module(module)


def catalogue(store: ConfigStore, pattern: str = "") -> list[Configurable]:
    """What is known to the store, by name; first whatever has the pattern in its own name.

    Args:
        store: the config store.
        pattern: part of the names wanted, in any case: of a configurable, with all its parameters,
            or of parameters.
    """
    wanted = pattern.lower()
    found: list[Configurable] = []
    for name, definition in sorted(store.definitions.items()):
        docs = dict(_argument_docs(definition))
        settable = [p for p in definition.parameters.values() if _is_a_choice(p)]
        if wanted not in name.lower():
            settable = [p for p in settable if wanted in p.full_name.lower()]
        if settable:
            parameters = tuple(_described(p, docs) for p in settable)
            found.append(Configurable(name, _docstring(definition).partition("\n")[0], parameters))

    def distance(entry: Configurable) -> tuple[bool, int]:
        own = entry.name.rpartition(".")[2].lower()
        return wanted not in own, own.find(wanted)  # what begins with it comes before the others

    return sorted(found, key=distance)


def settings(store: ConfigStore) -> list[Set]:
    """Every value that was set, by name."""
    return [
        Set(
            name,
            setting.value,
            setting.origin,
            setting.override is not None,
            setting.instead_of,
        )
        for name, setting in sorted(store.settings.items())
    ]


def operative(store: ConfigStore) -> list[Set]:
    """Every value that something has used, set or default, by name."""
    used = {one.name: one for one in settings(store) if store.settings[one.name].used}
    for full in store.first_use:
        parameter = store.parameters.get(full)
        if full in store.settings or parameter is None or not _is_a_choice(parameter):
            continue
        used[full] = Set(full, parameter.default_value(), DEFAULT)
    return [used[full] for full in sorted(used)]


def short_name(store: ConfigStore, full: str) -> str:
    """The shortest name that means this parameter alone, but not without its owner."""
    parts = full.split(".")
    for count in range(2, len(parts)):
        name = ".".join(parts[-count:])
        if store.candidates(name) == [full]:
            return name
    return full


def _is_a_choice(parameter: Parameter) -> bool:
    """Whether there is more than one value that it can have."""
    return parameter.refusal is None and not isinstance(parameter.annotation, Settled)


def _described(parameter: Parameter, docs: dict[str, str]) -> Described:
    annotation = parameter.annotation
    text = "" if annotation is MISSING else _annotation_text(annotation)
    short = parameter.full_name.rpartition(".")[2]
    return Described(parameter.full_name, parameter.default_value(), text, docs.get(short, ""))


def _annotation_text(annotation: object) -> str:
    if isinstance(annotation, str):
        return annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _owner(definition: Definition) -> Any:
    module, qualified = definition.identity
    owner: Any = importlib.import_module(module)
    for part in qualified.split("."):
        owner = getattr(owner, part, None)
    return owner


def _docstring(definition: Definition) -> str:
    return inspect.getdoc(_owner(definition)) or ""


def _argument_docs(definition: Definition) -> Iterator[tuple[str, str]]:
    """Names and texts of the arguments in Google docstrings, those of base classes first."""
    owner = _owner(definition)
    for part in reversed(owner.__mro__) if isinstance(owner, type) else [owner]:
        doc = inspect.cleandoc(part.__doc__ or "")
        for section in _SECTION.split(doc)[1:]:
            yield from _entries(section)


def _entries(section: str) -> Iterator[tuple[str, str]]:
    name, text, indent = "", "", ""
    for line in section.splitlines():
        if line and not line[0].isspace():
            break
        match = _ARGUMENT.fullmatch(line)
        if match and (not indent or match[1] == indent):
            if name:
                yield name, text
            indent, name, text = match[1], match[2], match[3]
        else:
            text = f"{text} {line.strip()}".strip()
    if name:
        yield name, text
