"""The words of configuration errors: what, where it was written, what is there, what to do."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from alf._config.origin import Origin
from alf._config.values import described, taken_by

_MANY = 24
_ALIKE = 0.6
_CONTAINED = 0.75
_WORSE = 0.2


def shown(value: object) -> str:
    """A value in one line, cut to a readable length."""
    return cut(described(value), 80)


def cut(text: str, length: int) -> str:
    """The beginning of a long text."""
    return text if len(text) <= length else text[: length - 3] + "..."


def listed(names: Sequence[str], limit: int = _MANY) -> str:
    """Names in a row, the rest counted."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def closest(name: str, full_names: Iterable[str], count: int = 3) -> list[str]:
    """Real names that look like `name`, each written with as many components as `name` has.

    Owner and parameter are compared on their own: a long owner spelt right says nothing about the
    parameter. After these come names where the same parameter has another owner.
    """
    owner, _, last = name.rpartition(".")
    depth = name.count(".") + 1
    shortened = dict.fromkeys(".".join(full.split(".")[-depth:]) for full in full_names)
    scored: list[tuple[float, str]] = []
    elsewhere: list[str] = []
    for candidate in shortened:
        its_owner, _, its_last = candidate.rpartition(".")
        parts = (_alike(owner, its_owner), _alike(last, its_last))
        if min(parts) >= _ALIKE:
            scored.append((-sum(parts), candidate))
        elif its_last == last:
            elsewhere.append(candidate)
    scored = [one for one in sorted(scored) if one[0] <= min(scored)[0] + _WORSE]
    return [candidate for _, candidate in scored[:count]] + elsewhere[: max(0, count - len(scored))]


def _alike(first: str, second: str) -> float:
    """0 for nothing in common, 1 for equal."""
    if first == second:
        return 1.0
    if min(len(first), len(second)) > 3 and (first in second or second in first):
        return _CONTAINED
    return difflib.SequenceMatcher(None, first, second).ratio()


def unknown(name: str, origin: Origin, full_names: Sequence[str], elsewhere: str = "") -> str:
    """Nothing has this name.

    Args:
        name: as it was written.
        origin: where.
        full_names: everything that can be set.
        elsewhere: what is known of the function or class, where it is not among these.
    """
    owner = name.rpartition(".")[0]
    siblings = sorted(
        full.rpartition(".")[2]
        for full in full_names
        if owner and f".{full.rpartition('.')[0]}".endswith("." + owner)
    )
    text = f"{origin}: there is no configurable parameter {quoted(name)}."
    if elsewhere and not siblings:
        return f"{text} {elsewhere}"
    near = closest(name, full_names)
    if near:
        text += f" Did you mean {' or '.join(_with_module(one, full_names) for one in near)}?"
    if siblings and len(siblings) <= _MANY:
        text += f" '{owner}' has: {', '.join(siblings)}."
    elif siblings:
        text += f" '{owner}' has {len(siblings)} parameters: `alf config list {owner}` shows them."
    if not near and not siblings:
        text += (
            " A name is <class or function>.<parameter>, and is known once the module that"
            " defines it is imported: is an import missing above? `alf config list` shows what"
            " there is."
        )
    return text


def quoted(name: object) -> str:
    """A name in quotes, cut to a readable length."""
    text = ascii(name) if not str(name).isprintable() else f"'{name}'"
    return cut(text, 120)


def _with_module(near: str, full_names: Sequence[str]) -> str:
    """A name, and the module that defines what it names, where there is one."""
    fulls = [full for full in full_names if f".{full}".endswith(f".{near}")]
    module = fulls[0].rpartition(".")[0].rpartition(".")[0]
    return f"'{near}' (of {module})" if len(fulls) == 1 and module else f"'{near}'"


def ambiguous(name: str, origin: Origin, candidates: Sequence[str]) -> str:
    """Several parameters have this name."""
    return (
        f"{origin}: {quoted(name)} can mean {len(candidates)} parameters: "
        f"{listed(_told_apart(candidates))}. Write more of the name: one of these."
    )


def _told_apart(full_names: Sequence[str]) -> list[str]:
    """The shortest ending of each name that is not an ending of another one, sorted."""
    found: list[str] = []
    for full in full_names:
        parts = full.split(".")
        others = [f".{other}" for other in full_names if other != full]
        endings = [".".join(parts[-count:]) for count in range(min(2, len(parts)), len(parts) + 1)]
        clear = [end for end in endings if not any(o.endswith(f".{end}") for o in others)]
        found.append(clear[0] if clear else full)
    return sorted(found)


def refused(full_name: str, origin: Origin, lesson: str) -> str:
    """The parameter cannot be set."""
    return f"{origin}: '{full_name}' cannot be set: {lesson}"


def wrong_type(full_name: str, value: object, expected: str, origin: Origin | None) -> str:
    """The value cannot be meant for the parameter."""
    text = (
        f"{_at(origin)}'{full_name}' takes {expected}, but was given {shown(value)}, "
        f"which is {_kind(value)}."
    )
    if callable(value) and "Callable[" in expected:
        text += f" That takes {cut(taken_by(value), 200)}."
    if isinstance(value, str) and expected != "str":
        text += " Leave the quotes away if a number, a tuple or a name is meant."
    return text


def unwritable(full_name: str, text: str, origin: Origin) -> str:
    """Text has a character that nothing can be named by."""
    what = "a NUL character" if "\0" in text else "half of a surrogate pair"
    return (
        f"{origin}: '{full_name}' was given {cut(ascii(text), 80)}, which has {what}: no file and "
        "no name can hold it. Take it out."
    )


