"""Overrides: what the command line may say, and how it is written down."""

import enum
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf._config.overrides import equal, literal, parse_overrides, parse_value, shell_example
from alf.errors import ConfigError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary(max_size=8)
)
KEYS = st.text(max_size=5) | st.integers() | st.booleans()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.frozensets(KEYS, max_size=3)
        | st.sets(KEYS, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value", "source"),
    [
        ("100", 100, "100"),
        ("-1e-3", -0.001, "-1e-3"),
        ("(64, 64)", (64, 64), "(64, 64)"),
        ("64, 64", (64, 64), "(64, 64)"),
        ("'CartPole-v1'", "CartPole-v1", "'CartPole-v1'"),
        ("{'a': [1, None]}", {"a": [1, None]}, "{'a': [1, None]}"),
        ("3  # three", 3, "3"),
        ("/tmp/data", "/tmp/data", "'/tmp/data'"),
        ("cuda:0", "cuda:0", "'cuda:0'"),
        ("math.pi / 2", math.pi / 2, "math.pi / 2"),
        ("[2 ** i for i in range(3)]", [1, 2, 4], "[2 ** i for i in range(3)]"),
        ("float('inf')", math.inf, "float('inf')"),
    ],
)
def test_values(text, value, source):
    """A literal, an expression or a bare word gives its value, and text that gives it again."""
    override = parse_value("x", text)

    assert equal(value, override.value)
    assert override.source == source
    assert equal(value, parse_value("x", override.source).value)


def test_functions():
    """partial and lambda work over the known names."""
    found = parse_overrides(["a=partial(pow, 2)", "b.c=lambda x: math.floor(x)"])

    assert list(found) == ["a", "b.c"]
    assert found["a"].value(3) == 8
    assert found["b.c"].value(2.5) == 2


def test_numpy_is_imported_only_if_mentioned():
    """Parsing plain values imports neither numpy nor torch; naming np gives numpy."""
    program = (
        "import sys; from alf._config import parse_overrides as p\n"
        "p(['a=1', 'b=math.pi', 'c=/x']); assert not {'torch', 'numpy'} & set(sys.modules)\n"
        "assert p(['a=np.pi'])['a'].value > 3; assert 'numpy' in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
        "assert float(p(['a=torch.tensor([2, 1]).to(torch.float32)'])['a'].value[0]) == 2.0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("novalue", "is not NAME=VALUE"),
        ("=3", "is not NAME=VALUE"),
        ("a..b=3", "is not NAME=VALUE"),
        ("a b=3", "is not NAME=VALUE"),
        ("a=", "is no Python value"),
        ("a=1 2", "is no Python value"),
        ("a=1; import os", "is no Python value"),
        ("a=(1", "is no Python value"),
        ("a=().__class__.__bases__", "two underscores"),
        ("a=__import__('os')", "two underscores"),
        ("a=(y := 3)", "more than one plain expression"),
        ("a=open('/etc/passwd')", "'open' is no name"),
        ("a=1 / 0", "ZeroDivisionError"),
        ("a=math.nothing", "AttributeError"),
    ],
)
def test_mistakes(text, match):
    """Whatever is no single plain expression is refused before anything runs."""
    with pytest.raises(ConfigError, match=match):
        parse_overrides([text])


def test_forgotten_quotes_are_explained():
    """Text without quotes that happens to be Python is answered with the line to paste."""
    with pytest.raises(ConfigError) as error:
        parse_overrides(["create_environment.env_name=CartPole-v1"])

    assert "'CartPole' and 'v1' are no names" in str(error.value)
    assert "--conf_param=\"create_environment.env_name='CartPole-v1'\"" in str(error.value)


def test_twice_is_refused():
    """A name given twice has no clear value."""
    with pytest.raises(ConfigError, match="'a' twice"):
        parse_overrides(["a=1", "a=2"])


@given(VALUES)
def test_literal_reads_back_equal(value):
    """Any nest of plain values is written so that it reads back equal, types included."""
    override = literal(value)

    assert equal(value, parse_value("x", override.source).value)


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_a_lesson(text):
    """No text makes the parser fail in another way than by ConfigError."""
    try:
        override = parse_value("x", text)
    except ConfigError:
        return
    assert repr(override.value) == repr(parse_value("x", override.source).value)


class _Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize("value", [object(), _Colour.RED, [_Colour.RED], {1: print}, [10**5000]])
def test_what_cannot_be_written_is_refused(value):
    """A value whose text would give less than it is, is refused."""
    with pytest.raises(ConfigError, match="cannot be written"):
        literal(value)


def test_equal_tells_types():
    """1, 1.0 and True are different; so are 0.0 and -0.0; nan is itself."""
    assert not equal(1, True)
    assert not equal((1,), (1.0,))
    assert not equal(0.0, -0.0)
    assert equal([math.nan], [math.nan])
    assert not equal([1], (1,))
    assert equal({1, 2}, {2, 1})


@given(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=20))
def test_advice_survives_the_shell(text):
    """The printed argument, read by a shell, is the argument that was meant."""
    printed = shell_example("a.b", repr(text))
    program = f"printf %s {printed}"
    done = subprocess.run(["/bin/sh", "-c", program], capture_output=True, check=True)

    assert done.stdout.decode() == f"--conf_param=a.b={text!r}"
