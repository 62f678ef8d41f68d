"""Nests: what is a leaf, what survives a round trip, what a wrong structure says."""

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alf import nest


class Pair(NamedTuple):
    left: Any = ()
    right: Any = ()


def nests():
    return st.recursive(
        st.integers() | st.none(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
            st.builds(Pair, inner, inner),
        ),
        max_leaves=12,
    )


@given(nests())
def test_flatten_and_pack_are_inverse(value):
    """A nest taken apart and packed again is the same nest."""
    assert value == nest.pack_sequence_as(value, nest.flatten(value))


@given(nests())
def test_map_structure_keeps_the_structure(value):
    """Only leaves change."""
    doubled = nest.map_structure(lambda x: x if x is None else 2 * x, value)

    nest.assert_same_structure(value, doubled)
    assert [x if x is None else 2 * x for x in nest.flatten(value)] == nest.flatten(doubled)


@given(nests())
def test_paths_lead_to_their_leaves(value):
    """The path that a leaf is visited under finds that leaf again."""
    seen = []
    nest.map_structure_with_path(lambda path, leaf: seen.append((path, leaf)), value)

    assert [leaf for _, leaf in seen] == nest.flatten(value)
    for path, leaf in seen:
        assert leaf is nest.get_field(value, path)


def test_none_is_a_leaf_and_the_empty_tuple_is_not():
    """`None` counts, `()` does not."""
    assert [None, 1] == nest.flatten({"a": (), "b": None, "c": 1})


def test_dict_keys_are_visited_in_sorted_order():
    """The order of insertion plays no role."""
    assert [1, 2] == nest.flatten({"b": 2, "a": 1})


def test_named_tuples_stay_named_tuples():
    """Mapping keeps the type of every container."""
    mapped = nest.map_structure(str, Pair(1, Pair(2, [3])))

    assert Pair("1", Pair("2", ["3"])) == mapped
    assert isinstance(mapped.right, Pair)


def test_different_structures_are_refused():
    """A missing key is an error that shows both structures."""
    with pytest.raises(ValueError, match="different structures"):
        nest.assert_same_structure({"a": 1}, {"a": 1, "b": 2})
    with pytest.raises(ValueError, match="b"):
        nest.map_structure(lambda x, y: x, {"a": 1}, {"a": 1, "b": 2})


def test_map_structure_up_to_stops_at_the_shallow_leaves():
    """The function gets whole parts of the deeper nest."""
    sums = nest.map_structure_up_to({"a": 0, "b": 0}, sum, {"a": (1, 2), "b": [3]})

    assert {"a": 3, "b": 3} == sums


def test_prune_keeps_what_the_slim_nest_has():
    """Keys that are not in the slim nest go; a matched value drops its part."""
    full = {"a": 1, "b": {"c": 2, "d": 3}, "e": Pair(4, 5)}

    assert {"b": {"c": 2}} == nest.prune_nest_like(full, {"b": {"c": 0}})
    assert {"e": Pair(4, ())} == nest.prune_nest_like(full, {"e": Pair(0, ())}, value_to_match=())
    with pytest.raises(ValueError, match=r"has no \['x'\]"):
        nest.prune_nest_like(full, {"x": 0})


@pytest.mark.parametrize(
    ("path", "expected"), [("", None), ("p.left", 1), ("p.right.1", 3), ("d.k", 4)]
)
def test_get_field_follows_a_dotted_path(path, expected):
    """Fields, keys and indices are steps of a path."""
    value = {"p": Pair(1, (2, 3)), "d": {"k": 4}}

    assert (value if expected is None else expected) == nest.get_field(value, path)


def test_get_field_says_what_is_there():
    """A wrong step names the ones that would work."""
    with pytest.raises(LookupError, match="there is left, right"):
        nest.get_field(Pair(1, 2), "middle")


def test_set_and_transform_field_copy():
    """The nest that was given stays as it is."""
    value = {"p": Pair(1, (2, 3))}

    assert {"p": Pair(1, (2, 9))} == nest.set_field(value, "p.right.1", 9)
    assert {"p": Pair(-1, (2, 3))} == nest.transform_nest(value, "p.left", lambda x: -x)
    assert {"p": Pair(1, (2, 3))} == value


def test_find_field_looks_at_every_depth():
    """Every value under the name is found, empty ones on request."""
    value = {"x": 1, "y": Pair({"x": 2}, [{"x": ()}])}

    assert [1, 2] == nest.find_field(value, "x")
    assert [1, 2, ()] == nest.find_field(value, "x", ignore_empty=False)


def test_transpose_turns_inside_out():
    """A list of pairs becomes a pair of lists."""
    pairs = [Pair(1, 2), Pair(3, 4)]

    assert Pair([1, 3], [2, 4]) == nest.transpose(pairs, [0, 0], Pair(0, 0))


def test_stack_and_sizes():
    """Stacking adds a dimension to every tensor."""
    stacked = nest.stack([{"a": torch.zeros(2, 3)}, {"a": torch.ones(2, 3)}])

    assert (2, 2, 3) == nest.get_nest_shape(stacked)
    assert 2 == nest.get_nest_batch_size(stacked)
    assert 3 == nest.get_nest_size(stacked, 2)


def test_sum_nest():
    """All leaves are added; nothing cannot be."""
    assert 6 == nest.sum_nest({"a": 1, "b": (2, [3])})
    with pytest.raises(ValueError, match="no sum"):
        nest.sum_nest(())


def test_extract_fields():
    """Named parts come with their names; a plain tuple has none."""
    assert [("left", 1), ("right", 2)] == list(nest.extract_fields_from_nest(Pair(1, 2)))
    assert [("k", 1)] == list(nest.extract_fields_from_nest({"k": 1}))
    with pytest.raises(TypeError, match="no named fields"):
        nest.extract_fields_from_nest((1, 2))
