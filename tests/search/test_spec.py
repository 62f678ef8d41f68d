import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alf.errors import ConfigError
from alf.search.space import Range, plain_space, read_space, size_of
from alf.search.spec import parse_spec, read_spec


def values_of(given, name="A.x"):
    spec = parse_spec(json.dumps({"parameters": {name: given}}), "s.json")
    values = spec.parameters[name]
    assert not isinstance(values, Range)
    return [override.value for override in values]


def sources_of(given):
    spec = parse_spec(json.dumps({"parameters": {"A.x": given}}), "s.json")
    values = spec.parameters["A.x"]
    assert not isinstance(values, Range)
    return [override.source for override in values]


def lesson(data):
    text = data if isinstance(data, str) else json.dumps(data)
    with pytest.raises(ConfigError) as caught:
        parse_spec(text, "s.json")
    return str(caught.value)


def test_defaults():
    """A search is a grid of one repeat, on the CPU, with as many jobs as there is room for."""
    spec = parse_spec('{"parameters": {"A.x": [1]}}', "s.json")

    assert (1, False, (), "") == (spec.repeats, spec.use_gpu, spec.gpus, spec.desc)
    assert ("grid", 0, None) == (spec.search, spec.budget, spec.max_worker_num)


def test_all_keys(tmp_path):
    """Every key of the file arrives."""
    path = tmp_path / "s.json"
    path.write_text(
        '{"desc": "d", "parameters": {"b": [1, 2], "a": [3]}, "repeats": 3,'
        ' "max_worker_num": 5, "use_gpu": true, "gpus": [1, 0]}'
    )

    spec = read_spec(path)

    assert ["b", "a"] == list(spec.parameters)
    assert ("d", 3, 5, True, (1, 0)) == (
        spec.desc,
        spec.repeats,
        spec.max_worker_num,
        spec.use_gpu,
        spec.gpus,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 0.5, True, None, "text", [1, 2]], [1, 0.5, True, None, "text", [1, 2]]),
        ("[10 ** -k for k in (1, 2)]", [10**-1, 10**-2]),
        ("range(3)", [0, 1, 2]),
        ("(64, 64), (32,)", [(64, 64), (32,)]),
        ("[math.pi, 2]", [3.141592653589793, 2]),
    ],
)
def test_values(given, expected):
    """A list is its values; a text is a Python expression that makes a list."""
    assert expected == values_of(given)


def test_values_without_a_literal_keep_their_expression():
    """A value that is no plain data is recorded as the text that makes it again."""
    assert ["partial(int, 3)", "functools.partial(max, 1)"] == sources_of(
        "[partial(int, 3), functools.partial(max, 1)]"
    )
    assert ["list([partial(int, k) for k in (1, 2)])[0]"] == sources_of(
        "[partial(int, k) for k in (1, 2)]"
    )[:1]
    assert [1, 2] == [value() for value in values_of("[partial(int, k) for k in (1, 2)]")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"parameters": {"A.x": [1]}, "repeat": 2}, ["'repeat'", "Did you mean 'repeats'?"]),
        ({"parameters": {}, "A.x": [1]}, ["'A.x'", 'inside "parameters"']),
        ({"parameters": {"A.x": [1]}, "repeats": 0}, ["'repeats' is 0", "at least 1"]),
        ({"parameters": {"A.x": [1]}, "repeats": True}, ["'repeats' is true"]),
        ({"parameters": {"A.x": [1]}, "max_worker_num": "4"}, ["whole number"]),
        ({"parameters": {"A.x": [1]}, "use_gpu": 1}, ["true or false"]),
        ({"parameters": {"A.x": [1]}, "gpus": [0, 0]}, ["different GPU numbers"]),
        ({"parameters": {"A.x": [1]}, "desc": 3}, ["a text"]),
        ({"parameters": [1]}, ["an object from parameter name"]),
        ({"parameters": {}}, ["nothing to search", "alf train"]),
        ({"desc": "x"}, ["'parameters' is missing"]),
        ({"parameters": {"A.x": []}}, ["'A.x' has no value"]),
        ({"parameters": {"A.x": "[]"}}, ["'A.x' has no value"]),
        ({"parameters": {"A.x": 3}}, ["For one value write [3]"]),
        ({"parameters": {"A.x": "3"}}, ["no list"]),
        ({"parameters": {"A.x": "{1, 2}"}}, ["no order"]),
        ({"parameters": {"A.x": "__import__('os')"}}, ["two underscores"]),
        ({"parameters": {"A.x": "open('f')"}}, ["'open'"]),
        ({"parameters": {"A.x": "[1 / 0]"}}, ["ZeroDivisionError"]),
        ({"parameters": {"A.x": "range(10 ** 9)"}}, ["more than 10,000"]),
        ({"parameters": {"A.x": [1, 2, 1]}}, ["value 1 twice"]),
        ({"parameters": {"A x": [1]}}, ["'A x' is no name"]),
        ({"parameters": {"a": "range(200)", "b": "range(200)"}}, ["40,000 runs"]),
        ([1], ["JSON object"]),
        ('{"parameters": {"a": [1]}, "parameters": {}}', ["'parameters' is given twice"]),
        ('{"parameters": {\n  "a": [1,]\n}}', ["s.json:2: not JSON", "^"]),
        ("", ["s.json:1: not JSON"]),
    ],
)
def test_lessons(data, words):
    """A mistake is named with the file, what was given and what to do."""
    text = lesson(data)

    assert "s.json" in text
    for word in words:
        assert word in text


