"""The functions of `alf.nest`; see the package for what a nest is."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import optree
import torch

Nest = Any
"""A leaf, or a tuple, list, dict or named tuple of nests."""


def is_namedtuple(value: Any) -> bool:
    """Whether `value` is an instance of a named tuple."""
    return optree.is_namedtuple_instance(value)


def is_unnamedtuple(value: Any) -> bool:
    """Whether `value` is a plain tuple."""
    return isinstance(value, tuple) and not is_namedtuple(value)


def is_nested(value: Any) -> bool:
    """Whether `value` is a container of the four kinds (also an empty one)."""
    return isinstance(value, (tuple, list, dict))


def flatten(nest: Nest) -> list[Any]:
    """The leaves of a nest, in order."""
    return optree.tree_leaves(nest, none_is_leaf=True)


def pack_sequence_as(nest: Nest, flat_seq: Sequence[Any]) -> Nest:
    """A nest shaped like `nest` whose leaves are `flat_seq`.

    Raises:
        ValueError: if the number of leaves differs.
    """
    return optree.tree_unflatten(optree.tree_structure(nest, none_is_leaf=True), flat_seq)


def map_structure(func: Callable[..., Any], *nests: Nest) -> Nest:
    """Apply `func` to the leaves of nests of one structure, and pack the results like the first.

    Raises:
        ValueError: if the structures differ; the message names the first place where they do.
    """
    return optree.tree_map(func, *nests, none_is_leaf=True)


def map_structure_with_path(func: Callable[..., Any], *nests: Nest) -> Nest:
    """Like `map_structure`; `func` gets the leaf's dotted path as its first argument."""
    paths = iter(_dotted_paths(nests[0]))
    return map_structure(lambda *leaves: func(next(paths), *leaves), *nests)


def assert_same_structure(nest1: Nest, nest2: Nest) -> None:
    """Raise where two nests have other keys, lengths or container types.

    Raises:
        ValueError: naming both structures.
    """
    one = optree.tree_structure(nest1, none_is_leaf=True)
    two = optree.tree_structure(nest2, none_is_leaf=True)
    if one != two:
        raise ValueError(f"the nests have different structures:\n  {one}\n  {two}")


def flatten_up_to(shallow_nest: Nest, nest: Nest) -> list[Any]:
    """The parts of `nest` that stand where `shallow_nest` has its leaves.

    Raises:
        ValueError: if `nest` does not have the shallow structure on top.
    """
    return optree.tree_structure(shallow_nest, none_is_leaf=True).flatten_up_to(nest)


def map_structure_up_to(shallow_nest: Nest, func: Callable[..., Any], *nests: Nest) -> Nest:
    """Apply `func` to the parts of the nests that stand where `shallow_nest` has its leaves."""
    parts = [flatten_up_to(shallow_nest, nest) for nest in nests]
    return pack_sequence_as(shallow_nest, [func(*args) for args in zip(*parts, strict=True)])


def prune_nest_like(nest: Nest, slim_nest: Nest, value_to_match: Any = None) -> Nest:
    """Keep only the dict keys and fields of `nest` that `slim_nest` has.

    Args:
        nest: the larger nest.
        slim_nest: a nest with a subset of the keys.
        value_to_match: a leaf of `slim_nest` that is it drops that part.

    Raises:
        ValueError: if `slim_nest` has a key or length that `nest` has not.
    """
    if not is_nested(slim_nest):
        return value_to_match if slim_nest is value_to_match else nest
    if is_unnamedtuple(slim_nest) and not slim_nest:
        return ()
    if type(nest) is not type(slim_nest):
        raise ValueError(f"cannot prune a {type(nest).__name__} like a {type(slim_nest).__name__}")
    if isinstance(slim_nest, dict):
        missing = sorted(set(slim_nest) - set(nest))
        if missing:
            raise ValueError(f"the nest has no {missing}; it has {sorted(nest)}")
        return {k: prune_nest_like(nest[k], slim_nest[k], value_to_match) for k in slim_nest}
    if len(nest) != len(slim_nest):
        raise ValueError(f"lengths differ: {len(nest)} and {len(slim_nest)}")
    parts = [prune_nest_like(a, b, value_to_match) for a, b in zip(nest, slim_nest, strict=True)]
    return type(nest)(*parts) if is_namedtuple(nest) else type(nest)(parts)


def extract_fields_from_nest(nest: Nest) -> Iterator[tuple[str, Any]]:
    """The `(name, value)` pairs of a dict or a named tuple.

    Raises:
        TypeError: if `nest` is neither.
    """
    if isinstance(nest, dict):
        return iter(nest.items())
    if is_namedtuple(nest):
        return iter(nest._asdict().items())
    raise TypeError(f"a {type(nest).__name__} has no named fields: give a dict or a named tuple")


