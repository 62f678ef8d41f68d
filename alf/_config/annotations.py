"""Whether a value can be meant for a parameter, judged by the parameter's annotation.

A plain value (a number, text, a built-in container, `None`) is judged against a plain annotation or
a class of `alf`; any other value, such as an array or a function, by what it can do where a plain
annotation stands. Whatever is in doubt passes: a false alarm costs a user more than a late error.
"""

import collections.abc
import functools
import inspect
import math
import types
from collections.abc import Callable
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from alf._config.parameters import MISSING, Parameter

_PLAIN = (str, bytes, bool, int, float, complex, list, tuple, dict, set, frozenset, type(None))
_FUNCTION = get_origin(Callable[[], None])
_SCALARS = (str, bytes, bool, int, float, complex, type(None))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))


def _is_int(value: object) -> bool:
    # 1e6 is how people write a million; a fraction can never be meant.
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _is_float(value: object) -> bool:
    return isinstance(value, int | float)


def _is_complex(value: object) -> bool:
    return isinstance(value, int | float | complex)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _is_none(value: object) -> bool:
    return value is None


def _is_container(value: object) -> bool:
    return not isinstance(value, _SCALARS)


def _is_sequence(value: object) -> bool:
    return not isinstance(value, (*_SCALARS, dict))


def _is_iterable(value: object) -> bool:
    return isinstance(value, str | bytes) or _is_container(value)


def _never(value: object) -> bool:
    return False


# What a plain value must be like, for each plain annotation; others accept everything.
_ACCEPTS: dict[object, Callable[[object], bool]] = {
    str: _is_text,
    bool: _is_bool,
    int: _is_int,
    float: _is_float,
    complex: _is_complex,
    bytes: _is_bytes,
    type(None): _is_none,
    None: _is_none,
    tuple: _is_sequence,
    list: _is_sequence,
    set: _is_sequence,
    frozenset: _is_sequence,
    dict: _is_container,
    collections.abc.Sequence: _is_iterable,
    collections.abc.Iterable: _is_iterable,
    collections.abc.Collection: _is_iterable,
    collections.abc.Mapping: _is_container,
    _FUNCTION: _never,
    type: _never,
}


def _like_a_number(value: object) -> bool:
    """Arrays and tensors count, and objects that are called for a number, as schedules are."""
    kind = type(value)
    if hasattr(kind, "shape"):  # of an array or tensor, there must be one number in it
        return math.prod(getattr(value, "shape", ())) == 1
    converts = any(hasattr(kind, name) for name in ("__index__", "__int__", "__float__"))
    return converts or (callable(value) and not isinstance(value, CODE))


def _like_a_schedule(value: object) -> bool:
    return _like_a_number(value) or isinstance(value, CODE)


def _like_text(value: object) -> bool:
    is_array = hasattr(type(value), "shape")
    return not isinstance(value, CODE) and not is_array and not _like_a_number(value)


def _like_items(value: object) -> bool:
    kind = type(value)
    return any(hasattr(kind, name) for name in ("__iter__", "__len__"))


CODE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    functools.partial,
    type,
)
# What any other value must be like.
_ACCEPTS_OTHERS: dict[object, Callable[[object], bool]] = {
    bool: _like_a_number,
    int: _like_a_number,
    float: _like_a_schedule,
    complex: _like_a_schedule,
    str: _like_text,
    type(None): _never,
    None: _never,
    **dict.fromkeys((tuple, list, set, frozenset, dict), _like_items),
    **dict.fromkeys(
        (
            collections.abc.Sequence,
            collections.abc.Iterable,
            collections.abc.Collection,
            collections.abc.Mapping,
        ),
        _like_items,
    ),
    _FUNCTION: callable,
    type: callable,
}


def accepts(annotation: object, value: object) -> bool:
    """Whether `value` can be meant where `annotation` stands; `True` where there is doubt."""
    is_plain = type(value) in _PLAIN
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(accepts(choice, value) for choice in _choices(annotation, value))
    if origin is Literal:
        return not is_plain or value in get_args(annotation)
    if not _hashable(annotation):
        return True
    judge = (_ACCEPTS if is_plain else _ACCEPTS_OTHERS).get(origin or annotation)
    if judge is None:
        return not is_ours(annotation) or is_like(cast("type[Any]", annotation), value)
    if origin is _FUNCTION:
        return judge(value) and _can_be_called(annotation, value)
    return judge(value) and _accepts_items(annotation, value)


