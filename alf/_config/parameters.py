"""What a configurable is: its full name, its parameters, and which of them can be set."""

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from alf._config.origin import modules_being_executed
from alf.errors import ConfigError


class Missing:
    """The type of `MISSING`: there is no such value, which `None` could not say."""

    def __repr__(self) -> str:
        return "<no value>"


MISSING = Missing()


@dataclass(frozen=True, eq=False, slots=True)
class Parameter:
    """One parameter that can be set by name.

    Args:
        full_name: `package.module.Class.parameter`.
        default: what the signature says; `MISSING` where it says nothing.
        annotation: as written; text where the module postpones annotations; `MISSING` where there
            is none.
        names: the names that an annotation in text can mention.
        refusal: why this parameter cannot be set; `None` where it can.
    """

    full_name: str
    default: object = MISSING
    annotation: object = MISSING
    names: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    refusal: str | None = None

    def default_value(self) -> object:
        """The default, with a dataclass's `default_factory` called."""
        if isinstance(self.default, _Factory):
            return self.default.make()
        return self.default


@dataclass(frozen=True, eq=False, slots=True)
class _Factory:
    make: Callable[[], object]


@dataclass(frozen=True, eq=False, slots=True)
class Definition:
    """A function or class whose parameters can be set; hashes by identity.

    Args:
        full_name: `package.module.Class`.
        identity: module and qualified name of the object, which tell a redefinition from a clash
            of names.
        parameters: by short name, also those that refuse to be set.
        positional: names that a call can fill by position, in order, `self` included.
        retired: parameters that are no more, and what to do instead.
        defined_by: the module whose import made this definition; `None` for one made later.
        is_class: whether calling it makes an object.
        takes_any: whether it takes keyword arguments of any name.
        constructors: names of parameters that take what is called later, such as a constructor.
    """

    full_name: str
    identity: tuple[str, str]
    parameters: dict[str, Parameter]
    positional: tuple[str, ...] = ()
    retired: Mapping[str, str] = field(default_factory=dict[str, str])
    defined_by: str | None = None
    is_class: bool = False
    takes_any: bool = False
    constructors: frozenset[str] = frozenset()

    def missing(self, positional_count: int, keywords: Collection[str]) -> list[str]:
        """The settable parameters that a call of this shape does not pass."""
        passed = {*self.positional[:positional_count], *keywords}
        return [
            name
            for name, parameter in self.parameters.items()
            if name not in passed and parameter.refusal is None
        ]


def describe(
    owner: Callable[..., Any],
    function: Callable[..., Any],
    name: str | None,
    whitelist: Collection[str] = (),
    blacklist: Collection[str] = (),
    retired: Mapping[str, str] | None = None,
) -> Definition:
    """Read the parameters of a configurable from its signature.

    Args:
        owner: the function or class that carries the name.
        function: what is called: `owner` itself, or the constructor of the class.
        name: replaces the qualified name of `owner`; the module stays.
        whitelist: if not empty, the only parameters that can be set.
        blacklist: parameters that cannot be set.
        retired: parameters that are no more -> the lesson for who still sets them.

    Raises:
        ConfigError: a list names a parameter that is not there, or a retired one that is.
    """
    short = name or owner.__qualname__.replace("<locals>.", "")
    full_name = f"{owner.__module__}.{short}"
    signature = inspect.signature(function)
    retired = dict(retired or {})
    _check_lists(full_name, signature, whitelist, blacklist, retired)
    names: Mapping[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
    factories = _default_factories(owner)

    parameters: dict[str, Parameter] = {}
    positional: list[str] = []
    for index, spec in enumerate(signature.parameters.values()):
        if spec.kind in (spec.POSITIONAL_ONLY, spec.POSITIONAL_OR_KEYWORD):
            positional.append(spec.name)
        if spec.kind not in (spec.POSITIONAL_OR_KEYWORD, spec.KEYWORD_ONLY):
            continue
        if index == 0 and spec.name in ("self", "cls", "_cls"):
            continue
        parameters[spec.name] = Parameter(
            f"{full_name}.{spec.name}",
            factories.get(spec.name, MISSING if spec.default is spec.empty else spec.default),
            MISSING if spec.annotation is spec.empty else spec.annotation,
            names,
            _refusal(spec.name, whitelist, blacklist),
        )
    for gone, lesson in retired.items():
        parameters[gone] = Parameter(f"{full_name}.{gone}", refusal=lesson)
    identity = (owner.__module__, owner.__qualname__)
    defined_by = next(iter(modules_being_executed()), None)
    return Definition(
        full_name,
        identity,
        parameters,
        tuple(positional),
        retired,
        defined_by,
        isinstance(owner, type),
        any(spec.kind is spec.VAR_KEYWORD for spec in signature.parameters.values()),
        _constructors(parameters),
    )


def _constructors(parameters: Mapping[str, Parameter]) -> frozenset[str]:
    """The parameters that are annotated `Callable[...]`; in text, as it may be postponed."""
    return frozenset(name for name, one in parameters.items() if "Callable[" in str(one.annotation))


def _refusal(name: str, whitelist: Collection[str], blacklist: Collection[str]) -> str | None:
    if name in blacklist or (whitelist and name not in whitelist):
        return "its definition keeps it from being configured; pass it as an argument at the call"
    return None


def _check_lists(
    full_name: str,
    signature: inspect.Signature,
    whitelist: Collection[str],
    blacklist: Collection[str],
    retired: Mapping[str, str],
) -> None:
    known = set(signature.parameters)
    strangers = sorted({*whitelist, *blacklist} - known)
    if strangers:
        raise ConfigError(
            f"{full_name}: whitelist or blacklist names {', '.join(map(repr, strangers))}, "
            f"but the parameters are {', '.join(sorted(known))}."
        )
    alive = sorted(known & set(retired))
    if alive:
        raise ConfigError(
            f"{full_name}: {', '.join(map(repr, alive))} is retired, yet still there."
        )


def _default_factories(owner: Callable[..., Any]) -> dict[str, object]:
    """The `default_factory` of each dataclass field that has one."""
    if not (isinstance(owner, type) and dataclasses.is_dataclass(owner)):
        return {}
    return {
        spec.name: _Factory(spec.default_factory)
        for spec in dataclasses.fields(owner)
        if spec.default_factory is not dataclasses.MISSING
    }
