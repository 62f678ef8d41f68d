"""Whether a value fits a parameter, and which value is meant by it.

The annotation decides. Of its own parameters `alf` knows more: what it does with them. A schedule
can drive those alone that say so by `Callable[[], float]`, text is written into files, and several
values are an ordered row.
"""

import collections.abc
import math
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, cast, get_args, get_origin

from alf._config.annotations import CODE, accepts, evaluated
from alf._config.parameters import MISSING, Parameter

_MOST = 10**308  # that a float can hold
_NUMBERS = (bool, int, float)
_ROWS: tuple[object, ...] = (tuple, list, collections.abc.Sequence)
_PATHS = ("dir", "file", "path")


def mismatch(parameter: Parameter, value: object) -> str | None:
    """The expected type in words, if `value` is plainly of another one; else `None`."""
    annotation = evaluated(parameter)
    if annotation is MISSING:
        return None
    is_ours = parameter.full_name.startswith("alf.")
    value = meant(parameter, value)
    unfit = _unfit(annotation, value) if is_ours else None
    suits = _suits(annotation, value) if is_ours else True
    if unfit is not None or (suits and accepts(annotation, value)):
        return unfit
    if value is None and parameter.default is None:
        return None  # `x: int = None`: sloppy, yet clear
    return annotation.__name__ if type(annotation) is type else str(annotation)


def meant(parameter: Parameter, value: Any) -> Any:
    """The value as the annotation wants it.

    `1e6` is a million where only `int` can stand, `10**30` is `1e30` where only `float` can, and 0
    and 1 are `False` and `True` where only `bool` can. For `alf` itself a path is its text, and an
    array or tensor of one number is that number.
    """
    annotation = evaluated(parameter)
    if parameter.full_name.startswith("alf."):
        value = _plain(annotation, value)
    if type(value) is int and value in (0, 1) and _only(annotation, bool):
        return bool(value)
    if type(value) is float and value.is_integer():
        return int(value) if _only(annotation, int) else value
    if _is_huge(value) and abs(value) <= _MOST and _only(annotation, float):
        return float(value)
    return value


def unwritable(parameter: Parameter, value: object) -> str | None:
    """Text in a value that no file and no name can hold; `None` if there is none.

    The name of a file may hold bytes that are no text, which Python writes as lone surrogates.
    """
    if not parameter.full_name.startswith("alf."):
        return None
    is_path = parameter.full_name.endswith(_PATHS)
    for text in _texts(value):
        try:
            _ = os.fsencode(text) if is_path else text.encode()
        except UnicodeEncodeError:
            return text
        if "\0" in text:
            return text
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in cast("Sequence[object]", value):
            yield from _texts(one)
    elif isinstance(value, dict):
        for name, one in cast("dict[object, object]", value).items():
            yield from _texts((name, one))


def _plain(annotation: object, value: Any) -> Any:
    if type(value) in (list, tuple):
        items = cast("list[Any] | tuple[Any, ...]", value)
        plain = [_plain(annotation, item) for item in items]
        same = all(new is old for new, old in zip(plain, items, strict=True))
        return items if same else type(items)(plain)  # the very list, where others have it, too
    if _is_path(value) and _takes_text(annotation):
        return str(os.fspath(cast("os.PathLike[str]", value)))
    kind = cast("type[object]", type(value))
    is_array = hasattr(kind, "shape") and hasattr(kind, "item")
    if is_array and _only(annotation, *_NUMBERS) and math.prod(value.shape) == 1:
        return value.item()
    if isinstance(value, bool) and _only(annotation, int, float):  # torch multiplies by no bool
        return float(value) if _only(annotation, float) else int(value)
    return value


def _takes_text(annotation: object) -> bool:
    return annotation is str or any(map(_takes_text, get_args(annotation)))


def _is_path(value: object) -> bool:
    return isinstance(value, os.PathLike)


def _only(annotation: object, *kinds: type) -> bool:
    """Whether nothing but these, and `None`, can stand there."""
    choices = get_args(annotation) or (annotation,)
    plain = get_origin(annotation) in (None, Union, types.UnionType)
    return plain and all(one is type(None) or one in kinds for one in choices)


def _is_huge(value: object) -> bool:
    """Whether it is a whole number that neither a tensor nor an index can hold."""
    return type(value) is int and not -(2**63) <= value < 2**63


def _unfit(annotation: object, value: object) -> str | None:
    """What a parameter of `alf` itself wants instead of a number, or of what is none."""
    if _is_huge(value) and _only(annotation, int):
        return "int of at most 64 bits"
    if _is_huge(value) and _only(annotation, float) and abs(cast(int, value)) > _MOST:
        return "float of at most 1e308"
    if not _only(annotation, *_NUMBERS):
        return None
    is_nan = isinstance(value, float) and math.isnan(value)
    is_code = isinstance(value, CODE) or callable(value)
    return "a number" if is_nan or is_code else None


def _suits(annotation: object, value: object) -> bool:
    """Whether what an annotation accepts is what `alf` can do something with."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(accepts(one, value) and _suits(one, value) for one in get_args(annotation))
    if annotation is str:
        return isinstance(value, str)
    if origin in _ROWS or annotation in _ROWS:
        return _is_row(get_args(annotation), value)
    if origin in (dict, collections.abc.Mapping):
        return isinstance(value, Mapping)
    return True


def _is_row(kinds: tuple[Any, ...], value: object) -> bool:
    """Whether it is several values in an order, and each of them suits."""
    if hasattr(type(value), "shape"):
        return getattr(value, "shape", ()) != ()
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return False
    items = cast("Sequence[object]", value)
    if len(kinds) > 1 and kinds[-1] is not Ellipsis:
        return len(items) == len(kinds) and all(map(_both, kinds, items))
    return all(_both(kind, item) for kind in kinds[:1] for item in items)


def _both(kind: object, item: object) -> bool:
    return accepts(kind, item) and _suits(kind, item)
