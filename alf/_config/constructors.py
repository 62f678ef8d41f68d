"""Constructors that a conf gives to parts of `alf`, and what becomes of one that does not fit.

`algorithm_ctor=partial(MyAlgorithm, ...)` is called far from the conf that wrote it. So whoever has
a parameter that is annotated `Callable[..., Made]` is not handed the constructor as it is, but as a
`Constructor`: one that says in words of the conf what it was called with and does not take, or that
it made something else. Nothing at the places that call constructors has to think of it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType, UnionType
from typing import Any, Union, cast, get_args, get_origin

from alf._config import annotations, checks, lessons
from alf._config.origin import Origin
from alf._config.parameters import MISSING, Definition, Parameter
from alf._config.store import current
from alf._config.values import described, taken_by
from alf.errors import ConfigError

_PACKAGE = __name__.rpartition(".")[0]
_FUNCTION = get_origin(Callable[[], None])


class Constructor(functools.partial[Any]):
    """A constructor of the user's, checked when it is called.

    It is a `partial` without arguments, so that it has the signature of what it calls, can be sent
    to another process, and is told apart from that by nothing but the error.
    """

    given: Callable[..., Any]
    parameter: str
    makes: object

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Make it.

        Raises:
            ConfigError: it does not take these arguments, or made something else.
        """
        try:
            made = self.given(*args, **kwargs)
        except TypeError as error:
            if not _is_of_the_call(error.__traceback__):
                raise  # from inside of it: the user's own code tells more
            where = _origin(self.given)
            raise ConfigError(
                lessons.does_not_take(
                    self.parameter,
                    described(self.given),
                    [*map(lessons.shown, args), *(f"{name}=" for name in kwargs)],
                    taken_by(self.given),
                    str(error),
                    where,
                )
            ) from None
        if not _is_what_is_made(self.makes, made):
            where = _origin(self.given)
            raise ConfigError(
                lessons.makes_another(
                    self.parameter, described(self.given), made, _named(self.makes), where
                )
            )
        return made

    def __repr__(self) -> str:
        return described(self.given)


def handed(definition: Definition, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, with its constructors as `Constructor`s.

    Args:
        definition: what is called.
        kwargs: its arguments.

    Raises:
        ConfigError: what stands in the place of a constructor cannot be called.
    """
    found = dict(kwargs)
    for name in definition.constructors & found.keys():
        parameter = definition.parameters[name]
        expected = annotations.mismatch(parameter, found[name])
        if expected is not None:
            where = _origin(found[name])
            raise ConfigError(lessons.wrong_type(parameter.full_name, found[name], expected, where))
        found[name] = _checked(found[name], parameter)
    return found


def _checked(value: Any, parameter: Parameter) -> Any:
    if type(value) in (list, tuple):
        items = cast("list[Any] | tuple[Any, ...]", value)
        return type(items)([_checked(item, parameter) for item in items])
    given = cast(object, value)
    if not callable(given) or isinstance(given, Constructor):
        return given  # it was passed on: the parameter that it was set for is the one to name
    made = Constructor(given)
    made.given, made.parameter = given, parameter.full_name
    made.makes = next(_results(annotations.evaluated(parameter)), MISSING)
    return made


def _results(annotation: object) -> Iterator[object]:
    """What `Callable[..., Made]` makes, wherever that stands in an annotation."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is _FUNCTION and inner and inner[0] is Ellipsis:
        yield inner[1]
    elif origin in (Union, UnionType) or origin is not None:
        for one in inner:
            yield from _results(one)


def _is_of_the_call(trace: TracebackType | None) -> bool:
    """Whether an error arose before any code but ours was entered."""
    while trace is not None:
        if not str(trace.tb_frame.f_globals.get("__name__", "")).startswith(_PACKAGE):
            return False
        trace = trace.tb_next
    return True


def _is_what_is_made(expected: object, made: object) -> bool:
    if expected is MISSING:
        return True
    if annotations.is_ours(expected):
        kind = cast("type[Any]", expected)
        promised = [name for name in dir(kind) if not name.startswith("_")]
        return isinstance(made, kind) or all(hasattr(made, name) for name in promised)
    return annotations.accepts(expected, made)


def _named(expected: object) -> str:
    if isinstance(expected, type):
        return f"{expected.__module__}.{expected.__name__}"
    return "something that can be called" if get_origin(expected) is _FUNCTION else str(expected)


def _origin(given: object) -> Origin | None:
    """Who set a value of which this is, or is a part; `None` for what code passed itself."""
    for setting in current().settings.values():
        if any(one is given for one in checks.parts(setting.value)):
            return setting.origin
    return None
