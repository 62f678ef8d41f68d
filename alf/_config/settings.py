"""The functions by which confs and programs set and read configured values."""

import itertools
import sys
from collections.abc import Mapping
from typing import Any, cast

from alf._config import checks, lessons, unused
from alf._config.origin import COMMAND_LINE, Origin, caller, modules_being_executed
from alf._config.overrides import Override
from alf._config.parameters import MISSING
from alf._config.setting import PreConfig
from alf._config.store import current
from alf.errors import ConfigError

_GROUPS = itertools.count()


def config(
    prefix_or_dict: str | Mapping[str, Any],
    mutable: bool = True,
    raise_if_used: bool = True,
    **kwargs: Any,
) -> None:
    """Set parameters of configurables, all of them or none.

        alf.config("TrainerConfig", unroll_length=32, num_iterations=500)
        alf.config({"TrainerConfig.unroll_length": 32, "ActorCriticLoss.gamma": 0.99})

    Args:
        prefix_or_dict: the name of one configurable, whose parameters follow as keyword arguments;
            or a dict from parameter name to value. A name is any unambiguous ending of
            `package.module.Class.parameter`.
        mutable: whether a later call may set other values.
        raise_if_used: whether it is an error if a parameter was already used.
        kwargs: parameter -> value, with a prefix.

    Raises:
        ConfigError: a name is unknown or ambiguous, a value is plainly of the wrong type, or comes
            too late.
    """
    origin = caller()
    _require_flags(prefix_or_dict, mutable, raise_if_used, origin)
    if isinstance(prefix_or_dict, str):
        values: dict[str, Any] = {f"{prefix_or_dict}.{name}": v for name, v in kwargs.items()}
    elif not isinstance(cast(object, prefix_or_dict), Mapping):
        raise ConfigError(lessons.no_name(prefix_or_dict, origin))
    elif kwargs:
        raise ConfigError(
            f"{origin}: alf.config was given a dict and also {', '.join(kwargs)}. "
            "Put these into the dict."
        )
    else:
        values = dict(prefix_or_dict)
    _assign_all(values, origin, mutable, raise_if_used)


def config1(config_name: str, value: Any, mutable: bool = True, raise_if_used: bool = True) -> None:
    """Set one parameter; the arguments mean what they mean for `config`."""
    _require_flags(config_name, mutable, raise_if_used, caller())
    _assign_all({config_name: value}, caller(), mutable, raise_if_used)


def _require_flags(name: object, mutable: object, raise_if_used: object, origin: Origin) -> None:
    """Refuse values in the places of the flags, where they would silently set nothing."""
    for flag, given in (("mutable", mutable), ("raise_if_used", raise_if_used)):
        if not isinstance(given, bool):
            raise ConfigError(lessons.no_flag(name, flag, given, origin))


def _require_name(name: object, origin: Origin) -> None:
    if not isinstance(name, str):
        raise ConfigError(lessons.no_name(name, origin))


def _assign_all(
    values: Mapping[str, Any], origin: Origin, mutable: bool, raise_if_used: bool
) -> None:
    store = current()
    for name in modules_being_executed():
        if name in sys.modules:
            store.conf_modules[name] = sys.modules[name]
    for name in values:
        _require_name(name, origin)
    resolved = {name: store.resolve(name, origin) for name in values}
    by_full: dict[str, str] = {}
    for name, full in resolved.items():
        if by_full.setdefault(full, name) != name:
            first, second = values[by_full[full]], values[name]
            raise ConfigError(lessons.twice(full, first, second, origin))
    before = {full: store.settings.get(full) for full in resolved.values()}
    try:
        for name, value in values.items():
            store.assign(resolved[name], value, origin, mutable, raise_if_used)
    except ConfigError:
        for full, setting in before.items():
            if setting is None:
                store.settings.pop(full, None)
            else:
                store.settings[full] = setting
        raise


