"""Setting and reading values: strength, names, and every mistake's message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf._config import (
    config,
    config1,
    configurable,
    define_config,
    describe_unused,
    get_all_config_names,
    get_config_value,
    get_handled_pre_configs,
    get_inoperative_configs,
    get_operative_configs,
    isolated,
    parse_overrides,
    pre_config,
    reset_configs,
    unused_configs,
    validate_pre_configs,
)
from alf.errors import ConfigError


@pytest.fixture
def layer():
    """A fresh configurable named `Layer`."""

    @configurable("Layer")
    def layer(width: int = 8, rate: float = 0.1, name: str = "layer", *, deep=False):
        return width, rate, name, deep

    return layer


def test_order_of_strength(layer):
    """Argument at the call > pre_config > config > default, for each parameter on its own."""
    pre_config({"Layer.width": 1})
    config("Layer", width=2, rate=0.2)
    config("Layer", rate=0.3)

    assert layer() == (1, 0.3, "layer", False)
    assert layer(5) == (5, 0.3, "layer", False)
    assert layer(5, deep=True, rate=0.4) == (5, 0.4, "layer", True)
    assert layer(5, 0.5, "x") == (5, 0.5, "x", False)


def test_dict_form_and_config1(layer):
    """A dict sets several configurables at once; config1 sets one value."""
    config({"Layer.width": 3, "Layer.rate": 1})
    config1("Layer.name", "n")

    assert layer() == (3, 1, "n", False)
    with pytest.raises(ConfigError, match="Put these into the dict"):
        config({"Layer.width": 3}, rate=1)


def test_failed_config_changes_nothing(layer):
    """One wrong value in a call leaves the others unset too."""
    config("Layer", width=2)
    with pytest.raises(ConfigError):
        config("Layer", width=3, rate="fast")

    assert layer() == (2, 0.1, "layer", False)


def test_name_is_any_unambiguous_ending(layer):
    """Each suffix on a dot boundary names the parameter; part of a word does not."""
    full = f"{__name__}.Layer.width"
    parts = full.split(".")

    assert full in get_all_config_names()
    for start in range(len(parts)):
        config1(".".join(parts[start:]), start)
        assert layer()[0] == start
        reset_configs()
    with pytest.raises(ConfigError, match=r"no configurable parameter 'ayer.width'"):
        config1("ayer.width", 1)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_resolution_agrees_with_its_definition(parts):
    """A name means exactly the full names that end with it after a dot."""
    owners = ["a", "b.a", "a.b", "c.a.b"]
    with isolated() as store:
        for owner in owners:
            configurable(owner)(_abc)
        name = ".".join(parts)
        full_names = [f"{__name__}.{owner}.{p}" for owner in owners for p in "abc"]
        expected = [full for full in full_names if f".{full}".endswith(f".{name}")]

        assert sorted(expected) == sorted(n for n in store.candidates(name) if __name__ in n)


def _abc(a=1, b=2, c=3):
    return a, b, c


def test_ambiguous_name_lists_candidates(layer):
    """An ambiguous ending is refused with the parameters that it can mean."""

    @configurable("Other")
    def _other(width=1):
        return width

    with pytest.raises(ConfigError, match=r"can mean 2 .*Layer\.width.*Other\.width.*Write more"):
        config1("width", 3)


def test_unknown_name_says_what_is_near(layer):
    """A misspelt owner or parameter is answered with real names and the place of the mistake."""
    with pytest.raises(ConfigError, match=r"test_settings\.py:\d+: .*Did you mean 'Layer\.width'"):
        config("Layr", width=3)
    with pytest.raises(ConfigError, match=r"'Layer\.rate'.*'Layer' has: deep, name, rate, width"):
        config("Layer", ratee=3)
    with pytest.raises(ConfigError, match="is an import missing"):
        config("Zzzzzz", qqqqqqqq=1)


def test_setting_after_use_is_refused(layer):
    """A value that comes too late names both places; raise_if_used=False lets it in."""
    assert layer(width=1)[1] == 0.1
    config("Layer", width=7)  # the call above passed it, so it was not used

    with pytest.raises(ConfigError, match=r"rate' is set to 0\.5, but it was already used at .*py"):
        config("Layer", rate=0.5)
    config("Layer", rate=0.5, raise_if_used=False)
    assert layer() == (7, 0.5, "layer", False)


def test_immutable_in_conf_raises_and_names_both(layer):
    """mutable=False in a conf makes a later setting an error that shows both values."""
    config("Layer", mutable=False, width=7)

    with pytest.raises(ConfigError, match=r"set to 8, but .*test_settings\.py:\d+ set it to 7"):
        config("Layer", width=8)
    assert layer()[0] == 7


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("width", "3", "int"), ("width", 1.5, "int"), ("rate", "x", "float"), ("name", 3, "str")],
)
def test_wrong_type_is_refused(layer, name, value, expected):
    """A plainly wrong type is an error that names the expected and the given one."""
    with pytest.raises(
        ConfigError, match=f"takes {expected}, but was given .*{type(value).__name__}"
    ):
        config1(f"Layer.{name}", value)
    assert layer() == (8, 0.1, "layer", False)


def test_a_million(layer):
    """1e6 is an int where only an int can stand, from a conf and from the command line."""
    config("Layer", width=1e6)
    pre_config(parse_overrides(["Layer.rate=1e3"]))

    assert repr(layer(deep=1e3)) == "(1000000, 1000.0, 'layer', 1000.0)"
    reset_configs()
    pre_config(parse_overrides(["Layer.width=2e0"]))
    assert repr(layer()[0]) == "2"


def test_pre_config_waits_for_its_definition():
    """A pre-config of a name that is not there yet is applied when it is defined."""
    pre_config({"Later.size": 4})
    assert get_handled_pre_configs() == []

    @configurable("Later")
    def later(size: int = 1):
        return size

    assert later() == 4
    assert get_handled_pre_configs() == [("Later.size", 4)]
    validate_pre_configs()


def test_waiting_pre_config_is_checked_when_defined():
    """The type of a waiting pre-config is judged at the definition."""
    pre_config(parse_overrides(["Later.size='big'"]))

    with pytest.raises(ConfigError, match=r"--conf_param: .*takes int.*'big'"):

        @configurable("Later")
        def _later(size: int = 1):
            return size


def test_pre_config_that_nothing_defines_is_an_error(layer):
    """validate_pre_configs names what never was defined, with what is near."""
    pre_config({"Layer.widht": 4})

    with pytest.raises(ConfigError, match=r"no configurable parameter 'Layer.widht'.*Layer\.width"):
        validate_pre_configs()
    assert get_inoperative_configs() == [("Layer.widht", 4)]


def test_pre_config_that_became_ambiguous_is_an_error(layer):
    """A short pre-config that two configurables fit is found by validate_pre_configs."""
    pre_config({"width": 4})

    @configurable("Second")
    def _second(width=1):
        return width

    with pytest.raises(ConfigError, match="can mean 2 parameters"):
        validate_pre_configs()


def test_first_pre_config_wins_and_contradiction_is_refused(layer):
    """The command line comes before the recorded block; within one call there is no order."""
    pre_config({"Layer.width": 1})
    pre_config({"Layer.width": 2})
    validate_pre_configs()

    assert layer(rate=1)[0] == 1
    with pytest.raises(ConfigError, match=r"given twice, as 0.1 and as 0.2"):
        pre_config({"Layer.rate": 0.1, f"{__name__}.Layer.rate": 0.2})


def test_pre_config_after_use_is_refused(layer):
    """An override cannot come after the value was used."""
    layer()

    with pytest.raises(ConfigError, match="already used"):
        pre_config({"Layer.width": 2})
    assert layer()[0] == 8
    assert get_handled_pre_configs() == []


def test_user_value():
    """define_config gives the conf a value of its own, stronger than a parameter elsewhere."""
    pre_config({"leaves": 5})

    @configurable("Tree")
    def tree(leaves=1):
        return leaves

    define_config("leaves", 2)
    define_config("breadth", 2)

    assert get_config_value("breadth") == 2
    assert get_config_value("leaves") == 5
    assert get_config_value("_CONFIG._USER.leaves") == 5
    assert tree() == 1
    with pytest.raises(ConfigError, match="already used"):
        config1("breadth", 6)
    with pytest.raises(ConfigError, match="defined already"):
        define_config("leaves", 2)


def test_get_config_value_counts_as_use(layer):
    """What was read cannot be set later; what has no value says so."""

    @configurable("Needs")
    def _needs(this):
        return this

    assert get_config_value("Layer.width") == 8
    with pytest.raises(ConfigError, match="already used"):
        config("Layer", width=1)
    with pytest.raises(ConfigError, match=r"neither a default nor a configured value.*config1"):
        get_config_value("Needs.this")


def test_operative_and_inoperative(layer):
    """Operative is what a call took, default or not; inoperative is what was set in vain."""
    config("Layer", width=3, rate=0.5)
    layer(rate=0.7)
    own = f"{__name__}.Layer"

    assert get_operative_configs() == [
        (f"{own}.deep", False),
        (f"{own}.name", "layer"),
        (f"{own}.width", 3),
    ]
    assert get_inoperative_configs() == [(f"{own}.rate", 0.5)]
    [(name, value, where)] = unused_configs()
    assert (name, value) == (f"{own}.rate", 0.5)
    assert "test_settings.py:" in where
    assert "nothing used it" in describe_unused()[0]


def test_reset_forgets_values_and_keeps_configurables(layer):
    """After reset_configs everything has its default and can be set again."""
    config("Layer", width=3)
    layer()
    reset_configs()

    assert layer()[0] == 8
    assert get_inoperative_configs() == []


def test_isolated_restores_also_after_an_error(layer):
    """Inside is fresh; outside is as before, and what was defined inside is gone."""
    config("Layer", width=3)

    def inside():
        with isolated():
            assert layer()[0] == 8
            with isolated():
                config("Layer", width=9, raise_if_used=False)
                assert layer()[0] == 9
            assert layer()[0] == 8

            @configurable("Inner")
            def _inner(x=1):
                return x

            raise KeyError

    with pytest.raises(KeyError):
        inside()

    assert layer()[0] == 3
    assert not [name for name in get_all_config_names() if "Inner" in name]
