"""On-policy training: unroll the policy, then update it once on what was seen."""

from collections.abc import Callable
from typing import Any

import torch

from alf.algorithms.algorithm import Algorithm, reset_state
from alf.data_structures import TimeStep
from alf.distributions import map_params
from alf.errors import ConfigError
from alf.nest import map_structure
from alf.trainers.compiled import Computed
from alf.trainers.learner import Learner
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.update import total_loss, valid_steps


class OnPolicyLearner(Learner):
    """Collects unrolls and trains on each of them once; see `Learner` for the arguments."""

    def __init__(
        self,
        algorithm: Algorithm,
        observe: Callable[[Any], TimeStep],
        batch_size: int,
        config: TrainerConfig,
    ):
        super().__init__(algorithm, observe, batch_size, config)
        self._with_grad = config.unroll_with_grad or not algorithm.has_batched_train_step
        if self._with_grad and config.compile:
            raise ConfigError(
                f"TrainerConfig.compile is on, and {type(algorithm).__name__} is trained with "
                f"gradients through its rollout, between whose steps the environments run: turn "
                f"compile off, or train with a train_step (unroll_with_grad=False)"
            )

    def train_iter(self) -> None:
        """Unroll and update once."""
        if self._with_grad:
            inputs, infos = self._rollout.unroll_with_grad()
            info = map_params(lambda *xs: torch.stack(xs), *infos)
            computed = self._loss(inputs, info)
        else:
            first_state = self._rollout.state
            inputs, rollout_info = self._rollout.unroll()
            computed = self._updater.compute(self._replay, inputs, first_state, rollout_info)
        self._updater.apply(computed, inputs)
        with torch.no_grad():
            self._algorithm.after_train_iter(inputs, computed.info)

    def _replay(self, inputs: TimeStep, first_state: Any, rollout_info: Any) -> Computed:
        """The loss of an unroll that was collected without gradients, in one forward pass."""
        if self._rollout.has_memory:
            return self._loss(inputs, self._train_over_time(inputs, first_state, rollout_info))
        return self._loss(inputs, self._algorithm.train_at_once(inputs, rollout_info))

    def _loss(self, inputs: TimeStep, info: Any) -> Computed:
        loss_info, valid = self._algorithm.calc_loss(info), valid_steps(inputs.step_type)
        return Computed(total_loss(loss_info, valid), loss_info, valid, info)

    def _train_over_time(self, inputs: TimeStep, state: Any, rollout_info: Any) -> Any:
        """`train_step` row by row, handing the state on; gives `[T, B, ...]`."""
        infos = []
        for t in range(inputs.step_type.shape[0]):
            row = map_structure(lambda x, t=t: x[t], inputs)
            row_info = map_params(lambda x, t=t: x[t], rollout_info)
            state = reset_state(state, self._rollout.initial_state, row.is_first())
            step = self._algorithm.train_step(row, state, row_info)
            state = step.state
            infos.append(step.info)
        return map_params(lambda *xs: torch.stack(xs), *infos)
