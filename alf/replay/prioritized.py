"""Prioritized replay: steps from which more is to be learned are drawn more often.

T. Schaul, J. Quan, I. Antonoglou and D. Silver, "Prioritized Experience Replay",
https://arxiv.org/abs/1511.05952: the proportional variant (3.3), drawn from equal strata (appendix
B.2.1), with importance weights (3.4).
"""

from typing import Any

import numpy as np
import torch

from alf.errors import CheckpointError, ConfigError, TrainingError
from alf.replay.replay_buffer import Indices, ReplayBuffer
from alf.replay.ring_storage import segments
from alf.replay.saving import Contents, Read
from alf.replay.sum_tree import Floats, Masses, SumTree


class PrioritizedReplayBuffer(ReplayBuffer):
    """A replay buffer that draws a sequence with a probability after its first step's priority.

    The mass of a step is `(priority + eps) ** alpha`, and it is drawn with probability
    `P = mass / sum of masses`. Its weight is `(N * P) ** -beta`, where `N` is the number of steps
    that could be drawn. New steps get the largest mass that there has been, so that each is
    likely to be seen once. The priorities live on the CPU, whatever the device of the steps. Masses
    are float32, between 1e-18 and 1e18.

    Args:
        num_environments: `B`.
        max_length: `L`, how many rows are kept.
        device: where the steps are kept, default the CPU.
        alpha: how much priorities matter, `>= 0`; 0 draws uniformly.
        beta: how much weights make up for it, in `[0, 1]`. May be changed at any time.
        eps: added to priorities, `> 0`, so that no step is never drawn.
        normalize_weights_by_max: divide the weights of a batch by their maximum.

    Raises:
        ConfigError: if a number is out of its range.
    """

    def __init__(
        self,
        num_environments: int,
        max_length: int,
        device: torch.device | str | None = None,
        alpha: float = 0.7,
        beta: float = 0.4,
        eps: float = 1e-6,
        normalize_weights_by_max: bool = True,
    ):
        super().__init__(num_environments, max_length, device)
        if not (alpha >= 0 and 0 <= beta <= 1 and eps > 0):
            raise ConfigError(
                f"prioritized replay needs alpha >= 0, beta in [0, 1] and eps > 0, got "
                f"alpha={alpha}, beta={beta}, eps={eps}: "
                f"see TrainerConfig.priority_replay_alpha, _beta and _eps"
            )
        self.alpha = alpha
        self.beta = beta
        self.eps = eps
        self.normalize_weights_by_max = normalize_weights_by_max
        self._masses: Masses = np.zeros((max_length, num_environments), np.float32)
        self._tree = SumTree(self._masses.size)
        self._max_mass = 1.0
        # The tree holds the masses of rows before `_entered`. Of those stored since, and of the
        # newest, from which no whole sequence starts, it holds zeros or what was there before.
        self._entered = 0
        self._entered_end = 0
        self._draws = torch.empty(0, dtype=torch.float64)
        self._points: Floats = self._draws.numpy()

    def update_priorities(
        self, env_ids: torch.Tensor, positions: torch.Tensor, priorities: torch.Tensor
    ) -> None:
        """Give steps new priorities; those that are not held any more are passed over.

        Args:
            env_ids: int64 `[batch]`; see `SampledBatch.env_ids`.
            positions: int64 `[batch]`; see `SampledBatch.positions`.
            priorities: `[batch]`, `>= 0`, e.g. absolute temporal differences. Of a step that
                is given twice the last one counts.

        Raises:
            TrainingError: if a priority is negative or not finite.
        """
        values = priorities.detach().to("cpu", torch.float64).numpy()
        if not (values.min(initial=0.0) >= 0 and values.max(initial=0.0) < np.inf):
            wrong = values[~((values >= 0) & (values < np.inf))]
            raise TrainingError(
                f"a priority must be finite and not negative, got {wrong[:5].tolist()}: "
                f"look at LossInfo.priority"
            )
        # Within these bounds no mass becomes 0, and no sum or quotient of masses infinite.
        masses = ((values + self.eps) ** self.alpha).clip(1e-18, 1e18).astype(np.float32)
        envs, times = env_ids.cpu().numpy(), positions.cpu().numpy()
        held = times >= self.first_position
        if not held.all():
            envs, times, masses = envs[held], times[held], masses[held]
        if not len(times):
            return
        slots = self._slots_of(envs, times)
        flat = self._masses.reshape(-1)
        flat[slots] = masses
        self._max_mass = max(self._max_mass, float(masses.max()))
        entered = times < self._entered
        if not entered.all():
            slots = slots[entered]
        self._tree.assign(slots, flat[slots])

    def _draw(self, batch_size: int, length: int) -> tuple[Indices, Any]:
        self._enter(self._end - length + 1)
        if len(self._points) != batch_size:
            self._draws = torch.empty(batch_size, dtype=torch.float64)
            self._points = self._draws.numpy()
        self._draws.uniform_()
        unit = 0.0  # the smallest, whose weight is the maximum
        if not self.normalize_weights_by_max:
            num_starts = (self.num_steps - length + 1) * self.num_environments
            unit = self._tree.total / num_starts
        slots, masses = self._tree.draw(self._points, unit)
        masses **= -self.beta
        weights = torch.from_numpy(masses)
        return slots, weights if self.device.type == "cpu" else weights.to(self.device)

    def _enter(self, end: int) -> None:
        """Bring the tree up to date, so that rows before `end` have their masses and others 0."""
        if self._entered == end and self._entered_end == self._end:
            return
        start = max(min(self._entered, end), self.first_position)
        time = start
        for rows in segments(range(start, self._end), self.max_length):
            masses = self._masses[rows].copy()
            masses[max(0, end - time) :] = 0.0
            self._tree.assign_range(rows.start * self.num_environments, masses.reshape(-1))
            time += len(masses)
        self._entered, self._entered_end = end, self._end

    def _added(self, num_rows: int) -> None:
        if num_rows == 1:
            self._masses[(self._end - 1) % self.max_length] = self._max_mass
            return
        start = max(self._end - num_rows, self.first_position)
        for rows in segments(range(start, self._end), self.max_length):
            self._masses[rows] = self._max_mass

    def _forgotten(self) -> None:
        self._masses[:] = 0.0
        self._tree = SumTree(self._masses.size)
        self._max_mass = 1.0
        self._entered = self._entered_end = 0

    def _extra(self) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        held = segments(range(self.first_position, self._end), self.max_length)
        masses = np.concatenate([self._masses[rows] for rows in held] or [self._masses[:0]])
        return {"masses": torch.from_numpy(masses)}, {
            "alpha": self.alpha,
            "max_mass": self._max_mass,
        }

    def _restore_extra(self, contents: Contents, read: Read) -> None:
        if contents.numbers.get("alpha") != self.alpha:
            raise CheckpointError(
                f"the saved replay buffer has priorities with alpha="
                f"{contents.numbers.get('alpha')}, and this one has alpha={self.alpha}: set "
                f"TrainerConfig.priority_replay and priority_replay_alpha as they were"
            )
        self._max_mass = contents.numbers["max_mass"]
        skipped = contents.num_steps - self.num_steps
        masses = read("masses", range(skipped, contents.num_steps)).numpy()
        done = 0
        for rows in segments(range(self.first_position, self._end), self.max_length):
            count = rows.stop - rows.start
            self._masses[rows] = masses[done : done + count]
            done += count
