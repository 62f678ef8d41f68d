"""The config store: what can be set, what was set by whom, and what was used where.

There is one current store. `isolated` puts a fresh one in its place for a while.
"""

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from alf._config import builtins, checks, conf_modules, fitting, lessons, whereabouts
from alf._config.conf_modules import LoadedConf
from alf._config.origin import COMMAND_LINE, Origin
from alf._config.parameters import MISSING, Definition, Parameter
from alf._config.setting import PreConfig, Setting
from alf._config.settled import Settled
from alf.errors import ConfigError

USER = "_CONFIG._USER"
_MAX_SHAPES = 256

Shape = tuple[int | str, ...]


@dataclass(eq=False)
class ConfigStore:
    """All configuration of one job.

    Every method that sets a value raises `ConfigError` if it cannot be set.
    """

    definitions: dict[str, Definition] = field(default_factory=dict[str, Definition])
    parameters: dict[str, Parameter] = field(default_factory=dict[str, Parameter])
    settings: dict[str, Setting] = field(default_factory=dict[str, Setting])
    first_use: dict[str, Origin] = field(default_factory=dict[str, Origin])
    pre_configs: list[PreConfig] = field(default_factory=list[PreConfig])
    called: set[str] = field(default_factory=set[str])
    passed: dict[str, Origin] = field(default_factory=dict[str, Origin])
    plans: dict[Definition, dict[Shape, dict[str, Any]]] = field(
        default_factory=dict[Definition, dict[Shape, dict[str, Any]]]
    )
    conf_modules: dict[str, Any] = field(default_factory=dict[str, Any])
    loaded: dict[str, LoadedConf] = field(default_factory=dict[str, LoadedConf])
    added_paths: list[str] = field(default_factory=list[str])
    _by_last: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    # Definitions and names

    def define(self, definition: Definition, origin: Origin) -> None:
        """Register a configurable, and give it the pre-configs that waited for it."""
        old = self.definitions.get(definition.full_name)
        if old is not None:
            if old.identity != definition.identity:
                raise ConfigError(lessons.name_taken(definition.full_name, origin))
            self._forget(old)
        self.definitions[definition.full_name] = definition
        for short, parameter in definition.parameters.items():
            self._add(short, parameter)
        for pre in self.pre_configs:
            if pre.bound is None and pre.name.rpartition(".")[2] in definition.parameters:
                self._bind(pre)

    def define_user_value(self, name: str, default: object, origin: Origin) -> None:
        """Register a value of the user's own, `_CONFIG._USER.<name>`."""
        full = f"{USER}.{name}"
        if full in self.parameters:
            raise ConfigError(
                f"{origin}: '{name}' is defined already. Define it once; set it by alf.config1."
            )
        self._add(name.rpartition(".")[2], Parameter(full, default))
        for pre in self.pre_configs:
            if pre.name in (name, full):
                self._unbind(pre, full)
                self._bind(pre)

    def resolve(self, name: str, origin: Origin) -> str:
        """The full name of what `name` means; imports the part of `alf` that defines it.

        Raises:
            ConfigError: nothing, or more than one parameter, has this name.
        """
        found = self.candidates(name)
        if not found and builtins.import_modules_for(name):
            found = self.candidates(name)
        if len(found) > 1:
            raise ConfigError(lessons.ambiguous(name, origin, found))
        if not found:
            self._import_lookalikes(name)
            elsewhere = whereabouts.found(name, [origin.where, *self.loaded])
            raise ConfigError(lessons.unknown(name, origin, self._settable(), elsewhere))
        return found[0]

    def candidates(self, name: str) -> list[str]:
        """Full names of the parameters that `name` can mean."""
        for exact in (name, f"{USER}.{name}"):
            if exact in self.parameters:
                return [exact]
        ending = "." + name
        same_last = self._by_last.get(name.rpartition(".")[2], ())
        found = [full for full in same_last if full.endswith(ending)]
        settable = [full for full in found if self.parameters[full].refusal is None]
        return settable or found

    def _settable(self) -> list[str]:
        return sorted(
            full
            for full, known in self.parameters.items()
            if known.refusal is None and not isinstance(known.annotation, Settled)
        )

    def _add(self, short: str, parameter: Parameter) -> None:
        self.parameters[parameter.full_name] = parameter
        names = self._by_last.setdefault(short, [])
        if parameter.full_name not in names:
            names.append(parameter.full_name)

    def _forget(self, definition: Definition) -> None:
        for short, parameter in definition.parameters.items():
            del self.parameters[parameter.full_name]
            self._by_last[short].remove(parameter.full_name)

    def _import_lookalikes(self, name: str) -> None:
        """Import lazy parts of `alf` that a misspelt name may mean, so as to suggest them."""
        owner, _, last = name.rpartition(".")
        for near in lessons.closest(owner, builtins.MODULES):
            builtins.import_modules_for(f"{near}.{last}")

    # Setting

    def assign(
        self,
        full: str,
        value: object,
        origin: Origin,
        mutable: bool = True,
        raise_if_used: bool = True,
    ) -> None:
        """Set a value on behalf of a conf. What an override set stays as it is."""
        self._check(full, value, origin)
        value = fitting.meant(self.parameters[full], value)
        old = self.settings.get(full)
        if old is not None and old.override is not None:
            old.instead_of = Setting(value, origin, mutable)
            return
        if old is not None and not old.mutable:
            raise ConfigError(lessons.immutable(full, value, origin, old.value, old.origin))
        if raise_if_used and full in self.first_use:
            raise ConfigError(lessons.set_after_use(full, value, origin, self.first_use[full]))
        self.settings[full] = Setting(value, origin, mutable)
        self.plans.clear()

    def pre_assign(self, pre: PreConfig) -> None:
        """Set a value stronger than the conf, now or as soon as its parameter is defined."""
        self.pre_configs.append(pre)
        try:
            self._bind(pre)
        except ConfigError:
            self.pre_configs.remove(pre)
            raise

    def _bind(self, pre: PreConfig) -> None:
        found = self.candidates(pre.name)
        if not found:
            return
        if len(found) > 1:
            raise ConfigError(lessons.ambiguous(pre.name, pre.origin, found))
        full = found[0]
        self._check(full, pre.value, pre.origin)
        old = self.settings.get(full)
        if old is not None and old.override is not None:
            if old.override.group == pre.group:
                raise ConfigError(lessons.twice(full, old.value, pre.value, pre.origin))
            pre.bound = full  # the earlier override is the stronger one
            return
        if full in self.first_use:
            used_at = self.first_use[full]
            raise ConfigError(lessons.set_after_use(full, pre.value, pre.origin, used_at))
        pre.bound = full
        value = fitting.meant(self.parameters[full], pre.value)
        self.settings[full] = Setting(
            value, pre.origin, mutable=False, override=pre, instead_of=old
        )
        self.plans.clear()

    def _unbind(self, pre: PreConfig, full: str) -> None:
        """Take back a pre-config that a less exact name has caught before."""
        if pre.bound in (None, full):
            return
        caught = str(pre.bound)
        setting = self.settings.get(caught)
        if setting is not None and setting.override is pre:
            if setting.used:
                raise ConfigError(lessons.ambiguous(pre.name, pre.origin, [caught, full]))
            del self.settings[caught]
            self.plans.clear()
        pre.bound = None

    def _check(self, full: str, value: object, origin: Origin) -> None:
        parameter = self.parameters[full]
        if parameter.refusal is not None:
            raise ConfigError(lessons.refused(full, origin, parameter.refusal))
        checks.require_fit(parameter, value, origin, self.definitions.values())

    def validate_pre_configs(self) -> None:
        """Check that each pre-config means exactly one parameter that exists."""
        for pre in self.pre_configs:
            self.resolve(pre.name, pre.origin)
            if pre.bound is None:
                self._bind(pre)

    # Using

    def plan(self, definition: Definition, shape: Shape, origin: Callable[[], Origin]) -> Any:
        """What a call of this shape gets from the config: parameter -> value. Remembers the use.

        Args:
            definition: what is called.
            shape: the number of positional arguments, then the names of the keyword arguments.
            origin: tells who calls; asked only if that is news.

        Returns:
            A dict of keyword arguments to add.

        Raises:
            ConfigError: a retired parameter is passed.
        """
        count, keywords = shape[0], [str(name) for name in shape[1:]]
        gone = [name for name in keywords if name in definition.retired]
        if gone:
            full = f"{definition.full_name}.{gone[0]}"
            raise ConfigError(lessons.refused(full, origin(), definition.retired[gone[0]]))
        plan: dict[str, Any] = {}
        missing = definition.missing(int(count), keywords)
        self._remember_call(definition, missing, origin)
        for name in missing:
            parameter = definition.parameters[name]
            setting = self.settings.get(parameter.full_name)
            if setting is not None:
                setting.used = True
                plan[name] = setting.value
            elif parameter.default is MISSING:
                continue
            if parameter.full_name not in self.first_use:
                self.first_use[parameter.full_name] = origin()
        shapes = self.plans.setdefault(definition, {})
        if len(shapes) >= _MAX_SHAPES:  # a function with **kwargs has endless shapes
            shapes.clear()
        shapes[shape] = plan
        return plan

    def _remember_call(
        self, definition: Definition, missing: list[str], origin: Callable[[], Origin]
    ) -> None:
        """Keep that it was called, and where parameters that were set were passed all the same."""
        self.called.add(definition.full_name)
        for name, parameter in definition.parameters.items():
            full = parameter.full_name
            if name not in missing and full in self.settings and full not in self.passed:
                self.passed[full] = self._who_passes(definition, name) or origin()

    def _who_passes(self, definition: Definition, name: str) -> Origin | None:
        """Who set a partial that passes this argument; `None` if none does.

        The call of a partial stands in code that knows nothing of what it passes.
        """
        for setting in self.settings.values():
            for part in checks.parts(setting.value):
                if checks.passes(part, definition, name):
                    return setting.origin
        return None

    def value_of(self, full: str, origin: Origin) -> Any:
        """The value that `full` has now, which counts as a use.

        Raises:
            ConfigError: there is neither a value nor a default.
        """
        setting = self.settings.get(full)
        value = self.parameters[full].default_value() if setting is None else setting.value
        if value is MISSING:
            raise ConfigError(lessons.no_value(full, origin))
        if setting is not None:
            setting.used = True
        self.first_use.setdefault(full, origin)
        return value

    def current_value(self, full: str) -> Any:
        """The value that `full` has now, or its default, without counting as a use."""
        setting = self.settings.get(full)
        if setting is not None:
            return setting.value
        parameter = self.parameters.get(full)
        return MISSING if parameter is None else parameter.default_value()

    def unused(self) -> list[tuple[str, Any, Origin]]:
        """Values that were set and that nothing has taken: name, value, who set it."""
        found = [
            (full, setting.value, setting.origin)
            for full, setting in self.settings.items()
            if not setting.used
        ]
        waiting = [pre for pre in self.pre_configs if pre.bound is None]
        return found + [(pre.name, pre.value, pre.origin) for pre in waiting]


