"""The named tuples that travel between environments, algorithms and the trainer.

A field that is not there is `()`, the empty nest. Shapes: `B` is the number of environments.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from alf.nest import extract_any_leaf_from_nest, map_structure
from alf.tensor_specs import TensorSpec


def namedtuple(
    typename: str,
    field_names: Sequence[str] | str,
    default_value: Any = None,
    default_values: Sequence[Any] | Mapping[str, Any] = (),
) -> type[Any]:
    """A named tuple type whose fields have defaults.

    Args:
        typename: name of the type.
        field_names: names of the fields, as a sequence or one string.
        default_value: default of every field.
        default_values: defaults of the last fields (a sequence) or of the named ones (a
            mapping); these win.
    """
    made = collections.namedtuple(typename, field_names)
    if isinstance(default_values, Mapping):
        defaults = [default_values.get(name, default_value) for name in made._fields]
    else:
        missing = len(made._fields) - len(default_values)
        defaults = [default_value] * missing + list(default_values)
    made.__new__.__defaults__ = tuple(defaults)
    return made


class StepType:
    """Where in its episode a time step stands."""

    FIRST = 0
    MID = 1
    LAST = 2


class TimeStep(NamedTuple):
    """What an environment gives after an action.

    `reward` and `discount` belong to the previous action. `(LAST, discount 0)` is a real end,
    `(LAST, discount 1)` a time limit: the value of its observation still counts.

    Attributes:
        step_type: int32 `[B]`, one of `StepType`.
        reward: float32 `[B]` (or `[B, k]` for a vector reward).
        discount: float32 `[B]`, in `[0, 1]`, before the algorithm's own gamma.
        observation: nest of `[B, ...]`.
        prev_action: nest of `[B, ...]`; zeros at a `FIRST` step.
        env_id: int32 `[B]`, index of the environment.
        untransformed: this time step as the environment gave it, where a transform changed it,
            else `()`.
        env_info: nest of `[B, ...]` of extra facts, e.g. `{"success": ...}`.
    """

    step_type: Any = ()
    reward: Any = ()
    discount: Any = ()
    observation: Any = ()
    prev_action: Any = ()
    env_id: Any = ()
    untransformed: Any = ()
    env_info: Any = ()

    def is_first(self) -> torch.Tensor:
        """Bool `[B]`: the first step of an episode."""
        return self.step_type == StepType.FIRST

    def is_mid(self) -> torch.Tensor:
        """Bool `[B]`: neither first nor last."""
        return self.step_type == StepType.MID

    def is_last(self) -> torch.Tensor:
        """Bool `[B]`: the last step of an episode; the next action is ignored."""
        return self.step_type == StepType.LAST

    def to(self, device: torch.device | str) -> "TimeStep":
        """The time step on another device."""
        return map_structure(lambda x: x.to(device, non_blocking=True), self)

    def cpu(self) -> "TimeStep":
        """The time step on the CPU."""
        return map_structure(lambda x: x.cpu(), self)

    def cuda(self) -> "TimeStep":
        """The time step on the current GPU."""
        return map_structure(lambda x: x.cuda(), self)


class AlgStep(NamedTuple):
    """What a step function of an algorithm returns.

    Attributes:
        output: the action, nest of `[B, ...]`.
        state: the next state, nest of `[B, ...]`, `()` without memory.
        info: what `calc_loss` or a viewer needs.
    """

    output: Any = ()
    state: Any = ()
    info: Any = ()


class LossInfo(NamedTuple):
    """What `calc_loss` returns.

    Attributes:
        loss: what is minimised, `[T - 1, B]` or `[N]` or `()`; its mean is taken. Of `[T, B]` the
            last row, which only bootstraps, does not count.
        scalar_loss: an additional loss that has no batch dimension, or `()`.
        extra: nest of tensors to be summarised, one number each after the mean.
        priority: `[B]` or `[N]`, for prioritised replay, or `()`.
        gns: loss for the gradient noise scale, or `()`.
    """

    loss: Any = ()
    scalar_loss: Any = ()
    extra: Any = ()
    priority: Any = ()
    gns: Any = ()


def time_step_spec(observation_spec: Any, action_spec: Any, reward_spec: TensorSpec) -> TimeStep:
    """The specs of a time step, without the batch dimension."""
    return TimeStep(
        step_type=TensorSpec((), torch.int32),
        reward=reward_spec,
        discount=TensorSpec((), torch.float32),
        observation=observation_spec,
        prev_action=action_spec,
        env_id=TensorSpec((), torch.int32),
    )


def restart(
    observation: Any,
    action_spec: Any,
    reward_spec: TensorSpec | None = None,
    env_id: torch.Tensor | None = None,
    env_info: Any = (),
    batched: bool = False,
) -> TimeStep:
    """The first step of an episode.

    Args:
        observation: nest of `[B, ...]` if `batched`, else of `[...]`.
        action_spec: nest of specs, for the zero `prev_action`.
        reward_spec: the reward's spec, default a float32 scalar.
        env_id: int32 `[B]` or scalar, default `0, 1, ...`.
        env_info: extra facts.
        batched: whether there is a batch dimension.
    """
    reward_spec = reward_spec or TensorSpec(())
    batch_size = extract_any_leaf_from_nest(observation).shape[0] if batched else 1
    outer = (batch_size,) if batched else ()
    if env_id is None:
        env_id = torch.arange(batch_size, dtype=torch.int32).reshape(outer)
    return TimeStep(
        step_type=torch.full(outer, StepType.FIRST, dtype=torch.int32),
        reward=reward_spec.zeros(outer),
        discount=torch.ones(outer),
        observation=observation,
        prev_action=map_structure(lambda spec: spec.zeros(outer), action_spec),
        env_id=env_id,
        env_info=env_info,
    )


def transition(
    observation: Any,
    prev_action: Any,
    reward: torch.Tensor,
    discount: torch.Tensor | float = 1.0,
    env_id: torch.Tensor | None = None,
    env_info: Any = (),
) -> TimeStep:
    """A step in the middle of an episode; `reward` is `[B]`."""
    return _step(StepType.MID, observation, prev_action, reward, discount, env_id, env_info)


def termination(
    observation: Any,
    prev_action: Any,
    reward: torch.Tensor,
    env_id: torch.Tensor | None = None,
    env_info: Any = (),
) -> TimeStep:
    """The step at which an episode really ends: `LAST` with discount 0."""
    return _step(StepType.LAST, observation, prev_action, reward, 0.0, env_id, env_info)


def truncation(
    observation: Any,
    prev_action: Any,
    reward: torch.Tensor,
    env_id: torch.Tensor | None = None,
    env_info: Any = (),
) -> TimeStep:
    """The step at which a time limit stops an episode: `LAST` with discount 1."""
    return _step(StepType.LAST, observation, prev_action, reward, 1.0, env_id, env_info)


def _step(
    kind: int,
    observation: Any,
    prev_action: Any,
    reward: torch.Tensor,
    discount: torch.Tensor | float,
    env_id: torch.Tensor | None,
    env_info: Any,
) -> TimeStep:
    outer = reward.shape[:1]
    return TimeStep(
        step_type=torch.full(outer, kind, dtype=torch.int32),
        reward=reward,
        discount=torch.as_tensor(discount, dtype=torch.float32).expand(outer),
        observation=observation,
        prev_action=prev_action,
        env_id=torch.arange(outer[0] if outer else 1).int() if env_id is None else env_id,
        env_info=env_info,
    )
