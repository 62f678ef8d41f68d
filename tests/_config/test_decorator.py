"""`configurable` on everything that can be called."""

import dataclasses
import inspect
import pickle
import timeit
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from alf._config import config, configurable, get_all_config_names, get_config_value
from alf.errors import ConfigError


@configurable
def double(x, factor: float = 2.0):
    """Doubles."""
    return x * factor


@configurable
class Base:
    def __init__(self, size=1, *, name="base"):
        self.size = size
        self.name = name

    @configurable
    def grow(self, by=1):
        return self.size + by

    @classmethod
    @configurable
    def make(cls, size=3):
        return cls(size)

    @configurable
    @staticmethod
    def twice(x, n=2):
        return x * n


class Child(Base):
    def __init__(self, extra=0, **kwargs):
        super().__init__(**kwargs)
        self.extra = extra


@configurable
class Heir(Base):
    """Has no constructor of its own."""


@configurable
@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    steps: int = 1
    names: tuple[str, ...] = ()
    extra: list[int] = dataclasses.field(default_factory=list)


@configurable
class Pair(NamedTuple):
    left: int = 0
    right: int = 0


def test_function_keeps_its_face():
    """Signature, docstring, name and pickle are those of the function."""
    config("double", factor=3.0)

    assert double(2) == 6.0
    assert str(inspect.signature(double)) == "(x, factor: float = 2.0)"
    assert double.__doc__ == "Doubles."
    assert inspect.unwrap(double)(2) == 4.0
    assert pickle.loads(pickle.dumps(double)) is double


def test_class_stays_the_same_object():
    """isinstance, signature and pickle of a configurable class work as before."""
    config("Base", size=5)
    base = Base(name="n")

    assert (base.size, base.name) == (5, "n")
    assert type(base) is Base
    assert str(inspect.signature(Base)) == "(size=1, *, name='base')"
    assert pickle.loads(pickle.dumps(base)).size == 5


def test_subclass_gets_the_configuration_of_its_base():
    """What a subclass does not pass to super().__init__ is the base's configured value."""
    config("Base", size=5, name="configured")
    child = Child(extra=1, name="passed")

    assert (child.size, child.name, child.extra) == (5, "passed", 1)


def test_inherited_constructor():
    """A class without a constructor has its own settings, and the base's for the rest."""
    config("Base", size=5, name="base's")
    config("Heir", size=6)

    assert (Heir().size, Heir().name) == (6, "base's")
    assert (Base().size, Heir(7).size) == (5, 7)


def test_methods_of_each_kind():
    """Methods, class methods and static methods are configurable; `self` and `cls` are not."""
    config({"Base.grow.by": 10, "Base.make.size": 4, "Base.twice.n": 5})

    assert Base(1).grow() == 11
    assert Base.make().size == 4
    assert (Base.twice(2), Base(1).twice(2)) == (10, 10)
    assert not [n for n in get_all_config_names() if n.endswith((".self", ".cls"))]


def test_frozen_keyword_only_dataclass():
    """A dataclass takes configured fields; a default factory still makes a new object each time."""
    config("Options", steps=9)

    assert Options() == Options(steps=9, names=(), extra=[])
    assert Options().extra is not Options().extra
    assert dataclasses.replace(Options(), names=("a",)).steps == 9
    assert get_config_value("Options.extra") == []
    with pytest.raises(ConfigError, match="takes int"):
        config("Options", steps="9", raise_if_used=False)


def test_named_tuple():
    """A named tuple is configured through __new__, and _replace is not."""
    config("Pair", right=3)

    assert Pair(1) == (1, 3)
    assert Pair(1)._replace(left=2) == (2, 3)
    assert pickle.loads(pickle.dumps(Pair())) == (0, 3)


def test_class_with_both_constructors():
    """A class that has `__new__` and `__init__` is configured through `__init__`."""

    @configurable("Both")
    class Both:
        def __new__(cls, *args, **kwargs):
            return super().__new__(cls)

        def __init__(self, size=1):
            self.size = size

    config("Both", size=4)

    assert (Both().size, Both(2).size) == (4, 2)