class _Current:
    """Holds the store that is in use, so that replacing it needs no `global` statement."""

    def __init__(self) -> None:
        self.store = ConfigStore()


CURRENT = _Current()


def current() -> ConfigStore:
    """The store in use."""
    return CURRENT.store


def _fresh(old: ConfigStore) -> ConfigStore:
    """A store that knows the same configurables as `old`, and no values."""
    store = ConfigStore()
    for definition in old.definitions.values():
        store.define(definition, COMMAND_LINE)
    return store


def reset_configs() -> None:
    """Forget every value, override, use and value of `define_config`; configurables stay known.

    Modules that set values when they were imported are forgotten too, so that importing them again
    sets them again.
    """
    old = CURRENT.store
    conf_modules.forget(old.conf_modules)
    conf_modules.remove_paths(old.added_paths)
    CURRENT.store = _fresh(old)


@contextmanager
def isolated() -> Generator[ConfigStore]:
    """Use a fresh store inside the block, and the old one again after it. Nestable.

    Modules that set values when they were imported count as not imported inside, since their
    values are not there: importing them inside runs them again. After the block they are the same
    objects as before.
    """
    outer = CURRENT.store
    inner = _fresh(outer)
    hidden = conf_modules.forget(outer.conf_modules)
    CURRENT.store = inner
    try:
        yield inner
    finally:
        CURRENT.store = outer
        conf_modules.forget(inner.conf_modules)
        conf_modules.remove_paths(inner.added_paths)
        conf_modules.restore(hidden)
        _adopt(outer, inner.definitions)


def _adopt(outer: ConfigStore, definitions: Mapping[str, Definition]) -> None:
    """Keep what modules defined that were imported inside and stay imported."""
    for name, definition in definitions.items():
        if name not in outer.definitions and definition.defined_by in sys.modules:
            outer.define(definition, COMMAND_LINE)
