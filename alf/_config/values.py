"""Configured values for people: in one line, and whether two of them mean the same.

Values of two jobs were made by two runs of two confs. They are the same objects nowhere, and `==`
says nothing of functions, partials, classes of confs and most objects.
"""

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

_DEPTH = 8
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
# What Python puts into every class, and what differs between two runs of one definition.
_NOT_OF_A_CLASS = frozenset(
    {"__module__", "__dict__", "__weakref__", "__firstlineno__", "_abc_impl"}
)


def described(value: Any) -> str:
    """A value in one line, without addresses: `partial(PPOLoss, gamma=0.98)`."""
    return _described(value, _DEPTH)


def alike(first: Any, second: Any) -> bool:
    """Whether two values mean the same: equal data, or code that does the same.

    Functions are alike if they have name and compiled code in common, classes of two confs if their
    members are, objects of other classes if their attributes are.
    """
    return _alike(first, second, set())


def taken_by(given: Callable[..., Any]) -> str:
    """The parameters of a callable in one line, those with a default in brackets."""
    own = getattr(given, "forward", given)  # a module of torch takes what this takes
    try:
        signature = inspect.signature(own)
    except (ValueError, TypeError):  # it is written in C, and does not say
        return "other arguments"
    return f"({', '.join(map(_written, signature.parameters.values()))})"


# In one line --------------------------------------------------------------------------------------


def _described(value: Any, depth: int) -> str:
    if not depth:
        return "..."
    for kinds, describe in _DESCRIBERS:
        if isinstance(value, kinds):
            return describe(value, depth - 1)
    if type(value).__repr__ is object.__repr__:
        return f"<{type(value).__name__}>"
    return _represented(value)


def _represented(value: Any) -> str:
    """`repr` in one line; also of an object whose `repr` fails, as that of a huge integer does."""
    try:
        return " ".join(repr(value).split())
    except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def _partial(value: Any, depth: int) -> str:
    parts = [_name(value.func, depth), *(_described(x, depth) for x in value.args)]
    parts += [f"{name}={_described(x, depth)}" for name, x in value.keywords.items()]
    return f"partial({', '.join(parts)})"


def _written(spec: inspect.Parameter) -> str:
    stars = {spec.VAR_POSITIONAL: "*", spec.VAR_KEYWORD: "**"}.get(spec.kind, "")
    is_needed = stars or spec.default is spec.empty
    return f"{stars}{spec.name}" if is_needed else f"[{spec.name}]"


def _name(value: Any, depth: int) -> str:
    if isinstance(value, types.BuiltinFunctionType) and value.__qualname__.startswith("_"):
        return value.__name__  # torch.relu is a method of an object that nobody knows
    return str(getattr(value, "__qualname__", None) or _described(value, depth))


def _mapping(value: Any, depth: int) -> str:
    items = (f"{_described(k, depth)}: {_described(v, depth)}" for k, v in value.items())
    return f"{{{', '.join(items)}}}"


def _list(value: Any, depth: int) -> str:
    return f"[{', '.join(_described(x, depth) for x in value)}]"


def _tuple(value: Any, depth: int) -> str:
    if hasattr(value, "_fields"):
        return _represented(value)
    return f"({', '.join(_described(x, depth) for x in value)}{',' if len(value) == 1 else ''})"


_DESCRIBERS: tuple[tuple[Any, Callable[[Any, int], str]], ...] = (
    (functools.partial, _partial),
    ((type, *_FUNCTIONS), _name),
    (Mapping, _mapping),
    (list, _list),
    (tuple, _tuple),
)


# The same -----------------------------------------------------------------------------------------


_CONTAINERS = (list, tuple, Mapping)
_Seen = set[tuple[int, int]]
"""Pairs that are being compared: a class knows its methods, and they know their class."""


def _alike(first: Any, second: Any, seen: _Seen) -> bool:
    pair = (id(first), id(second))
    if first is second or pair in seen:
        return True
    if not issubclass(
        type(first), _CONTAINERS
    ):  # those are made on the way, and names are used again
        seen.add(pair)
    if not _same_class(type(first), type(second), seen):
        return False
    for kinds, compare in _COMPARERS:
        if isinstance(first, kinds):
            return compare(first, second, seen)
    return _same_data(first, second, seen)


