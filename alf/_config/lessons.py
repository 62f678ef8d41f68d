"""The words of configuration errors: what, where it was written, what is there, what to do."""

import difflib
from collections.abc import Iterable, Sequence

from alf._config.origin import Origin

_MANY = 24
_ALIKE = 0.6


def shown(value: object) -> str:
    """`repr` of a value, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


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
    return [candidate for _, candidate in sorted(scored)[:count]] + elsewhere[
        : max(0, count - len(scored))
    ]


def _alike(first: str, second: str) -> float:
    """0 for nothing in common, 1 for equal."""
    return 1.0 if first == second else difflib.SequenceMatcher(None, first, second).ratio()


def unknown(name: str, origin: Origin, full_names: Sequence[str]) -> str:
    """Nothing has this name."""
    near = closest(name, full_names)
    owner = name.rpartition(".")[0]
    siblings = [
        full.rpartition(".")[2]
        for full in full_names
        if owner and f".{full.rpartition('.')[0]}".endswith("." + owner)
    ]
    text = f"{origin}: there is no configurable parameter '{name}'."
    if near:
        text += f" Did you mean {' or '.join(map(repr, near))}?"
    if siblings:
        text += f" '{owner}' has: {listed(sorted(siblings))}."
    if not near and not siblings:
        text += (
            " A name is <class or function>.<parameter>, and is known once the module that"
            " defines it is imported: is an import missing above?"
        )
    return text


def ambiguous(name: str, origin: Origin, candidates: Sequence[str]) -> str:
    """Several parameters have this name."""
    return (
        f"{origin}: '{name}' can mean {len(candidates)} parameters: "
        f"{listed(sorted(candidates))}. Write more of the name, from the right."
    )


def refused(full_name: str, origin: Origin, lesson: str) -> str:
    """The parameter cannot be set."""
    return f"{origin}: '{full_name}' cannot be set: {lesson}"


def wrong_type(full_name: str, value: object, expected: str, origin: Origin) -> str:
    """The value cannot be meant for the parameter."""
    text = (
        f"{origin}: '{full_name}' takes {expected}, but was given {shown(value)}, "
        f"which is {type(value).__name__}."
    )
    if isinstance(value, str) and expected != "str":
        text += " Leave the quotes away if a number, a tuple or a name is meant."
    return text


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