def test_required_parameter_can_come_from_config():
    """A parameter without a default is filled in; without a value Python's own error stands."""

    @configurable
    def needs(this, *rest, that, **more):
        return this, rest, that, more

    call: Any = needs  # the type checker wants the arguments that the config fills in

    with pytest.raises(TypeError, match="this"):
        call()
    config("needs", this=1, that=2)

    assert call() == (1, (), 2, {})
    assert call(5, 6, other=7) == (5, (6,), 2, {"other": 7})
    names = [n.rpartition(".")[2] for n in get_all_config_names() if ".needs." in n]
    assert names == ["that", "this"]


def test_value_is_looked_up_at_each_call():
    """A value set between two calls counts for the second."""
    assert double(1, factor=1.0) == 1.0
    config("double", factor=4.0)
    assert double(1) == 4.0
    config("double", factor=5.0, raise_if_used=False)
    assert double(1) == 5.0


def test_whitelist_blacklist():
    """Parameters that are kept out refuse to be set, and do not make a name ambiguous."""

    @configurable(whitelist=["a"])
    def first(a=1, b=2):
        return a, b

    @configurable(blacklist=("a",))
    def second(a=1, b=2):
        return a, b

    config({"a": 10, "b": 20})

    assert first() == (10, 2)
    assert second() == (1, 20)
    with pytest.raises(ConfigError, match="pass it as an argument"):
        config("first", b=3)
    with pytest.raises(ConfigError, match="whitelist or blacklist names 'z'"):
        configurable(whitelist=["z"])(_plain)


def _plain(a=1):
    return a


def test_retired_parameter_teaches():
    """Setting or passing a retired parameter says what to do instead."""

    @configurable("Old", retired={"speed": "use `rate`, in steps per second."})
    def old(rate=1, **more):
        return rate

    with pytest.raises(ConfigError, match=r"Old.speed' cannot be set: use `rate`"):
        config("Old", speed=3)
    with pytest.raises(ConfigError, match="use `rate`"):
        old(speed=3)
    assert old() == 1


def test_two_objects_cannot_share_a_name():
    """A name that another object has is refused; running a definition again is not."""
    for _ in range(2):
        configurable("Taken")(_plain)

    with pytest.raises(ConfigError, match=r"already called .*Taken'.*name of its own"):
        configurable("Taken")(_abstract)


def _abstract(b=1):
    return b


def test_not_callable_is_refused():
    """What is neither a function nor a class is refused, with what it was."""
    with pytest.raises(ConfigError, match="function or a class, but was given 3"):
        configurable(3)
    with pytest.raises(ConfigError, match="written in C"):
        configurable(int)


def test_functions_are_checked_by_position_and_by_name():
    """Wherever a call passes a function, and whoever's the configurable is."""

    @configurable("Caller")
    class Caller:
        def __init__(self, first: Callable[[int], int], second: Callable[..., str] | None = None):
            self.first, self.second = first, second

    make: Any = Caller  # the type checker would find what is wrong

    def wrong(x):
        return "x"

    by_position, by_name = make(wrong, wrong), make(first=max, second=int)
    assert by_position.second(1) == "x"
    with pytest.raises(ConfigError, match=r"Caller.first' is .*wrong, which made a str, but must"):
        by_position.first(1)
    with pytest.raises(ConfigError, match=r"Caller.first' is max. It is called with \(1\), but"):
        by_name.first(1)
    assert by_name.second is int  # classes are compared with `is`, and asked for what they have


def test_a_function_fails_in_words_of_its_own():
    """What code of the user's raises inside of it is not taken for a call that does not fit."""

    @configurable("Calls")
    def calls(it: Callable[[int], int] = abs):
        return it(1)

    call: Any = calls

    def broken(x):
        return [][x]

    with pytest.raises(IndexError):
        call(broken)
    with pytest.raises(ConfigError, match=r"Calls.it' is .*<lambda>, which made a list"):
        call(it=lambda x: [x])
    assert calls() == 1


def test_call_is_cheap():
    """A configured call costs a few microseconds at most, also with many parameters."""

    @configurable
    def wide(a=1, b=2, c=3, d=4, e=5, f=6, g=7, h=8):
        return a

    config("wide", a=2, h=3)
    seconds = min(timeit.repeat(lambda: wide(1, c=2), number=2000, repeat=5)) / 2000

    assert seconds < 20e-6  # about 0.6e-6 on an idle machine