def _choices(annotation: object, value: object) -> list[object]:
    """The parts of a union that can be meant by a value: of a function, never a number."""
    choices = list(get_args(annotation))
    functions = [one for one in choices if get_origin(one) is _FUNCTION]
    return functions or choices if isinstance(value, CODE) else choices


def _can_be_called(annotation: object, value: object) -> bool:
    """Whether a function takes as many arguments as `Callable[[First, Second], Result]` says."""
    arguments = get_args(annotation)
    if not arguments or not isinstance(arguments[0], list) or not isinstance(value, CODE):
        return True
    try:
        signature = inspect.signature(cast(Callable[..., object], value))
    except (ValueError, TypeError):  # it is written in C, and does not say
        return True
    calls = [cast("list[object]", arguments[0])]
    if isinstance(value, type):
        calls.append([])  # a class may stand for what it makes, as an activation's does
    is_configured = hasattr(cast(object, value), "__wrapped__")
    return any(_binds(signature, call, is_configured) for call in calls)


def _binds(signature: inspect.Signature, call: list[object], is_configured: bool) -> bool:
    try:
        (signature.bind_partial if is_configured else signature.bind)(*call)
    except TypeError:
        return False
    return True


def is_ours(annotation: object) -> bool:
    """Whether it is a class of `alf`, of which neither plain values nor functions are instances."""
    if not isinstance(annotation, type) or issubclass(annotation, _PLAIN):
        return False
    kind = cast(Any, annotation)
    return kind.__module__.startswith("alf.") and not getattr(kind, "_is_protocol", False)


def is_like(kind: type[Any], value: object) -> bool:
    """Whether a value is of a class, or has all that the class lets others call.

    Neither plain values nor functions and classes stand for an object, whatever they have.
    """
    if isinstance(value, kind):
        return True
    if type(value) in _PLAIN or isinstance(value, CODE) or issubclass(kind, tuple):
        return False
    members = ((name, getattr(kind, name)) for name in dir(kind) if not name.startswith("_"))
    promised = (name for name, it in members if callable(it) or isinstance(it, property))
    return all(hasattr(value, name) for name in promised)


def is_result(annotation: object, made: object) -> bool:
    """Whether a function whose result is annotated so may have given this."""
    if isinstance(annotation, type) and type(made) is annotation:  # mostly; asked at each call
        return True
    if any(annotation is number for number in (bool, int, float)):  # what a schedule gives
        return _like_a_number(made) and not callable(made) and hasattr(type(made), "__float__")
    known = _hashable(annotation) and annotation in _ACCEPTS
    if known or not isinstance(annotation, type) or getattr(annotation, "_is_protocol", False):
        return accepts(annotation, made)
    return annotation in (Any, object) or is_like(cast("type[Any]", annotation), made)


def _accepts_items(annotation: object, value: object) -> bool:
    """Whether the items of a list or tuple can be meant where `tuple[int, ...]` or so stands."""
    kinds = get_args(annotation)
    if not kinds:
        return True
    if hasattr(value, "shape"):  # an array holds numbers
        return get_origin(kinds[0]) is None
    if not isinstance(value, list | tuple | str | bytes):
        return True
    items = cast("list[object] | tuple[object, ...]", value)
    if get_origin(annotation) is tuple and kinds[-1] is not Ellipsis:
        return len(items) != len(kinds) or all(map(accepts, kinds, items))
    return all(accepts(kinds[0], item) for item in items)


def _hashable(annotation: object) -> bool:
    try:
        hash(annotation)
    except TypeError:  # e.g. a `Literal` of something that is not
        return False
    return True


def evaluated(parameter: Parameter) -> object:
    """The parameter's annotation as an object; `MISSING` where it cannot be known here."""
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    holder: Any = types.SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        return get_type_hints(holder, globalns=dict(parameter.names))["it"]
    except (NameError, AttributeError, TypeError, SyntaxError, ValueError, LookupError):
        return MISSING  # a name imported for type checkers only, or no type at all
