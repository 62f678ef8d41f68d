"""Collecting experience: the policy acts, the environments answer, rows go into buffers."""

from collections.abc import Callable
from typing import Any

import torch

from alf.algorithms.algorithm import Algorithm, reset_state
from alf.data_structures import AlgStep, StepType, TimeStep
from alf.nest import flatten, map_structure, pack_sequence_as
from alf.trainers.unroll import UnrollBuffer


class Rollout:
    """The side of training that steps the environments.

    An unroll is `T` steps of each of `B` environments plus the step that follows, which
    bootstraps: it is the last row of this unroll and the first of the next.

    Args:
        algorithm: decides.
        observe: `(action or None) -> TimeStep`; steps the environments, `None` for the time step
            they stand at now. Gives what the policy is to see.
        batch_size: `B`.
        length: `T`.

    Attributes:
        initial_state: the algorithm's state before the first step of an episode.
        state: its state now.
        length: `T`.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        observe: Callable[[Any], TimeStep],
        batch_size: int,
        length: int,
    ):
        self._algorithm = algorithm
        self._observe = observe
        self._time_step: TimeStep | None = None
        self._steps = UnrollBuffer(length + 1)
        self._infos = UnrollBuffer(length + 1)
        self.initial_state = algorithm.initial_state(batch_size)
        self.state = self.initial_state
        self.length = length

    @property
    def has_memory(self) -> bool:
        """Whether the algorithm has a state."""
        return self.initial_state != ()

    @torch.no_grad()
    def unroll(self) -> tuple[TimeStep, Any]:
        """Collect one unroll without gradients.

        Returns:
            The time steps and what `rollout_step` gave as info, both `[T + 1, B, ...]` and both
            valid until the next unroll. The last row of the info is a copy of the one before:
            that step has not acted yet.
        """
        for t in range(self.length):
            time_step, alg_step = self.act()
            self._steps.write(t, time_step)
            self._infos.write(t, alg_step.info)
        self._steps.write(self.length, self._now())
        self._infos.repeat_row(self.length - 1, self.length)
        return self._steps.read(), self._infos.read()

    def unroll_with_grad(self) -> tuple[TimeStep, list[Any]]:
        """Collect one unroll, keeping the gradients of each step.

        Returns:
            The time steps `[T + 1, B, ...]`, and the infos of each step with their gradients. The
            action of the bootstrap step is thrown away.
        """
        self.state = map_structure(lambda x: x.detach(), self.state)
        infos = []
        for t in range(self.length):
            time_step, alg_step = self.act()
            self._steps.write(t, time_step)
            infos.append(alg_step.info)
        now = self._now()
        self._steps.write(self.length, now)
        infos.append(self._algorithm.rollout_step(now, self._reset_state(now)).info)
        return self._steps.read(), infos

    def act(self) -> tuple[TimeStep, AlgStep]:
        """Act once and step the environments; gives what the policy saw and what it did."""
        time_step = self._now()
        alg_step = self._algorithm.rollout_step(self._seen, self._reset_state(time_step))
        self.state = alg_step.state
        self._time_step = self._observe(alg_step.output)
        return time_step, alg_step

    @torch.no_grad()
    def peek(self) -> tuple[TimeStep, Any]:
        """What `act` would store now, without stepping the environments."""
        now = self._now()
        return now, self._algorithm.rollout_step(self._seen, self._reset_state(now)).info

    @torch.no_grad()
    def cut_off(self, state: dict[str, list[torch.Tensor]]) -> tuple[TimeStep, Any]:
        """What `act` would have stored where `state_dict` was taken, had a time limit struck there.

        For environments that could not be put back: their episodes end, and what had been
        remembered of them does not lead into the next ones.

        Args:
            state: what `state_dict` gave.
        """
        self._now()
        then = pack_sequence_as(self._seen, state["time_step"])
        then = then._replace(step_type=torch.full_like(then.step_type, StepType.LAST))
        info = self._algorithm.rollout_step(then, self.initial_state).info
        return then._replace(untransformed=()), info

    def state_dict(self) -> dict[str, list[torch.Tensor]]:
        """The time step that the policy sees now, and its memory.

        The time step is kept as it is seen: to transform it once more would count it twice in
        statistics and put its frame twice on a stack.
        """
        return {"time_step": flatten(self._time_step or ()), "memory": flatten(self.state)}

    def load_state_dict(self, state: dict[str, list[torch.Tensor]], example: TimeStep) -> None:
        """Go on where `state_dict` was taken.

        Args:
            state: what it gave.
            example: a time step of the same structure.
        """
        self._time_step = pack_sequence_as(example, state["time_step"])
        self.state = pack_sequence_as(self.initial_state, state["memory"])

    @property
    def _seen(self) -> TimeStep:
        assert self._time_step is not None
        return self._time_step

    def _now(self) -> TimeStep:
        """The present time step as it is stored: without its untransformed copy."""
        if self._time_step is None:
            self._time_step = self._observe(None)
        if self._time_step.untransformed == ():
            return self._time_step
        return self._time_step._replace(untransformed=())

    def _reset_state(self, time_step: TimeStep) -> Any:
        if not self.has_memory:
            return self.state
        return reset_state(self.state, self.initial_state, time_step.is_first())