def _same_class(first: Any, second: Any, seen: _Seen) -> bool:
    if first is second:
        return True
    if first.__qualname__ != second.__qualname__:
        return False
    # Modules of confs have names of their own in each run, so that the members must tell.
    return _same_row(first.__bases__, second.__bases__, seen) and _same_mapping(
        _members(first), _members(second), seen
    )


def _members(kind: type) -> dict[str, Any]:
    return {name: x for name, x in vars(kind).items() if name not in _NOT_OF_A_CLASS}


def _same_attributes(*names: str) -> "Callable[[Any, Any, _Seen], bool]":
    """Compares what objects hold by these names."""

    def compare(first: Any, second: Any, seen: _Seen) -> bool:
        return all(_alike(getattr(first, it), getattr(second, it), seen) for it in names)

    return compare


def _same_module(first: Any, second: Any, seen: _Seen) -> bool:
    files = [getattr(module, "__file__", module.__name__) for module in (first, second)]
    return _alike(files[0], files[1], seen)


def _same_set(first: Any, second: Any, seen: _Seen) -> bool:
    """Each item has its like in the other."""
    rest = list(second)
    for item in first:
        like = next((i for i, other in enumerate(rest) if _alike(item, other, seen.copy())), None)
        if like is None:
            return False
        del rest[like]
    return not rest


def _same_function(first: Any, second: Any, seen: _Seen) -> bool:
    cells = [[cell.cell_contents for cell in f.__closure__ or ()] for f in (first, second)]
    return (
        first.__qualname__ == second.__qualname__
        and _same_code(first.__code__, second.__code__, seen)
        and _alike(cells[0], cells[1], seen)
        and _alike(first.__defaults__, second.__defaults__, seen)
    )


def _same_code(first: Any, second: Any, seen: _Seen) -> bool:
    if (first.co_code, first.co_names) != (second.co_code, second.co_names):
        return False
    return _same_row(first.co_consts, second.co_consts, seen)


def _same_mapping(first: Any, second: Any, seen: _Seen) -> bool:
    return list(first) == list(second) and all(_alike(first[k], second[k], seen) for k in first)


def _same_row(first: Any, second: Any, seen: _Seen) -> bool:
    pairs = zip(first, second, strict=False)
    return len(first) == len(second) and all(_alike(a, b, seen) for a, b in pairs)


_COMPARERS: tuple[tuple[Any, Callable[[Any, Any, _Seen], bool]], ...] = (
    (functools.partial, _same_attributes("func", "args", "keywords")),
    (type, _same_class),
    (types.FunctionType, _same_function),
    (types.MethodType, _same_attributes("__func__", "__self__")),
    (types.BuiltinFunctionType, _same_attributes("__name__", "__self__")),
    (types.ModuleType, _same_module),
    ((classmethod, staticmethod), _same_attributes("__func__")),
    (property, _same_attributes("fget", "fset", "fdel")),
    (types.CodeType, _same_code),
    (Mapping, _same_mapping),
    ((list, tuple), _same_row),
    ((set, frozenset), _same_set),
)


def _same_data(first: Any, second: Any, seen: _Seen) -> bool:
    if hasattr(first, "detach") and hasattr(first, "numpy"):  # torch, which this layer knows not
        return _same_data(first.detach().cpu().numpy(), second.detach().cpu().numpy(), seen)
    if hasattr(first, "tobytes") and hasattr(first, "dtype"):  # numpy, likewise
        form = [(x.dtype, x.shape, x.tobytes()) for x in (first, second)]
        return form[0] == form[1]
    is_record = dataclasses.is_dataclass(first) or type(first) is not type(second)
    if type(first).__eq__ is not object.__eq__ and not is_record:
        both_nan = first != first and second != second  # noqa: PLR0124
        return bool(first == second) or both_nan
    held = [getattr(x, "__dict__", None) for x in (first, second)]
    if held[0] is None or held[1] is None:
        return repr(first) == repr(second)
    return _alike(held[0], held[1], seen)
