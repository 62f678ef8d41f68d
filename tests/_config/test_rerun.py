"""What `alf_config.py` records runs again to the very values that the job had."""

import functools
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alf._config import (
    configurable,
    isolated,
    literal,
    load_config,
    parse_overrides,
    pre_config,
    validate_pre_configs,
    write_alf_config,
)
from alf._config.catalogue import Set, operative
from alf._config.values import alike
from alf.errors import ConfigError

HEADS = st.sampled_from(
    [
        "",
        '"""Größe."""\n',
        "from __future__ import annotations\n",
        "# -*- coding: latin-1 -*-\n# é\n",
    ]
)
CONF = """
import dataclasses
import enum
import math
from collections import namedtuple
from functools import partial
from pathlib import Path, PurePosixPath

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


    def plus(self, x):
        return x + self.width

    @classmethod
    def wide(cls, x):
        return cls(x)


class Kind(enum.Enum):
    FIRST = 1
    OTHER = "other"


class Flags(enum.IntFlag):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Recipe:
    name: str
    steps: object = ()


@dataclasses.dataclass(frozen=True)
class Frozen:
    by: object = dataclasses.field(default_factory=list)


Pair = namedtuple("Pair", ["left", "right"])
SHARED = [Model(), [1, 2]]


def scaled(x, by=1.0):
    return x * by


def make(n):
    return lambda x: x + n


@alf.configurable("OfTheConf")
def of_the_conf(value=None):
    return value

"""
NUMBERS = st.integers(-5, 5) | st.floats(-(2.0**62), 2.0**62, width=32)  # each an int64, too
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
    filled(
        "np.nan_to_num(np.array([{}, {}]), posinf=9, neginf=-9).astype(np.{})",
        NUMBERS,
        NUMBERS,
        TYPES,
    ),
    filled("np.{}(3)", TYPES),
    filled("torch.tensor([{}, {}]).to(torch.{})", NUMBERS, NUMBERS, TYPES),
    filled("torch.{}", TYPES),
    st.sampled_from(["torch.nn.ReLU", "torch.relu", "torch.Size([2, 3])", "torch.device('cpu')"]),
)
UNEQUAL = st.sampled_from(
    [
        *("float('nan')", "-float('inf')", "np.float32('nan')", "torch.tensor([math.nan, -0.0])"),
        *("-0.0", "complex(0.0, math.nan)", "[float('nan')] * 2", "{float('inf'): float('nan')}"),
    ]
)
DEEP = st.sampled_from(
    [
        *("{1, 2, 'x'}", "frozenset([1, (2, 3)])", "set()", "b'\\x00\\xff'", "bytes(3)", "1j"),
        *("range(1, 9, 2)", "slice(1, None, 2)", "partial(partial(pow, 2), 5)", "...", "10**40"),
        *("partial(partial(max, key=abs), 3)", "dict(a={'b': {'c': (1, [2, {3}])}})"),
    ]
)
ANYWHERE = DATA | ARRAYS | UNEQUAL | DEEP | filled("lambda x, k={}: x * k + {}", NUMBERS, NUMBERS)
IN_CONF = st.recursive(
    st.one_of(
        ANYWHERE,
        st.sampled_from(
            ["Model", "scaled", "SCALE", "base.OFFSET", "base.Shift", "lambda x: x * SCALE"]
        ),
        filled("make({})", NUMBERS),
        filled("Model(width={})", NUMBERS),
        filled("base.Shift({})", NUMBERS),
        st.sampled_from(
            [
                *("Kind.FIRST", "Kind('other')", "Kind", "Flags.LOW | Flags.HIGH", "Path('a/b')"),
                *("PurePosixPath('/x') / 'y'", "SHARED", "SHARED[0]"),
                *("SHARED[0].plus", "Model.wide", "SHARED[0].plus.__func__", "Pair", "base"),
                *("Recipe('a', SHARED)", "Frozen()", "Frozen(by={1: SHARED[1]})", "Recipe"),
                *("partial(partial(scaled, 3), by=SHARED[0].width)", "'x'.join", "[].append"),
                *("(lambda f: lambda x: f(x))(scaled)", "Model().plus"),
            ]
        ),
    ),
    lambda inner: st.one_of(
        filled("partial(scaled, by={})", inner),
        filled("partial(Model, width=2, inner={})", inner),
        filled("{{'a': {}, 'b': [{}, ({},)]}}", inner, inner, inner),
        filled("Pair({}, right={})", inner, inner),
        filled("Recipe(name='r', steps={})", inner),
        filled("partial(partial(scaled, {}), by={})", inner, inner),
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
@example(
    head="",
    in_conf={"rerun_c": "SHARED[0].plus", "rerun_d": "Recipe('a', {1, 2})"},
    own="Model.wide",
    given_first={"rerun_a": "..."},
    given_later={},
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


def test_what_two_settings_share_is_shared_again(tmp_path):
    """The conf runs again, and so makes one object for both; an override is a value of its own."""
    conf, recorded = tmp_path / "conf.py", tmp_path / "job" / "alf_config.py"
    sharing = "a = Model()\nalf.config('Rerun', rerun_a=a, rerun_b={'in': [a]}, rerun_c=a.plus)\n"
    conf.write_text(f"{CONF}{sharing}")
    (tmp_path / "base_conf.py").write_text(BASE)
    write_alf_config(recorded, parse_overrides(["Rerun.rerun_d=[3]"]), conf.read_text(), conf)

    for path in (conf, recorded):
        with isolated():
            load_config(path)
            values: Any = rerun()
            one, other, method, last = values
            assert other["in"][0] is one
            assert method.__self__ is one
            assert (last == [3]) == (path == recorded)


def test_a_file_is_opened_by_the_conf_alone():
    """An override cannot hold what another process has not: the lesson names the setting."""
    with pytest.raises(
        ConfigError, match=r"'Rerun.rerun_a': in .*'open' is no name .*into the con"
    ):
        parse_overrides(["Rerun.rerun_a=open('/tmp/x')"])
    with pytest.raises(ConfigError, match="an open file, is made by the conf"):
        literal(sys.stderr)


def overridden(values: dict[str, Set]) -> set[str]:
    return {name for name, one in values.items() if one.is_override}


def assert_same(first: dict[str, Set], second: dict[str, Set]) -> None:
    assert list(first) == list(second)
    for name, one in first.items():
        assert alike(one.value, second[name].value), name
        assert alike(answers(one.value), answers(second[name].value)), name


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
