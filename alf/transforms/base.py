"""The base classes of transforms between an environment and an algorithm."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.module import Module
from alf.nest import flatten, get_field, map_structure, transform_nest
from alf.replay import SampledBatch
from alf.tensor_specs import TensorSpec


class DataTransformer(Module):
    """Changes time steps on their way from the environment to the algorithm.

    A module, so that statistics are saved with the model and move with it. Statistics are updated
    while the module is in training mode (`train()`), and stand still in evaluation mode (`eval()`).

    Args:
        observation_spec: nest of specs of the observation that comes in.
        transformed_observation_spec: nest of specs of the observation that goes out.
        state_spec: nest of specs of the memory; `()` without one.
        changed_fields: dotted paths of what is changed in observations; `""` is the whole.
    """

    def __init__(
        self,
        observation_spec: Any,
        transformed_observation_spec: Any,
        state_spec: Any = (),
        changed_fields: Sequence[str] = (),
    ):
        super().__init__()
        self._observation_spec = observation_spec
        self._transformed_observation_spec = transformed_observation_spec
        self._state_spec = state_spec
        self._changed_fields = tuple(changed_fields)

    @property
    def observation_spec(self) -> Any:
        """Nest of specs of the observation that comes in."""
        return self._observation_spec

    @property
    def transformed_observation_spec(self) -> Any:
        """Nest of specs of the observation that goes out."""
        return self._transformed_observation_spec

    @property
    def state_spec(self) -> Any:
        """Nest of specs of the memory; `()` without one."""
        return self._state_spec

    @property
    def stack_size(self) -> int:
        """How many frames one observation holds."""
        return 1

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """Dotted paths of what is changed in observations; `""` is the whole."""
        return self._changed_fields

    @property
    def changes_samples(self) -> bool:
        """Whether `transform_sample` does anything."""
        return False

    def stand_among(self, members: Sequence["DataTransformer"]) -> None:
        """Called once where several transforms are applied, for one that depends on the others.

        Args:
            members: all of them in order, this one included.
        """

    def initial_state(self, batch_size: int, device: torch.device | str = "cpu") -> Any:
        """The memory before the first step: zeros `[B, ...]`."""
        return map_structure(lambda spec: spec.zeros((batch_size,)).to(device), self._state_spec)

    def transform_timestep(self, timestep: TimeStep, state: Any = ()) -> tuple[TimeStep, Any]:
        """The changed time step `[B, ...]` and the next memory.

        Args:
            timestep: as the environment, or the transform before, gives it; it is not changed.
            state: as `state_spec` says.
        """
        raise NotImplementedError

    def transform_sample(self, time_steps: TimeStep, batch: SampledBatch) -> TimeStep:
        """The changed time steps of a sample from a replay buffer, `[T, B, ...]`.

        What is stored has gone through `transform_timestep` before.

        Args:
            time_steps: as they are stored, or as the transform before gives them.
            batch: the sample that they are of, for looking up what else is stored.
        """
        return time_steps


class StatelessTransformer(DataTransformer):
    """A transform without memory: subclasses define `transform`."""

    def transform_timestep(self, timestep: TimeStep, state: Any = ()) -> tuple[TimeStep, Any]:
        """See the base; the state passes through."""
        return self.transform(timestep), state

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The changed time step."""
        raise NotImplementedError


class IdentityDataTransformer(StatelessTransformer):
    """Changes nothing.

    Args:
        observation_spec: nest of specs.
    """

    def __init__(self, observation_spec: Any = ()):
        super().__init__(observation_spec, observation_spec)

    def transform(self, timestep: TimeStep) -> TimeStep:
        """The time step itself."""
        return timestep


def checked_fields(observation_spec: Any, fields: Sequence[str] | None, name: str) -> list[str]:
    """The dotted paths of the leaves that a transform works on.

    Args:
        observation_spec: nest of specs.
        fields: paths of leaves, e.g. `["camera.left"]`; `None` if the observation is one leaf.
        name: of the transform, for messages.

    Returns:
        The paths; `[""]` for the whole observation.

    Raises:
        ConfigError: if a path is not there, or not that of a leaf.
    """
    if isinstance(fields, str):
        fields = [fields]
    if fields is None:
        fields = [""]
    for field in fields:
        try:
            part = get_field(observation_spec, field)
        except LookupError as error:
            raise ConfigError(f"{name}: {error}") from None
        if not isinstance(part, TensorSpec):
            given = f"field {field!r}" if field else "the observation"
            raise ConfigError(
                f"{name}: {given} is a nest of {len(flatten(part))} tensors: "
                "give fields, the dotted paths of the tensors to change"
            )
    return list(fields)


def map_fields(nest: Any, fields: Sequence[str], func: Callable[..., Any], *extra: Any) -> Any:
    """A copy of a nest with a function applied to some of its leaves.

    Args:
        nest: the nest.
        fields: dotted paths; `""` is the whole nest.
        func: gets the leaf, then one element of each of `extra`.
        extra: sequences as long as `fields`.
    """
    if len(fields) == 1 and not fields[0]:  # the usual observation: one tensor
        return func(nest, *[items[0] for items in extra])
    for i, field in enumerate(fields):
        more = [items[i] for items in extra]
        nest = transform_nest(nest, field, lambda leaf, more=more: func(leaf, *more))
    return nest
