"""Values of two jobs: told in a line, and compared by what they mean."""

import functools
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alf._config.values import alike, described

SOURCE = """
from functools import partial

SCALE = {scale}


class Model:
    def __init__(self, width=3):
        super().__init__()
        self.width = width

    def forward(self, x):
        return x * {factor}


def make(n):
    return lambda x: x + n


values = {{
    "class": Model,
    "partial": partial(Model, width=4),
    "lambda": lambda x: x * SCALE * {factor},
    "closure": make({factor}),
    "object": Model({factor}),
}}
"""

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


def run(path: Path, factor: int) -> dict[str, Any]:
    """The values of a conf, executed as a module of its own."""
    path.write_text(SOURCE.format(factor=factor, scale=1))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.values


@pytest.mark.parametrize("name", ["class", "partial", "lambda", "closure", "object"])
def test_code_of_two_runs_is_alike_if_it_does_the_same(name, tmp_path):
    """Objects of one conf that ran twice are alike; with another constant they are not."""
    first, again = run(tmp_path / "one.py", 2), run(tmp_path / "two.py", 2)
    other = run(tmp_path / "three.py", 5)

    assert first[name] is not again[name]
    assert alike(first[name], again[name])
    assert not alike(first[name], other[name])


@given(PLAIN, PLAIN)
def test_data_are_alike_if_they_are_equal_and_of_one_type(first, second):
    """As their source text says, which tells 1 from True and 0.0 from -0.0 apart, or not at all."""
    assert alike(first, first)
    if repr(first) == repr(second):
        assert alike(first, second)
    if alike(first, second):
        assert type(first) is type(second)
        assert repr(first).replace("-0.0", "0.0") == repr(second).replace("-0.0", "0.0")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0]), True),
        (np.array([1.0, 2.0]), np.array([1.0, 3.0]), False),
        (np.array([1.0]), np.array([1.0], np.float32), False),
        (torch.ones(2), torch.ones(2), True),
        (torch.ones(2), torch.zeros(2), False),
        (torch.relu, torch.relu, True),
        (torch.relu, torch.tanh, False),
        (math.nan, math.nan, True),
        ([1], (1,), False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
    ],
)
def test_arrays_and_edges(first, second, expected):
    """Arrays by their bytes; the order of a dict counts, since it is the order of its layers."""
    assert alike(first, second) is expected


def scaled(x: float, by: float = 1.0) -> float:
    return x * by


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (functools.partial(scaled, by=2.0), "partial(scaled, by=2.0)"),
        ((64, 64), "(64, 64)"),
        ((64,), "(64,)"),
        ([torch.nn.ReLU, None], "[ReLU, None]"),
        ({"a": scaled}, "{'a': scaled}"),
        (torch.relu_, "relu_"),
        (object(), "<object>"),
        ("text\nof two lines", "'text\\nof two lines'"),
    ],
)
def test_a_value_in_one_line(value, expected):
    """Names instead of addresses."""
    assert expected == described(value)
