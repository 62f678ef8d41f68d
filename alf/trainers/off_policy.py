"""Off-policy training: experience goes into a replay buffer and is used in sampled minibatches."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from alf import summary
from alf.algorithms.algorithm import Algorithm
from alf.data_structures import TimeStep
from alf.device import get_default_device
from alf.errors import ConfigError
from alf.replay import PrioritizedReplayBuffer, ReplayBuffer, SampledBatch
from alf.schedulers import as_scheduler
from alf.trainers.compiled import Computed
from alf.trainers.learner import Learner
from alf.trainers.trainer_config import TrainerConfig
from alf.trainers.update import check_loss, total_loss, valid_steps
from alf.transforms import DataTransformer

DEFAULT_BATCH_SIZE = 256
"""Sequences of a sample where `TrainerConfig.mini_batch_size` does not say."""


class ReplayLearner(Learner):
    """Collects a few steps, then makes some updates on samples of all that is remembered.

    See `Learner` for the other arguments.

    Args:
        transformer: changes samples; `None` leaves them as they are.

    Raises:
        ConfigError: the algorithm has a memory, or a setting of the replay is not possible.

    Attributes:
        replay: the replay buffer.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        observe: Callable[[Any], TimeStep],
        batch_size: int,
        config: TrainerConfig,
        transformer: DataTransformer | None = None,
    ):
        super().__init__(algorithm, observe, batch_size, config)
        if self._rollout.has_memory and not algorithm.state_is_for_acting:
            raise ConfigError(
                f"{type(algorithm).__name__} is trained on short sequences from a replay buffer, "
                f"and its networks have a memory ({algorithm.state_spec}): give it networks "
                f"without one"
            )
        self._length = config.mini_batch_length or 2
        if self._length < 2:
            raise ConfigError(
                f"TrainerConfig.mini_batch_length is {self._length}: a sample needs at least 2 "
                f"steps, the one that acts and the one that follows"
            )
        self._batch_size = config.mini_batch_size or DEFAULT_BATCH_SIZE
        self._beta = as_scheduler(config.priority_replay_beta)
        self._transformer = transformer
        self._batch: SampledBatch | None = None
        self._cut_off: dict[str, list[torch.Tensor]] | None = None
        self.replay = _make_replay(batch_size, config)
        capacity = config.replay_buffer_length * batch_size
        if config.initial_collect_steps > capacity:
            raise ConfigError(
                f"TrainerConfig.initial_collect_steps is {config.initial_collect_steps}, and the "
                f"replay buffer holds {capacity} steps ({config.replay_buffer_length} of each of "
                f"{batch_size} environments): raise TrainerConfig.replay_buffer_length"
            )

    def train_iter(self) -> None:
        """Collect `unroll_length` steps, at first as many as training starts with, and update."""
        with torch.no_grad():
            for _ in range(self._config.unroll_length):
                self._collect()
            while self.replay.total_size < self._config.initial_collect_steps:
                self._collect()
        updates = self._config.num_updates_per_train_iter
        for i in range(updates):
            # One summary an iteration: that of its last update.
            with nullcontext() if i == updates - 1 else summary.record_if(False):
                self._update()
        with torch.no_grad():
            self._algorithm.after_train_iter(TimeStep(), ())

    def load_state_dict(self, state: dict[str, Any], time_step: TimeStep | None) -> None:
        """Go on where `state_dict` was taken; see `Learner`."""
        super().load_state_dict(state, time_step)
        self._cut_off = state["rollout"] if time_step is None else None

    def save_replay(self, folder: Path) -> dict[str, str]:
        """Write the replay buffer; returns the SHA-256 of each file, by name."""
        return self.replay.save(folder)

    def load_replay(self, folder: Path) -> None:
        """Read the replay buffer; see `Learner`."""
        self.replay.prepare(self._rollout.peek())
        self.replay.load(folder)
        if self._cut_off is not None:
            self.replay.add(self._rollout.cut_off(self._cut_off))

    def _collect(self) -> None:
        time_step, alg_step = self._rollout.act()
        self.replay.add((time_step, alg_step.info))

    def _update(self) -> None:
        if self.replay.num_steps < self._length:
            return
        batch = self._batch = self._sample()
        inputs, rollout_info = batch.experience
        if self._transformer is not None:
            inputs = self._transformer.transform_sample(inputs, batch)
        computed = self._updater.compute(self._loss, inputs, rollout_info, batch.weights)
        self._updater.apply(computed, inputs)
        if isinstance(self.replay, PrioritizedReplayBuffer):
            priority = computed.loss_info.priority
            if isinstance(priority, tuple):
                raise ConfigError(
                    f"TrainerConfig.priority_replay is on, and {type(self._algorithm).__name__} "
                    f"gives no priorities: set calculate_priority=True if it has that, or turn "
                    f"priority_replay off"
                )
            self.replay.update_priorities(batch.env_ids, batch.positions, priority.detach())

    def _loss(self, inputs: TimeStep, rollout_info: Any, weights: Any) -> Computed:
        """The loss of a sample `[T, B, ...]`, whose sequences count as `weights` `[B]` say."""
        loss_info, info = self._algorithm.batch_loss(inputs, rollout_info)
        check_loss(loss_info)
        if not isinstance(weights, tuple):
            loss_info = loss_info._replace(loss=loss_info.loss * weights)
        valid = valid_steps(inputs.step_type)
        if isinstance(loss_info.loss, torch.Tensor) and loss_info.loss.dim() < valid.dim():
            valid = valid[0]  # one loss for each sequence, which counts as its first step does
        return Computed(total_loss(loss_info, valid), loss_info, valid, info)

    def _sample(self) -> Any:
        if isinstance(self.replay, PrioritizedReplayBuffer):
            self.replay.beta = float(self._beta())
        return self.replay.sample(self._batch_size, self._length, out=self._batch)


def _make_replay(batch_size: int, config: TrainerConfig) -> ReplayBuffer:
    device = get_default_device()
    if not config.priority_replay:
        return ReplayBuffer(batch_size, config.replay_buffer_length, device)
    return PrioritizedReplayBuffer(
        batch_size,
        config.replay_buffer_length,
        device,
        alpha=float(as_scheduler(config.priority_replay_alpha)()),
        eps=config.priority_replay_eps,
        normalize_weights_by_max=config.normalize_importance_weights_by_max,
    )
