"""Parameters that confs know and whose question is settled here: one answer is right, or any is.

A conf often says what would have happened anyway. `settled` lets it say so, and answers any other
value with what to use instead; a parameter that no value suits is `retired` in `configurable`.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from alf._config import lessons
from alf._config.origin import caller
from alf.errors import ConfigError

T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Settled:
    """What is true of a parameter here.

    Args:
        value: the answer that holds; also the parameter's default.
        lesson: what to do instead of giving another value.
        accepts: which other values ask for the same; `None` for no other.
    """

    value: Any
    lesson: str
    accepts: Callable[[Any], bool] | None = None

    def suits(self, value: Any) -> bool:
        """Whether `value` asks for what happens here."""
        try:
            same = value is self.value or (type(value) is type(self.value) and value == self.value)
            return bool(same or (self.accepts is not None and self.accepts(value)))
        except (TypeError, ValueError, RuntimeError):  # arrays, which are neither equal nor not
            return False

    def refusal(self, value: Any) -> str:
        """The words for a value that does not suit."""
        return f"{lessons.shown(value)} is not possible: {self.lesson}"


def no_matter(value: Any) -> Settled:
    """A parameter that may have any value, since nothing here depends on it.

    Args:
        value: its default.
    """
    return Settled(value, "", lambda _: True)


def settled(**parameters: Settled) -> Callable[[T], T]:
    """Give a function or class parameters whose question is settled; stands below `configurable`.

    They are checked when a conf sets them and at each call, and go no further.

    Raises:
        ConfigError: then, when a parameter is given a value that does not suit.
    """

    def decorate(target: T) -> T:
        owner = f"{target.__module__}.{target.__qualname__}"
        if isinstance(target, type):
            cls = cast(Any, target)
            cls.__init__ = _without(cls.__init__, owner, parameters)
            return cast(T, target)
        return cast(T, _without(target, owner, parameters))

    return decorate


def _without(
    function: Callable[..., Any], owner: str, parameters: dict[str, Settled]
) -> Callable[..., Any]:
    """`function` behind a check that takes `parameters` off the arguments."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for name in [name for name in kwargs if name in parameters]:
            _check(f"{owner}.{name}", kwargs.pop(name), parameters[name])
        return function(*args, **kwargs)

    described = cast(Any, call)
    described.__signature__ = _extended(inspect.signature(function), parameters)
    return described


def _check(full_name: str, value: Any, parameter: Settled) -> None:
    if not parameter.suits(value):
        raise ConfigError(lessons.refused(full_name, caller(), parameter.refusal(value)))


def _extended(signature: inspect.Signature, parameters: dict[str, Settled]) -> inspect.Signature:
    """The signature with the parameters, as keywords, before any `**kwargs`."""
    own = list(signature.parameters.values())
    end = len(own) - 1 if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD else len(own)
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=parameter.value, annotation=parameter
        )
        for name, parameter in parameters.items()
    ]
    return signature.replace(parameters=[*own[:end], *added, *own[end:]])
