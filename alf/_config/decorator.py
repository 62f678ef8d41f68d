"""`configurable`: a function or class whose parameters can be set by name."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast, overload

from alf._config.constructors import handed
from alf._config.origin import caller
from alf._config.parameters import Definition, describe
from alf._config.store import CURRENT
from alf.errors import ConfigError

T = TypeVar("T")


@overload
def configurable(
    fn_or_name: str | None = None,
    whitelist: Collection[str] = (),
    blacklist: Collection[str] = (),
    retired: Mapping[str, str] | None = None,
) -> Callable[[T], T]: ...
@overload
def configurable(
    fn_or_name: T,
    whitelist: Collection[str] = (),
    blacklist: Collection[str] = (),
    retired: Mapping[str, str] | None = None,
) -> T: ...
def configurable(
    fn_or_name: Any = None,
    whitelist: Collection[str] = (),
    blacklist: Collection[str] = (),
    retired: Mapping[str, str] | None = None,
) -> Any:
    """Let `alf.config` set the parameters of a function or class.

    Use it as `@configurable`, `@configurable("name")`, or `configurable(fn)`. A value is looked up
    at each call, for parameters that the call does not pass. A class stays the same object; its
    constructor is wrapped. A subclass that calls `super().__init__` leaves the parameters that it
    does not pass to the configuration of the base class. `*args` and `**kwargs` themselves, and
    parameters by position only, cannot be set.

    Args:
        fn_or_name: the function or class, or a name in place of its own; the full name is the
            module and this.
        whitelist: if not empty, the only parameters that can be set.
        blacklist: parameters that cannot be set.
        retired: parameters that no longer exist -> what to do instead; setting one is an error
            that says so.

    Raises:
        ConfigError: another configurable has the same full name, or a list names a parameter that
            is not there.
    """
    if fn_or_name is None or isinstance(fn_or_name, str):
        name: str | None = fn_or_name

        def decorate(target: Any) -> Any:
            return _decorate(target, name, whitelist, blacklist, retired)

        return decorate
    return _decorate(fn_or_name, None, whitelist, blacklist, retired)


def _decorate(
    target: Any,
    name: str | None,
    whitelist: Collection[str],
    blacklist: Collection[str],
    retired: Mapping[str, str] | None,
) -> Any:
    if isinstance(target, classmethod | staticmethod):
        inner = cast("classmethod[Any, Any, Any] | staticmethod[Any, Any]", target)
        kind = type(inner)
        return kind(_decorate(inner.__func__, name, whitelist, blacklist, retired))
    if not callable(target) or not hasattr(target, "__qualname__"):
        raise ConfigError(
            f"{caller()}: configurable takes a function or a class, but was given {target!r}."
        )
    if isinstance(target, type):
        return _decorate_class(cast("type[Any]", target), name, whitelist, blacklist, retired)
    function: Any = target
    definition = describe(function, function, name, whitelist, blacklist, retired)
    CURRENT.store.define(definition, caller())
    return _wrap(function, definition)


def _decorate_class(
    cls: type[Any],
    name: str | None,
    whitelist: Collection[str],
    blacklist: Collection[str],
    retired: Mapping[str, str] | None,
) -> type[Any]:
    constructor = _constructor(cls)
    function = getattr(cls, constructor)
    if function is not object.__init__ and not hasattr(inspect.unwrap(function), "__globals__"):
        raise ConfigError(
            f"{caller()}: {cls.__qualname__} is written in C and cannot be made configurable. "
            "Make a function that builds it configurable instead."
        )
    definition = describe(cls, function, name, whitelist, blacklist, retired)
    CURRENT.store.define(definition, caller())
    if definition.parameters:  # a dataclass decorator above us must find the class untouched
        _wrap_constructor(cls, constructor, definition)
    return cls


def _constructor(cls: type[Any]) -> str:
    """The method that takes the arguments: `__new__` for a named tuple, else `__init__`."""
    if cls.__init__ is object.__init__ and cls.__new__ is not object.__new__:
        return "__new__"
    return "__init__"


def _wrap_constructor(cls: type[Any], attribute: str, definition: Definition) -> None:
    own = vars(cls).get(attribute)
    if isinstance(own, staticmethod):
        own = cast("staticmethod[Any, Any]", own).__func__
    if own is None:
        base: Callable[..., Any] = getattr(cls, attribute)

        @functools.wraps(base)
        def inherited(self: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(cast(Any, super(cls, self)), attribute)(*args, **kwargs)

        @functools.wraps(base)
        def inherited_new(kind: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(cast(Any, super(cls, kind)), attribute)(kind, *args, **kwargs)

        own = inherited if attribute == "__init__" else inherited_new
    wrapped = _wrap(own, definition)
    setattr(cls, attribute, staticmethod(wrapped) if attribute == "__new__" else wrapped)


def _wrap(function: Callable[..., Any], definition: Definition) -> Callable[..., Any]:
    """A function that adds configured values to each call; on hot paths, so one look-up."""
    current = CURRENT

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        store = current.store
        shape = (len(args), *kwargs)
        try:
            added = store.plans[definition][shape]
        except KeyError:
            added = store.plan(definition, shape, caller)
        if definition.constructors:
            args, kwargs = handed(definition, args, {**kwargs, **added})
            return function(*args, **kwargs)
        if added:
            return function(*args, **kwargs, **added)
        return function(*args, **kwargs)

    return call