def extract_any_leaf_from_nest(nest: Nest) -> Any:
    """The first leaf, or `None` if there is none."""
    leaves = flatten(nest)
    return leaves[0] if leaves else None


def get_field(nested: Nest, field: str | None) -> Nest:
    """The part of a nest at a dotted path such as `"observation.camera.0"`.

    Args:
        nested: the nest.
        field: the path; `None` and `""` mean the whole nest.

    Raises:
        LookupError: naming the step of the path that is not there, and what is.
    """
    if not field:
        return nested
    for step in field.split("."):
        nested = _child(nested, step, field)
    return nested


def set_field(nested: Nest, field: str | None, new_value: Any) -> Nest:
    """A copy of the nest with the part at a dotted path replaced."""
    return transform_nest(nested, field, lambda _: new_value)


def transform_nest(nested: Nest, field: str | None, func: Callable[[Nest], Nest]) -> Nest:
    """A copy of the nest with `func` applied to the part at a dotted path."""
    if not field:
        return func(nested)
    step, _, rest = field.partition(".")
    child = transform_nest(_child(nested, step, field), rest, func)
    if isinstance(nested, dict):
        return {**nested, step: child}
    if is_namedtuple(nested):
        return nested._replace(**{step: child})
    items = list(nested)
    items[int(step)] = child
    return type(nested)(items)


def find_field(nest: Nest, name: str, ignore_empty: bool = True) -> list[Any]:
    """Every value, at any depth, that stands under the key or field `name`.

    Args:
        nest: the nest.
        name: the key to look for.
        ignore_empty: leave out `None` and `()`.
    """
    if not is_nested(nest):
        return []
    named = isinstance(nest, dict) or is_namedtuple(nest)
    items = extract_fields_from_nest(nest) if named else ((None, child) for child in nest)
    found: list[Any] = []
    for key, child in items:
        if key == name:
            if not (ignore_empty and (child is None or child == ())):
                found.append(child)
        else:
            found += find_field(child, name, ignore_empty)
    return found


def transpose(nested: Nest, shallow_nest: Nest, new_shallow_nest: Nest) -> Nest:
    """Turn a nest of nests inside out, e.g. a list of named tuples into a named tuple of lists.

    Args:
        nested: has the structure of `shallow_nest` on top, and `new_shallow_nest` below each
            of its leaves.
        shallow_nest: the outer structure of the argument.
        new_shallow_nest: the outer structure of the result.
    """
    return optree.tree_transpose(
        optree.tree_structure(shallow_nest, none_is_leaf=True),
        optree.tree_structure(new_shallow_nest, none_is_leaf=True),
        nested,
    )


def stack(nests: Sequence[Nest], dim: int = 0) -> Nest:
    """Stack the tensors of nests of one structure along a new dimension."""
    return map_structure(lambda *tensors: torch.stack(tensors, dim), *nests)


def sum_nest(nested: Nest) -> Any:
    """The sum of all leaves.

    Raises:
        ValueError: if there is no leaf.
    """
    leaves = flatten(nested)
    if not leaves:
        raise ValueError("an empty nest has no sum")
    total = leaves[0]
    for leaf in leaves[1:]:
        total = total + leaf
    return total


def get_nest_shape(nest: Nest) -> torch.Size:
    """The shape of the first tensor."""
    return extract_any_leaf_from_nest(nest).shape


def get_nest_size(nest: Nest, dim: int) -> int:
    """The size of dimension `dim` of the first tensor."""
    return get_nest_shape(nest)[dim]


def get_nest_batch_size(nest: Nest) -> int:
    """The size of dimension 0 of the first tensor."""
    return get_nest_size(nest, 0)


def _dotted_paths(nest: Nest) -> list[str]:
    paths = optree.tree_accessors(nest, none_is_leaf=True)
    return [".".join(_step_name(entry) for entry in accessor) for accessor in paths]


def _step_name(entry: optree.PyTreeEntry) -> str:
    return str(getattr(entry, "field", entry.entry))


def _child(nested: Nest, step: str, field: str) -> Any:
    if isinstance(nested, dict):
        there: list[str] = [str(key) for key in nested]
        if step in nested:
            return nested[step]
    elif is_namedtuple(nested):
        there = list(nested._fields)
        if step in there:
            return getattr(nested, step)
    elif isinstance(nested, (tuple, list)):
        there = [str(i) for i in range(len(nested))]
        if step in there:
            return nested[int(step)]
    else:
        raise LookupError(f"no {step!r} in {field!r}: a {type(nested).__name__} has no parts")
    raise LookupError(f"no {step!r} in {field!r}: there is {', '.join(there) or 'nothing'}")
