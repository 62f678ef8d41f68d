"""Training networks with a memory on sequences that were remembered.

The rollout stores the memory that each step began with beside the step, so that a sequence can be
picked up in the middle of an episode. What was stored was made by older parameters; the first rows
of a sequence may be spent on bringing it up to date (burn-in).

Kapturowski et al., "Recurrent Experience Replay in Distributed Reinforcement Learning",
https://openreview.net/forum?id=r1lyTjAqYX
"""

from typing import Any

import torch

from alf.data_structures import LossInfo, StepType, TimeStep
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.networks.network import Network, Unrolled, over_time


def check_sequences(name: str, has_memory: bool, burn_in: int, config: Any) -> None:
    """Refuse settings with which a memory learns nothing.

    Args:
        name: of the algorithm.
        has_memory: whether one of its networks has one.
        burn_in: rows of a sequence without a loss.
        config: the `TrainerConfig`, or `None` outside training.

    Raises:
        ConfigError: the burn-in does not go with the sequences, or there are none.
    """
    if burn_in < 0 or (burn_in and not has_memory):
        why = "no network has a memory that it would warm up" if burn_in > 0 else "it counts rows"
        raise ConfigError(f"{name}.burn_in is {burn_in}, and {why}: set it to 0")
    if not has_memory or config is None:
        return
    length = config.mini_batch_length
    if length is None or length < burn_in + 2:
        raise ConfigError(
            f"{name} has networks with a memory, which learn from sequences, and "
            f"TrainerConfig.mini_batch_length is {length}: set it to {burn_in + 2} or more "
            f"(burn_in is {burn_in}), for example {burn_in + 20}"
        )


def first_memory(rollout_info: Any, initial_state: Any) -> Any:
    """The memory that each sequence of a sample began with, nest of `[B, ...]`.

    Args:
        rollout_info: of the sample, `[T, B, ...]`, with a field `memory` where a rollout stored it;
            recorded steps have none.
        initial_state: what stands in for it then.
    """
    memory = getattr(rollout_info, "memory", ())
    return initial_state if memory == () else map_structure(lambda x: x[0], memory)


def warmed_up(
    network: Network, inputs: Any, state: Any, is_first: torch.Tensor, burn_in: int
) -> Unrolled:
    """What a network makes of the rows after the first `burn_in` ones.

    Those before them move the memory and get no gradient.

    Args:
        network: with a memory or without.
        inputs: nest of `[T, B, ...]`.
        state: before the first row, nest of `[B, ...]`.
        is_first: bool `[T, B]`.
        burn_in: less than `T`.
    """
    if burn_in:
        with torch.no_grad():
            head = map_structure(lambda x: x[:burn_in], inputs)
            state = over_time(network, head, state, is_first[:burn_in]).after
        inputs = map_structure(lambda x: x[burn_in:], inputs)
    return over_time(network, inputs, state, is_first[burn_in:])


def rows_after(nest: Any, burn_in: int) -> Any:
    """A nest of `[T, B, ...]` without its first `burn_in` rows."""
    return map_structure(lambda x: x[burn_in:], nest) if burn_in else nest


def over_all_rows(loss: LossInfo, burn_in: int, inputs: TimeStep) -> LossInfo:
    """A loss of the rows after the burn-in as one of all rows, with the same mean over steps.

    Args:
        loss: its tensors are `[T - 1 - burn_in, B]`, or with one row more.
        burn_in: how many rows it leaves out.
        inputs: of all rows, `[T, B, ...]`.
    """
    if not burn_in:
        return loss
    counts = inputs.step_type[:-1] != StepType.LAST
    share = counts.sum().clamp(min=1) / counts[burn_in:].sum().clamp(min=1)
    rows = inputs.step_type.shape[0] - burn_in

    def pad(x: torch.Tensor) -> torch.Tensor:
        if x.dim() < 2 or x.shape[0] not in (rows - 1, rows):
            return x
        return torch.cat([x.new_zeros(burn_in, *x.shape[1:]), x * share])

    return loss._replace(loss=pad(loss.loss), extra=map_structure(pad, loss.extra))
