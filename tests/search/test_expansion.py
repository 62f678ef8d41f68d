import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alf._config import literal
from alf.errors import ConfigError
from alf.search.expansion import abbreviations, expand, is_seed
from alf.search.spec import SearchSpec


def spec(repeats: int = 1, **parameters: Any):
    values = {n.replace("__", "."): tuple(map(literal, v)) for n, v in parameters.items()}
    return SearchSpec(values, repeats=repeats)


def test_names_by_hand():
    """The last parameter changes fastest, repeats faster still, and names tell the values."""
    runs = expand(spec(repeats=2, Adam__lr=[0.001, 1e-05], Loss__gamma=[0.98, -1]))

    assert [
        "0r0+lr=0.001+gamma=0.98",
        "0r1+lr=0.001+gamma=0.98",
        "1r0+lr=0.001+gamma=-1",
        "1r1+lr=0.001+gamma=-1",
        "2r0+lr=1e-05+gamma=0.98",
        "2r1+lr=1e-05+gamma=0.98",
        "3r0+lr=1e-05+gamma=-1",
        "3r1+lr=1e-05+gamma=-1",
    ] == [run.name for run in runs]
    assert [0.001, 0.98] == [value.value for value in runs[0].parameters.values()]


def test_abbreviations():
    """A name is cut to its last component, or as many as tell it from the others."""
    assert {"A.lr": "A.lr", "m.B.lr": "B.lr", "gamma": "gamma"} == abbreviations(
        ["A.lr", "m.B.lr", "gamma"]
    )


def test_values_are_shortened():
    """Tuples and paths become words of safe characters."""
    (run,) = expand(spec(a=[(64, 64)], b=["/tmp/x y/../z"], c=[None], d=[""]))

    assert "0r0+a=64-64+b=tmp-x-y-..-z+c=None+d=_" == run.name


names = st.from_regex(r"[a-zA-Zé_][a-z_0-9]{0,30}(\.[a-z_]{1,30}){0,3}", fullmatch=True)
values = st.one_of(
    st.integers(), st.floats(), st.text(), st.booleans(), st.none(), st.tuples(st.integers())
)
searches = st.builds(
    SearchSpec,
    parameters=st.dictionaries(
        names.filter(lambda name: not is_seed(name)),
        st.lists(values.map(literal), min_size=1, max_size=4, unique_by=lambda v: v.source),
        min_size=1,
        max_size=4,
    ),
    repeats=st.integers(1, 3),
)


@settings(deadline=None)
@given(search=searches)
def test_count_and_names(search):
    """There is a job for each combination and repeat, in a folder with a name safe anywhere."""
    runs = expand(search)
    combinations = {tuple(v.source for v in run.parameters.values()) for run in runs}
    folded = {run.name.lower() for run in runs}  # some file systems do not know capitals

    assert math.prod(map(len, search.parameters.values())) == len(combinations)
    assert len(combinations) * search.repeats == len(runs) == len(folded)
    for run in runs:
        assert re.fullmatch(r"[A-Za-z0-9._=+-]{1,100}", run.name)
        assert not run.name.endswith(".")
        assert run.name.startswith(f"{run.index}r{run.repeat}+")


def test_long_names_keep_a_digest():
    """A long name is cut, and a digest tells which values it had."""
    long = {f"parameter_number_{k}": [k] for k in range(10)}
    (first,) = expand(spec(1, **long))
    (second,) = expand(spec(1, **{**long, "parameter_number_9": [10]}))

    assert 100 >= len(first.name) > 80
    assert first.name[:-8] == second.name[:-8]
    assert first.name != second.name


def test_seed_and_repeats():
    """Repeats of a searched seed would be the same job again."""
    assert is_seed("random_seed")
    assert is_seed("TrainerConfig.random_seed")
    assert not is_seed("g.random_seed")
    with pytest.raises(ConfigError, match="same job again"):
        expand(spec(repeats=2, TrainerConfig__random_seed=[1, 2]))
    assert 2 == len(expand(spec(TrainerConfig__random_seed=[1, 2])))