def test_unreadable_file(tmp_path):
    """A file that is not there, or no text, is a mistake of the user's."""
    (tmp_path / "b.json").write_bytes(b"\xff\xfe{")

    with pytest.raises(ConfigError, match="cannot be read"):
        read_spec(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_spec(tmp_path / "b.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(deadline=None)
@given(data=json_values)
def test_any_json_is_a_search_or_a_lesson(data):
    """No JSON makes anything but a search or a lesson."""
    for text in (json.dumps(data), json.dumps({"parameters": {"a": data}})):
        with contextlib.suppress(ConfigError):
            assert parse_spec(text, "s.json").parameters


def test_ranges():
    """Where combinations are chosen, a parameter may have a range; whole ends make it whole."""
    spec = parse_spec(
        json.dumps(
            {
                "search": "tpe",
                "budget": 30,
                "parameters": {
                    "A.lr": {"low": 1e-5, "high": 1e-2, "log": True},
                    "A.n": {"low": 16, "high": 64, "step": 16},
                    "A.p": {"low": 0.0, "high": 1.0, "step": 0.1},
                    "A.x": ["a", "b"],
                },
            }
        ),
        "s.json",
    )

    assert Range(1e-5, 1e-2, log=True) == spec.parameters["A.lr"]
    assert ("tpe", 30) == (spec.search, spec.budget)
    assert [None, 4, 11] == [
        size_of({"A.x": spec.parameters[name]}) for name in ("A.lr", "A.n", "A.p")
    ]
    assert 4 * 2 == size_of({name: spec.parameters[name] for name in ("A.n", "A.x")})
    assert size_of(spec.parameters) is None
    assert spec.parameters == read_space(json.loads(json.dumps(plain_space(spec.parameters))))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"low": 1}, "is no range"),
        ({"low": 1, "high": "2"}, "is no range"),
        ({"low": 1, "high": 2, "lgo": True}, "is no range"),
        ({"low": 2, "high": 1}, "not below"),
        ({"low": 0.0, "high": 1.0, "log": True}, "above 0"),
        ({"low": 1, "high": 3, "step": 0.5}, "whole 'step'"),
        ({"low": 1, "high": 3, "step": 0}, "'step' is above 0"),
        ({"low": 1, "high": 3, "log": 1}, "true or false"),
        ({"low": 1, "high": 1e999}, "is no range"),
    ],
)
def test_no_range(given, words):
    """What is no range is told, with how one is written."""
    assert words in lesson({"search": "random", "budget": 3, "parameters": {"A.x": given}})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"search": "tpe"}, "needs a budget"),
        ({"budget": 3}, "no 'budget'"),
        ({"search": "bayes", "budget": 3}, 'one of "grid", "random", "tpe"'),
        ({"parameters": {"A.x": {"low": 1, "high": 2}}}, '"search": "tpe"'),
        ({"search": "tpe", "budget": 20_000}, "above the limit"),
    ],
)
def test_kinds_of_search(data, words):
    """A grid has lists and no budget; every other search has a budget."""
    assert words in lesson({"parameters": {"A.x": [1]}, **data})
