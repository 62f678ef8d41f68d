"""The two sides of the steps of a sample: what was seen before an action, and after it."""

from typing import Any

from alf.data_structures import TimeStep
from alf.errors import ConfigError
from alf.nest import map_structure


def before_and_after(inputs: TimeStep, algorithm: str) -> tuple[Any, Any]:
    """The observations of all rows but the last, and of all but the first.

    Args:
        inputs: consecutive steps, `[T, B, ...]`.
        algorithm: the name of the one that needs them.

    Returns:
        Two nests of `[(T - 1) B, ...]`.

    Raises:
        ConfigError: there is one row, so that no action has an outcome.
    """
    if inputs.step_type.shape[0] < 2:
        raise ConfigError(
            f"{algorithm} learns from what follows an action, and was given single steps: set "
            f"TrainerConfig.whole_replay_buffer_training=False and clear_replay_buffer=False, so "
            f"that it samples from a replay buffer"
        )
    if inputs.step_type.shape[0] == 2:  # the usual sample, and half as many operations
        before = map_structure(lambda x: x[0], inputs.observation)
        return before, map_structure(lambda x: x[1], inputs.observation)
    before = map_structure(lambda x: x[:-1].flatten(0, 1), inputs.observation)
    after = map_structure(lambda x: x[1:].flatten(0, 1), inputs.observation)
    return before, after
