"""Functions and constructors that a conf gives to parts of `alf`, and what becomes of wrong ones.

`algorithm_ctor=partial(MyAlgorithm, ...)` is called far from the conf that wrote it. So whoever has
a parameter that is annotated `Callable[[Taken], Made]` or `Callable[..., Made]` is not handed the
function as it is, but as a `Constructor`: one that says in words of the conf what it was called
with and does not take, or that it made something else. Nothing at the places that call it has to
think of it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType, UnionType
from typing import Any, Union, cast, get_args, get_origin

from alf._config import annotations, checks, fitting, lessons
from alf._config.origin import Origin
from alf._config.parameters import MISSING, Definition, Parameter
from alf._config.store import current
from alf._config.values import described, taken_by
from alf.errors import AlfError, ConfigError
from alf.failures import is_library

_PACKAGE = __name__.rpartition(".")[0]
_FUNCTION = get_origin(Callable[[], None])


class Constructor(functools.partial[Any]):
    """A function, or a constructor, of the user's: checked when it is called.

    It is a `partial` without arguments, so that it has the signature of what it calls, can be sent
    to another process, and is told apart from that by nothing but the error.
    """

    given: Callable[..., Any]
    parameter: str
    makes: object

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it.

        Raises:
            ConfigError: it does not take these arguments, or made something else.
        """
        try:
            made = self.given(*args, **kwargs)
        except AlfError:
            raise
        except Exception as error:
            lesson = self._told(error, args, kwargs)
            if lesson is None:
                raise  # from inside of it: the user's own code, or ours, tells more
            raise ConfigError(lesson) from error
        if self.makes is not MISSING and not annotations.is_result(self.makes, made):
            where = _origin(self.given)
            raise ConfigError(
                lessons.makes_another(
                    self.parameter, described(self.given), made, _named(self.makes), where
                )
            )
        return made

    def __repr__(self) -> str:
        return described(self.given)

    def _told(
        self, error: Exception, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> str | None:
        """What to say of a failed call; `None` where code was entered that has more to say."""
        if _has_no_memory(error) or not _is_of_the_call(error.__traceback__):
            return None
        passed = [*map(lessons.passed, args), *(f"{name}=" for name in kwargs)]
        given, where = described(self.given), _origin(self.given)
        if isinstance(error, TypeError):
            taken = taken_by(self.given)
            return lessons.does_not_take(self.parameter, given, passed, taken, str(error), where)
        return lessons.fails(self.parameter, given, passed, error, where)


def checked(given: Callable[..., Any], parameter: str, makes: object = MISSING) -> Constructor:
    """A function that a parameter was given, such that it tells of itself what goes wrong.

    Args:
        given: the function.
        parameter: the name of what it was given for.
        makes: what it must give; `MISSING` for anything.
    """
    if isinstance(given, Constructor):
        return given  # it was passed on: the parameter that it was set for is the one to name
    made = Constructor(given)
    made.given, made.parameter, made.makes = given, parameter, makes
    return made


def handed(
    definition: Definition, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with its functions and constructors as `Constructor`s.

    Args:
        definition: what is called.
        args: its arguments by position.
        kwargs: its arguments by name.

    Raises:
        ConfigError: what stands in the place of a function cannot be called.
    """
    by_position, by_name = list(args), dict(kwargs)
    for index, name in enumerate(definition.positional[: len(by_position)]):
        if name in definition.constructors:
            by_position[index] = _handed(definition.parameters[name], by_position[index])
    for name in definition.constructors & by_name.keys():
        by_name[name] = _handed(definition.parameters[name], by_name[name])
    return tuple(by_position), by_name


def _handed(parameter: Parameter, value: Any) -> Any:
    is_ours = parameter.full_name.startswith("alf.")
    # What code of the user's passes to code of the user's is theirs to judge.
    expected = fitting.mismatch(parameter, value) if is_ours else None
    if expected is not None:
        raise ConfigError(lessons.wrong_type(parameter.full_name, value, expected, _origin(value)))
    annotation = annotations.evaluated(parameter)
    found = next(_functions(annotation), None)
    return value if found is None else _each(value, parameter, found, is_ours)


def _each(value: Any, parameter: Parameter, annotation: object, is_ours: bool) -> Any:
    if type(value) in (list, tuple):
        items = cast("list[Any] | tuple[Any, ...]", value)
        return type(items)([_each(item, parameter, annotation, is_ours) for item in items])
    given = cast(object, value)
    if not callable(given):
        return given
    takes, makes = get_args(annotation) or (..., MISSING)
    if not is_ours and isinstance(given, type):
        return given  # classes are compared, and asked for what they have
    if takes is not Ellipsis and _is_object(given):
        return given
    return checked(given, parameter.full_name, makes)


def _is_object(given: object) -> bool:
    """Whether it is more than a function: a module with parameters, a schedule of ours."""
    kind = type(given)
    return hasattr(kind, "state_dict") or kind.__module__.startswith("alf.")


def _functions(annotation: object) -> Iterator[object]:
    """`Callable[..., Made]`, wherever that stands in an annotation."""
    origin = get_origin(annotation)
    if origin is _FUNCTION:
        yield annotation
    elif origin in (Union, UnionType) or origin is not None:
        for one in get_args(annotation):
            yield from _functions(one)


def _is_of_the_call(trace: TracebackType | None) -> bool:
    """Whether an error arose before any code was entered but ours here and that of libraries."""
    while trace is not None:
        frame = trace.tb_frame
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(_PACKAGE) and not is_library(frame.f_code.co_filename):
            return False
        trace = trace.tb_next
    return True


def _has_no_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__


def _named(expected: object) -> str:
    if isinstance(expected, type):
        return f"{expected.__module__}.{expected.__name__}".removeprefix("builtins.")
    return "something that can be called" if get_origin(expected) is _FUNCTION else str(expected)


def _origin(given: object) -> Origin | None:
    """Who set a value of which this is, or is a part; `None` for what code passed itself."""
    for setting in current().settings.values():
        if any(one is given for one in checks.parts(setting.value)):
            return setting.origin
    return None