def pre_config(configs: Mapping[str, Any]) -> None:
    """Set values before the conf runs; the conf cannot change them.

    A name may belong to a module that is not imported yet: it waits until that defines it. Where
    two calls set one parameter, the first call wins. `validate_pre_configs` tells whether every
    name found its parameter.

    Args:
        configs: name -> value, or name -> `Override`.

    Raises:
        ConfigError: a name is ambiguous, or a value is plainly of the wrong type or comes too late.
    """
    store, here, group = current(), caller(), next(_GROUPS)
    if not isinstance(cast(object, configs), Mapping):
        raise ConfigError(
            f"{here}: alf.pre_config takes a dict of name and value, but was given "
            f"{lessons.shown(configs)}."
        )
    for name, given in configs.items():
        _require_name(name, here)
        if isinstance(given, Override):
            store.pre_assign(PreConfig(name, given.value, COMMAND_LINE, group))
        else:
            store.pre_assign(PreConfig(name, given, here, group))


def validate_pre_configs() -> None:
    """Check, once the conf has run, that each pre-config means exactly one parameter that exists.

    Raises:
        ConfigError: a name is unknown (with the closest real ones) or ambiguous (with the
            candidates).
    """
    current().validate_pre_configs()


def get_handled_pre_configs() -> list[tuple[str, Any]]:
    """The pre-configs that found their parameter: (name as given, value)."""
    return [(pre.name, pre.value) for pre in current().pre_configs if pre.bound is not None]


def define_config(name: str, default_value: Any) -> None:
    """Define a value of a conf's own, that the command line can set by `name`.

        alf.define_config("num_layers", 2)
        layers = alf.get_config_value("num_layers")

    Args:
        name: a name; `_CONFIG._USER.<name>` in full.
        default_value: what `get_config_value` gives where nobody set it.

    Raises:
        ConfigError: the name is defined already.
    """
    origin = caller()
    _require_name(name, origin)
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(
            f"{origin}: {lessons.quoted(name)} is no name that an override could set. Use letters, "
            "digits and underscores, as in alf.define_config('num_layers', 2)."
        )
    current().define_user_value(name, default_value, origin)


def get_config_value(config_name: str) -> Any:
    """The value of a parameter, which counts as a use: setting it later is an error.

    Args:
        config_name: any unambiguous ending of the full name.

    Raises:
        ConfigError: the name is unknown or ambiguous, or has neither a value nor a default.
    """
    origin = caller()
    _require_name(config_name, origin)
    store = current()
    return store.value_of(store.resolve(config_name, origin), origin)


def override_with(text: str) -> str | None:
    """The override, of the command line or of a search, that has this text in its value.

    Args:
        text: all of it, not a part.

    Returns:
        Where it was given and for what; `None` if no override has it.
    """
    for pre in current().pre_configs:
        if pre.origin == COMMAND_LINE and any(part == text for part in _texts(pre.value)):
            return f"{pre.origin} '{pre.name}'"
    return None


def _texts(value: object) -> list[str]:
    return [part for part in checks.parts(value) if isinstance(part, str)]


def get_all_config_names() -> list[str]:
    """Full names of all parameters that are known, sorted."""
    return sorted(current().parameters)


def get_operative_configs() -> list[tuple[str, Any]]:
    """Parameters whose configured or default value was used by a call: (full name, value)."""
    store = current()
    found = [(full, store.current_value(full)) for full in sorted(store.first_use)]
    return [(full, value) for full, value in found if value is not MISSING]


def get_inoperative_configs() -> list[tuple[str, Any]]:
    """Parameters that were set and never used: (full name, value)."""
    return [(name, value) for name, value, _ in current().unused()]


def unused_configs() -> list[tuple[str, Any, str]]:
    """Parameters that were set and never used: (name, value, `file:line` of who set it)."""
    return [(name, value, str(origin)) for name, value, origin in current().unused()]


def describe_unused() -> list[str]:
    """One line for each value that was set and never used: who set it, and why it was not."""
    return unused.describe(current())
