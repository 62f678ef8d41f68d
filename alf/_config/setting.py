"""What was set: by whom, where, in place of what, and whether anything took it."""

from dataclasses import dataclass
from typing import Any

from alf._config.origin import Origin


@dataclass(eq=False, slots=True)
class PreConfig:
    """A value set before the conf runs, perhaps for a parameter that is not defined yet.

    Args:
        name: as the user wrote it.
        value: the value.
        origin: who set it.
        group: identifies the call that gave it; two values for one parameter in one call
            contradict each other.
        bound: the full name of the parameter, once that is known.
    """

    name: str
    value: Any
    origin: Origin
    group: int
    bound: str | None = None


@dataclass(eq=False, slots=True)
class Setting:
    """A value that someone set.

    Args:
        value: the value.
        origin: who set it.
        mutable: whether a later call may replace it.
        override: the pre-config that it comes from, `None` for a conf's own setting.
        used: whether a call or `get_config_value` took it.
        instead_of: what a conf set, where an override was stronger.
    """

    value: Any
    origin: Origin
    mutable: bool = True
    override: PreConfig | None = None
    used: bool = False
    instead_of: "Setting | None" = None
