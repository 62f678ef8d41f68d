"""Nested structures of tensors: tuples, lists, dicts and named tuples, walked by optree in C++.

`None` is a leaf; `()` holds no leaf and stands for "nothing here". Dict keys are visited in
sorted order.
"""

from alf.nest.nest import (
    assert_same_structure,
    extract_any_leaf_from_nest,
    extract_fields_from_nest,
    find_field,
    flatten,
    flatten_up_to,
    get_field,
    get_nest_batch_size,
    get_nest_shape,
    get_nest_size,
    is_namedtuple,
    is_nested,
    is_unnamedtuple,
    map_structure,
    map_structure_up_to,
    map_structure_with_path,
    pack_sequence_as,
    prune_nest_like,
    set_field,
    stack,
    sum_nest,
    transform_nest,
    transpose,
)

__all__ = [
    "assert_same_structure",
    "extract_any_leaf_from_nest",
    "extract_fields_from_nest",
    "find_field",
    "flatten",
    "flatten_up_to",
    "get_field",
    "get_nest_batch_size",
    "get_nest_shape",
    "get_nest_size",
    "is_namedtuple",
    "is_nested",
    "is_unnamedtuple",
    "map_structure",
    "map_structure_up_to",
    "map_structure_with_path",
    "pack_sequence_as",
    "prune_nest_like",
    "set_field",
    "stack",
    "sum_nest",
    "transform_nest",
    "transpose",
]
