"""What `alf_config.py` records runs again to the very values that the job had."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alf._config import (
    configurable,
    isolated,
    load_config,
    parse_overrides,
    pre_config,
    validate_pre_configs,
    write_alf_config,
)
from alf._config.catalogue import Set, operative
from alf._config.values import alike

HEADS = st.sampled_from(
    [
        "",
        '"""Größe."""\n',
        "from __future__ import annotations\n",
        "# -*- coding: latin-1 -*-\n# é\n",
    ]
)
CONF = """
from functools import partial

import numpy as np
import torch

import alf

base = alf.import_config("base_conf.py")
SCALE = 3


class Model:
    def __init__(self, width: int = 3, inner=None):
        super().__init__()
        self.width = width
        self.inner = inner

    def __call__(self, x):
        return x * self.width + SCALE


def scaled(x, by=1.0):
    return x * by


def make(n):
    return lambda x: x + n


@alf.configurable("OfTheConf")
def of_the_conf(value=None):
    return value

"""
NUMBERS = st.integers(-5, 5) | st.floats(width=32, allow_nan=False, allow_infinity=False)
TYPES = st.sampled_from(["float32", "float64", "int64"])
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
).map(repr)


def filled(template: str, *of: "st.SearchStrategy[Any]") -> "st.SearchStrategy[str]":
    return st.tuples(*of).map(lambda values: template.format(*values))


ARRAYS = st.one_of(
    filled("np.array([{}, {}]).astype(np.{})", NUMBERS, NUMBERS, TYPES),
    filled("np.{}(3)", TYPES),
    filled("torch.tensor([{}, {}]).to(torch.{})", NUMBERS, NUMBERS, TYPES),
    filled("torch.{}", TYPES),
    st.sampled_from(["torch.nn.ReLU", "torch.relu", "torch.Size([2, 3])"]),
)
ANYWHERE = DATA | ARRAYS | filled("lambda x, k={}: x * k + {}", NUMBERS, NUMBERS)
IN_CONF = st.recursive(
    st.one_of(
        ANYWHERE,
        st.sampled_from(
            ["Model", "scaled", "SCALE", "base.OFFSET", "base.Shift", "lambda x: x * SCALE"]
        ),
        filled("make({})", NUMBERS),
        filled("Model(width={})", NUMBERS),
        filled("base.Shift({})", NUMBERS),
    ),
    lambda inner: st.one_of(
        filled("partial(scaled, by={})", inner),
        filled("partial(Model, width=2, inner={})", inner),
        filled("{{'a': {}, 'b': [{}, ({},)]}}", inner, inner, inner),
    ),
    max_leaves=4,
)
BASE = """
import alf

OFFSET = 7


class Shift:
    def __init__(self, by):
        self.by = by


alf.config("Rerun", rerun_d=Shift(OFFSET))
"""
PARAMETERS = ("rerun_a", "rerun_b", "rerun_c", "rerun_d")


@configurable("Rerun")
def rerun(rerun_a=None, rerun_b=1, rerun_c=(), rerun_d=None):
    return rerun_a, rerun_b, rerun_c, rerun_d


def run(path: Path, *conf_params: str) -> dict[str, Set]:
    """Execute a conf and what it configures; what was used, by name without the conf's module."""
    pre_config(parse_overrides(conf_params))
    conf = load_config(path)
    validate_pre_configs()
    rerun()
    conf.module.of_the_conf()
    return {".".join(one.name.split(".")[-2:]): one for one in operative_here()}


def operative_here() -> list[Set]:
    from alf._config.store import current

    return [one for one in operative(current()) if "Rerun" in one.name or "OfThe" in one.name]


@settings(max_examples=60, deadline=None)
@given(
    head=HEADS,
    in_conf=st.dictionaries(st.sampled_from(PARAMETERS), IN_CONF, max_size=4),
    own=IN_CONF,
    given_first=st.dictionaries(st.sampled_from(PARAMETERS), ANYWHERE, max_size=2),
    given_later=st.dictionaries(st.sampled_from(PARAMETERS), ANYWHERE, max_size=1),
)
@example(
    head="",
    in_conf={"rerun_a": "np.nan"},
    own="Model",
    given_first={"rerun_b": "partial(pow, 2)"},
    given_later={"rerun_b": "{'x': np.arange(3)}"},
)
def test_a_record_runs_to_the_same_values(head, in_conf, own, given_first, given_later):
    """Partials, lambdas, classes, nested dicts, arrays and tensors; also after a resume."""
    source = head + CONF + "".join(f"alf.config1('Rerun.{k}', {v})\n" for k, v in in_conf.items())
    source += f"alf.config('OfTheConf', value={own})\n"
    first = [f"Rerun.{name}={value}" for name, value in given_first.items()]
    later = [f"Rerun.{name}={value}" for name, value in given_later.items()]
    with tempfile.TemporaryDirectory() as name:
        folder, recorded = Path(name, "confs"), Path(name, "job", "alf_config.py")
        folder.mkdir()
        Path(folder, "base_conf.py").write_text(BASE)
        conf = folder / "my_conf.py"
        conf.write_bytes(
            source.encode("latin-1" if "latin-1" in head else "utf-8", "backslashreplace")
        )
        with isolated():
            ran = run(conf, *first)
        text = conf.read_bytes().decode("latin-1" if "latin-1" in head else "utf-8")
        write_alf_config(recorded, parse_overrides(first), text, conf)
        with isolated():
            again = run(recorded)
        write_alf_config(recorded, parse_overrides(later), recorded.read_text("utf-8"), recorded)
        with isolated():
            resumed = run(recorded)
        with isolated():
            at_once = run(
                conf,
                *later,
                *(
                    one
                    for one in first
                    if one.split("=")[0] not in {late.split("=")[0] for late in later}
                ),
            )

    assert_same(ran, again)
    assert_same(at_once, resumed)
    assert {f"Rerun.{name}" for name in given_first} == overridden(ran) == overridden(again)
    assert overridden(resumed) == {f"Rerun.{name}" for name in [*given_first, *given_later]}


def overridden(values: dict[str, Set]) -> set[str]:
    return {name for name, one in values.items() if one.is_override}


def assert_same(first: dict[str, Set], second: dict[str, Set]) -> None:
    assert list(first) == list(second)
    for name, one in first.items():
        assert alike(one.value, second[name].value), name
        assert repr(answers(one.value)) == repr(answers(second[name].value)), name


def answers(value: Any) -> Any:
    """What a value does, where it can be called: the same code could still see other globals."""
    if isinstance(value, type | torch.dtype | np.generic) or value is torch.relu:
        return getattr(value, "__name__", str(value))
    if isinstance(value, functools.partial):
        return [answers(value.func), *map(answers, value.keywords.values())]
    if callable(value):
        try:
            return value(2)
        except TypeError as error:
            return str(error)
    return None
