"""The discrete and the continuous part of an action."""

from typing import Any

from alf.errors import ConfigError
from alf.nest import flatten, pack_sequence_as
from alf.tensor_specs import BoundedTensorSpec


class ActionParts:
    """Takes actions apart into at most one discrete leaf and a nest of continuous ones.

    Args:
        action_spec: nest of specs.

    Raises:
        ConfigError: there is no action, or more than one discrete one.

    Attributes:
        discrete_spec: of the discrete leaf; `None` without one.
        continuous_spec: of the rest: the whole nest where nothing is discrete, a single leaf, or a
            tuple of leaves; `None` without any.
    """

    def __init__(self, action_spec: Any):
        self._spec = action_spec
        specs = flatten(action_spec)
        discrete = [i for i, spec in enumerate(specs) if spec.is_discrete]
        if not specs or len(discrete) > 1:
            raise ConfigError(
                f"the action spec has {len(discrete)} discrete actions and "
                f"{len(specs) - len(discrete)} continuous ones: at most one discrete action, and "
                f"at least one of any kind, can be learned from values of actions. Number the "
                f"combinations of several choices in an environment wrapper"
            )
        self._index = discrete[0] if discrete else None
        self.discrete_spec: BoundedTensorSpec | None = specs[discrete[0]] if discrete else None
        self.continuous_spec = self.split(action_spec)[1]

    def split(self, action: Any) -> tuple[Any, Any]:
        """The discrete leaf and the continuous part; `None` for one that is not there.

        Args:
            action: a nest like the spec.
        """
        if self._index is None:
            return None, action
        leaves = flatten(action)
        discrete = leaves.pop(self._index)
        if not leaves:
            return discrete, None
        return discrete, leaves[0] if len(leaves) == 1 else tuple(leaves)

    def join(self, discrete: Any, continuous: Any) -> Any:
        """Undo `split`."""
        if self._index is None:
            return continuous
        leaves = [] if continuous is None else flatten(continuous)
        leaves.insert(self._index, discrete)
        return pack_sequence_as(self._spec, leaves)
