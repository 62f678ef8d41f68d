import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf.errors import ConfigError
from alf.search.spec import available_cores, parse_spec, read_spec


def values_of(given, name="A.x"):
    spec = parse_spec(json.dumps({"parameters": {name: given}}), "s.json")
    return [override.value for override in spec.parameters[name]]


def sources_of(given):
    spec = parse_spec(json.dumps({"parameters": {"A.x": given}}), "s.json")
    return [override.source for override in spec.parameters["A.x"]]


def lesson(data):
    text = data if isinstance(data, str) else json.dumps(data)
    with pytest.raises(ConfigError) as caught:
        parse_spec(text, "s.json")
    return str(caught.value)


def test_defaults():
    """A search is one repeat, on the CPU, with a job for each core."""
    spec = parse_spec('{"parameters": {"A.x": [1]}}', "s.json")

    assert (1, False, (), "") == (spec.repeats, spec.use_gpu, spec.gpus, spec.desc)
    assert available_cores() == spec.workers


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
        spec.workers,
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


@given(data=json_values)
def test_any_json_is_a_search_or_a_lesson(data):
    """No JSON makes anything but a search or a lesson."""
    for text in (json.dumps(data), json.dumps({"parameters": {"a": data}})):
        with contextlib.suppress(ConfigError):
            assert parse_spec(text, "s.json").parameters
