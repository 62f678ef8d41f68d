"""Epochs of minibatches over each unroll, as proximal policy optimisation trains."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import TimeStep
from alf.distributions import flatten_params, unflatten_params
from alf.errors import ConfigError
from alf.trainers.compiled import Computed
from alf.trainers.learner import Learner
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.update import total_loss, valid_steps


class MinibatchLearner(Learner):
    """Collects unrolls and trains on each for several epochs of shuffled minibatches.

    Steps whose action does not count are left out, so minibatches differ in size by at most one.
    Compiled, they have one size, and some steps, drawn anew in each epoch, stand in for those.
    See `Learner` for the arguments.

    Raises:
        ConfigError: the algorithm has a memory, or unrolls are to be kept.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        observe: Callable[[Any], TimeStep],
        batch_size: int,
        config: TrainerConfig,
    ):
        super().__init__(algorithm, observe, batch_size, config)
        if not config.clear_replay_buffer:
            raise ConfigError(
                "TrainerConfig.clear_replay_buffer is False, and with "
                "whole_replay_buffer_training each unroll is used in one iteration alone: set "
                "whole_replay_buffer_training=False to keep experience in a replay buffer"
            )
        if self._rollout.has_memory and not algorithm.state_is_for_acting:
            raise ConfigError(
                f"{type(algorithm).__name__} is trained on shuffled single steps, and its networks "
                f"have a memory ({algorithm.state_spec}): give it networks without one"
            )

    def train_iter(self) -> None:
        """Unroll once, and train on it for some epochs."""
        inputs, rollout_info = self._rollout.unroll()
        with torch.no_grad():
            inputs, rollout_info = self._algorithm.preprocess_experience(inputs, rollout_info)
        valid = valid_steps(inputs.step_type).flatten().nonzero()[:, 0]
        leaves, structure = flatten_params((inputs, rollout_info))
        flat = [leaf.flatten(0, 1) for leaf in leaves]
        num_steps = inputs.step_type[:-1].numel() if self._config.compile else len(valid)
        count = self._num_minibatches(num_steps)
        epochs = self._config.num_updates_per_train_iter
        for epoch in range(epochs):
            order = valid[torch.randperm(len(valid), device=valid.device)]
            if self._config.compile:
                order = order[torch.arange(-(-num_steps // count) * count) % len(order)]
            shuffled = [leaf.index_select(0, order).unsqueeze(0) for leaf in flat]
            for i, batch in enumerate(_slices(shuffled, count)):
                batch_inputs, batch_info = unflatten_params(structure, batch)
                is_last = epoch == epochs - 1 and i == count - 1
                if self._update(batch_inputs, batch_info, is_last):
                    return self._end(inputs, rollout_info)
        return self._end(inputs, rollout_info)

    def _num_minibatches(self, num_steps: int) -> int:
        """How many minibatches an epoch has, as many on all ranks, whose steps differ in number."""
        each = [steps for (steps,) in self._ranks.gather(num_steps)]
        mean = sum(each) / len(each)
        return max(1, min(round(mean / (self._config.mini_batch_size or mean)), int(min(each))))

    @torch.no_grad()
    def _end(self, inputs: TimeStep, rollout_info: Any) -> None:
        self._algorithm.after_train_iter(inputs, rollout_info)

    def _update(self, inputs: TimeStep, rollout_info: Any, is_last: bool) -> bool:
        """Train on one minibatch `[1, N, ...]`; returns whether the algorithm has had enough."""
        # One summary an iteration: that of its last minibatch, wherever the epochs end.
        with nullcontext() if is_last else summary.record_if(False):
            computed = self._updater.compute(self._loss, inputs, rollout_info)
        stop = self._algorithm.should_stop_epochs(computed.info)
        if self._ranks.count > 1:
            stop = any(wants for (wants,) in self._ranks.gather(stop))
        if stop and not is_last and summary.should_record_summaries():
            computed = self._updater.compute(self._loss, inputs, rollout_info)
        with nullcontext() if is_last or stop else summary.record_if(False):
            self._updater.apply(computed, inputs)
        return stop

    def _loss(self, inputs: TimeStep, rollout_info: Any) -> Computed:
        loss_info, info = self._algorithm.batch_loss(inputs, rollout_info)
        return Computed(total_loss(loss_info, None), loss_info, None, info)


def _slices(leaves: list[torch.Tensor], count: int) -> Iterator[list[torch.Tensor]]:
    """`[1, N, ...]` cut into `count` parts of nearly equal size along `N`."""
    parts = [leaf.tensor_split(count, dim=1) for leaf in leaves]
    for i in range(count):
        yield [part[i] for part in parts]
