"""Several transforms in a row, and how a conf's choice becomes one transform."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import nn

from alf._config import configurable
from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.replay import SampledBatch
from alf.transforms.base import DataTransformer, IdentityDataTransformer, StatelessTransformer

Ctor = Callable[..., DataTransformer]


@configurable
class UntransformedTimeStep(StatelessTransformer):
    """Keeps the time step as it is here in its field `untransformed`; put it first.

    Args:
        observation_spec: nest of specs; the observation passes unchanged.
        fields_to_keep: names of the fields of the time step to keep, e.g. `["reward"]`; the
            others are `()` in `untransformed`. `None` keeps all.

    Raises:
        ConfigError: if there is no such field.
    """

    def __init__(self, observation_spec: Any = None, fields_to_keep: Sequence[str] | None = None):
        super().__init__(observation_spec, observation_spec)
        kept = TimeStep._fields if fields_to_keep is None else tuple(fields_to_keep)
        unknown = sorted(set(kept) - set(TimeStep._fields))
        if unknown:
            raise ConfigError(
                f"UntransformedTimeStep: a time step has no {unknown}; "
                f"it has {', '.join(TimeStep._fields)}"
            )
        self._dropped: dict[str, Any] = {
            name: () for name in TimeStep._fields if name not in kept or name == "untransformed"
        }

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The time step that carries itself."""
        return timestep._replace(untransformed=timestep._replace(**self._dropped))


@configurable
class SequentialDataTransformer(DataTransformer):
    """Transforms one after another.

    Args:
        data_transformer_ctors: each is called with `observation_spec=`, the spec that the one
            before gives.
        observation_spec: nest of specs of the first observation.

    Raises:
        ConfigError: if a constructor makes something else, or `UntransformedTimeStep` is not first.
    """

    def __init__(self, data_transformer_ctors: Sequence[Ctor], observation_spec: Any):
        members: list[DataTransformer] = []
        spec = observation_spec
        for ctor in data_transformer_ctors:
            member = _make(ctor, spec)
            if isinstance(member, UntransformedTimeStep) and members:
                raise ConfigError(
                    "UntransformedTimeStep stands after other transforms, which have already "
                    "changed the time step: put it first"
                )
            members.append(member)
            spec = member.transformed_observation_spec
        super().__init__(
            observation_spec,
            spec,
            tuple(member.state_spec for member in members),
            [field for member in members for field in member.changed_fields],
        )
        self._members = nn.ModuleList(members)
        self._in_order = members
        for member in members:
            member.stand_among(members)

    @property
    def stack_size(self) -> int:
        """How many frames one observation holds."""
        size = 1
        for member in self._in_order:
            size *= member.stack_size
        return size

    @property
    def changes_samples(self) -> bool:
        """Whether one of them does."""
        return any(member.changes_samples for member in self._in_order)

    def members(self) -> Iterator[DataTransformer]:
        """The transforms, in order."""
        return iter(self._in_order)

    def transform_timestep(self, timestep: TimeStep, state: Any = ()) -> tuple[TimeStep, Any]:
        """The time step after all transforms; the state is a tuple of theirs, `()` at first."""
        states: list[Any] = []
        state = state or ((),) * len(self._in_order)
        for member, member_state in zip(self._in_order, state, strict=True):
            timestep, new_state = member.transform_timestep(timestep, member_state)
            states.append(new_state)
        return timestep, tuple(states)

    def transform_sample(self, time_steps: TimeStep, batch: SampledBatch) -> TimeStep:
        """The time steps after all transforms; see the base."""
        for member in self._in_order:
            time_steps = member.transform_sample(time_steps, batch)
        return time_steps


def create_data_transformer(
    data_transformer_ctor: Ctor | Sequence[Ctor] | None, observation_spec: Any
) -> DataTransformer:
    """The transform that a conf asks for.

    Args:
        data_transformer_ctor: a constructor, a list of them, or `None` for no transform; each is
            called with `observation_spec=`.
        observation_spec: nest of specs of the environment's observation.

    Raises:
        ConfigError: if a constructor makes something else.
    """
    if data_transformer_ctor is None:
        return IdentityDataTransformer(observation_spec)
    if callable(data_transformer_ctor):
        return _make(data_transformer_ctor, observation_spec)
    ctors = list(data_transformer_ctor)
    if len(ctors) == 1:
        return _make(ctors[0], observation_spec)
    if not ctors:
        return IdentityDataTransformer(observation_spec)
    return SequentialDataTransformer(ctors, observation_spec)


def _make(ctor: Ctor, observation_spec: Any) -> DataTransformer:
    made = ctor(observation_spec=observation_spec)
    if not isinstance(made, DataTransformer):
        raise ConfigError(
            f"data_transformer_ctor {ctor!r} made a {type(made).__name__}: "
            "give a class of alf.transforms, or a list of them"
        )
    return made