def _at(origin: Origin | None) -> str:
    return "" if origin is None else f"{origin}: "


def does_not_take(
    full_name: str,
    given: str,
    arguments: Sequence[str],
    taken: str,
    reason: str,
    origin: Origin | None,
) -> str:
    """A constructor cannot be called as it is called.

    Args:
        full_name: the parameter that it was given for.
        given: the constructor, in one line.
        arguments: what it was called with.
        taken: its own parameters.
        reason: what Python says.
        origin: who set it; `None` where code passed it.
    """
    advice = "Let it take these arguments; **kwargs takes those that it has no use for."
    if " missing " in reason:
        advice = "Give what is missing by partial(..., name=value)."
    return (
        f"{_at(origin)}'{full_name}' is {cut(given, 200)}. It is called with "
        f"({', '.join(arguments)}), but takes {cut(taken, 300)}: {reason}. {advice}"
    )


def fails(
    full_name: str, given: str, arguments: Sequence[str], error: Exception, origin: Origin | None
) -> str:
    """A function of a library, or written in C, raised something when it was called.

    Args:
        full_name: the parameter that it was given for.
        given: the function, in one line.
        arguments: what it was called with.
        error: what it raised.
        origin: who set it; `None` where code passed it.
    """
    reason = cut(" ".join(f"{type(error).__name__}: {error}".split()), 300)
    return (
        f"{_at(origin)}'{full_name}' is {cut(given, 200)}. It was called with "
        f"({', '.join(arguments)}), and failed: {reason}. Give a function that takes these."
    )


def passed(value: object) -> str:
    """An argument of a call: of an array or tensor its shape, else the value."""
    shape = getattr(value, "shape", None) if hasattr(type(value), "shape") else None
    return shown(value) if shape is None else f"{type(value).__name__} {list(shape)}"


def makes_another(
    full_name: str, given: str, made: object, expected: str, origin: Origin | None
) -> str:
    """A constructor made something else than it is there for."""
    advice = " Is there no 'return' in it?" if made is None else ""
    return (
        f"{_at(origin)}'{full_name}' is {cut(given, 200)}, which made a {type(made).__name__}, but "
        f"must make {expected}.{advice}"
    )


def _kind(value: object) -> str:
    """The type of a value; of a list or tuple, with the types of its items."""
    name = type(value).__name__
    if not isinstance(value, list | tuple):
        return name
    items = cast("Sequence[object]", value)
    return f"{name} of {', '.join(sorted({type(item).__name__ for item in items})) or 'nothing'}"


def immutable(full_name: str, new: object, new_origin: Origin, old: object, origin: Origin) -> str:
    """An earlier call said that this value stays."""
    return (
        f"{new_origin}: '{full_name}' is set to {shown(new)}, but {origin} set it to {shown(old)} "
        "with mutable=False. Remove one of the two."
    )


def twice(full_name: str, first: object, second: object, origin: Origin) -> str:
    """Two overrides given together name one parameter."""
    return (
        f"{origin}: '{full_name}' is given twice, as {shown(first)} and as {shown(second)}. "
        "Give it once."
    )


def set_after_use(full_name: str, value: object, origin: Origin, used_at: Origin) -> str:
    """The value comes too late."""
    return (
        f"{origin}: '{full_name}' is set to {shown(value)}, but it was already used at {used_at}, "
        "so that the new value would not be what ran. Set it earlier, or pass "
        "raise_if_used=False if only later uses matter."
    )


def no_value(full_name: str, origin: Origin) -> str:
    """Asked for a value that nobody gave."""
    return (
        f"{origin}: '{full_name}' has neither a default nor a configured value. "
        f"Set it first: alf.config1('{full_name}', ...)."
    )


def name_taken(full_name: str, origin: Origin) -> str:
    """Two different configurables want one name."""
    return (
        f"{origin}: another configurable is already called '{full_name}'. Give one of them a name "
        'of its own: @configurable("name").'
    )


def unknown_argument(owner: object, name: str, origin: Origin, parameters: Sequence[str]) -> str:
    """A partial passes an argument that what it calls does not take."""
    near = difflib.get_close_matches(name, parameters, n=2)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return (
        f"{origin}: partial({owner}, {name}=...): {owner} takes no '{name}'.{hint} "
        f"It takes: {listed(parameters)}."
    )


def no_name(given: object, origin: Origin) -> str:
    """Something else than text stands for a name."""
    name = getattr(given, "__name__", None)
    example = f"'{name}'" if isinstance(name, str) else "'TrainerConfig'"
    return (
        f"{origin}: a parameter is set by its name in quotes, but {shown(given)} of type "
        f"{type(given).__name__} was given. Write alf.config({example}, parameter=value)."
    )


def no_flag(name: object, flag: str, given: object, origin: Origin) -> str:
    """A value stands where only True or False can."""
    text = (
        f"{origin}: {shown(given)} was given as '{flag}', which is True or False; nothing is set."
    )
    owner, _, last = str(name).rpartition(".")
    if isinstance(given, Mapping):
        return (
            f"{text} Write alf.config({shown(name)}, **{{...}}), or the full names into one dict."
        )
    if owner and last.isidentifier():
        return f"{text} Write alf.config1('{name}', value) or alf.config('{owner}', {last}=value)."
    return f"{text} Write alf.config({shown(name)}, parameter=value)."
