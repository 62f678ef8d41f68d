"""Whether a value can be meant for a parameter: what a conf can be told where it sets it.

A partial of a configurable is looked into: a misspelt argument in `algorithm_ctor=partial(...)`
would else be found only when the algorithm is made, far from the conf.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Any, cast

from alf._config import fitting, lessons
from alf._config.origin import Origin
from alf._config.parameters import Definition, Parameter
from alf._config.settled import Settled
from alf.errors import ConfigError

_DEPTH = 8


def require_fit(
    parameter: Parameter, value: object, origin: Origin, definitions: Iterable[Definition]
) -> None:
    """Refuse a value that cannot be meant.

    Args:
        parameter: what is set.
        value: to what.
        origin: who sets it.
        definitions: all configurables.

    Raises:
        ConfigError: the value is plainly of the wrong type, or not possible here, or a partial
            with an argument that cannot be meant.
    """
    _require_type(parameter, value, origin)
    for part in parts(value):
        if isinstance(part, functools.partial):
            found = cast("functools.partial[Any]", part)
            _require_arguments(found, origin, definitions)


def _require_type(parameter: Parameter, value: object, origin: Origin) -> None:
    if isinstance(parameter.annotation, Settled):
        if not parameter.annotation.suits(value):
            refusal = parameter.annotation.refusal(value)
            raise ConfigError(lessons.refused(parameter.full_name, origin, refusal))
        return
    expected = fitting.mismatch(parameter, value)
    if expected is not None:
        raise ConfigError(lessons.wrong_type(parameter.full_name, value, expected, origin))
    text = fitting.unwritable(parameter, value)
    if text is not None:
        raise ConfigError(lessons.unwritable(parameter.full_name, text, origin))


def parts(value: object, depth: int = _DEPTH) -> Iterator[object]:
    """A value, what is in it where it is a plain container, and the arguments of partials in it."""
    yield value
    inner: Iterable[object] = ()
    if isinstance(value, functools.partial):
        found = cast("functools.partial[Any]", value)
        inner = (*found.args, *found.keywords.values())
    elif isinstance(value, list | tuple):
        inner = cast("Iterable[object]", value)
    elif isinstance(value, dict):
        inner = cast("dict[object, object]", value).values()
    for one in inner if depth else ():
        yield from parts(one, depth - 1)


def passes(value: object, definition: Definition, name: str) -> bool:
    """Whether a value is a partial of a configurable that passes this argument itself."""
    if not isinstance(value, functools.partial):
        return False
    found = cast("functools.partial[Any]", value)
    by_position = definition.positional[definition.is_class :][: len(found.args)]
    is_of_it = _identity(found.func) == definition.identity
    return is_of_it and (name in found.keywords or name in by_position)


def _identity(function: object) -> tuple[str | None, str | None]:
    return getattr(function, "__module__", None), getattr(function, "__qualname__", None)


def _require_arguments(
    partial: "functools.partial[Any]", origin: Origin, definitions: Iterable[Definition]
) -> None:
    identity = _identity(partial.func)
    definition = next((one for one in definitions if one.identity == identity), None)
    if definition is None:
        return
    for name, value in partial.keywords.items():
        if name in definition.retired:
            full = f"{definition.full_name}.{name}"
            raise ConfigError(lessons.refused(full, origin, definition.retired[name]))
        parameter = definition.parameters.get(name)
        if parameter is not None:
            _require_type(parameter, value, origin)
        elif not definition.takes_any and name not in definition.positional:
            raise ConfigError(
                lessons.unknown_argument(identity[1], name, origin, [*definition.parameters])
            )
