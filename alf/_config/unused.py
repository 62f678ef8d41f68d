"""Values that were set in vain, and why nothing took them."""

from alf._config import lessons
from alf._config.store import USER, ConfigStore


def describe(store: ConfigStore) -> list[str]:
    """One readable line for each value that was set and that nothing has taken."""
    return [
        f"{origin}: '{name}' is set to {lessons.shown(value)}, but nothing used it"
        f"{_reason(store, name)}"
        for name, value, origin in store.unused()
    ]


def _reason(store: ConfigStore, full: str) -> str:
    owner, _, short = full.rpartition(".")
    if owner == USER:
        return f": no alf.get_config_value('{short}') was executed."
    definition = store.definitions.get(owner)
    if definition is None:  # an override that still waits for its parameter
        return ": no such parameter has been defined."
    name = owner.rpartition(".")[2]
    if full in store.passed:
        return f": a call passes {short} itself, at {store.passed[full]}, and that is stronger."
    if owner in store.called:
        return f": {name} was called before, and not again."
    if definition.is_class:
        return f": no {name} was made. Is another class in its place?"
    return f": {name} was not called so far."
