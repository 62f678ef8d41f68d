"""A ring buffer of time steps for each environment, sampled uniformly."""

from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import numpy as np
import optree
import torch
from numpy.typing import NDArray

from alf.distributions import Distribution, flatten_params, unflatten_params
from alf.errors import CheckpointError, ConfigError, TrainingError, UsageError
from alf.nest import flatten
from alf.replay.episode_ends import EpisodeEnds
from alf.replay.record_layout import Leaf, RecordLayout, described, listed
from alf.replay.ring_storage import RingStorage
from alf.replay.sampled_batch import SampledBatch
from alf.replay.saving import Contents, Read, chunks, opened_buffer, step_name, write_buffer

Indices = NDArray[np.int64]

_shape_of = attrgetter("shape")


class ReplayBuffer:
    """The newest `max_length` time steps of each of `num_environments` environments.

    All environments are in step: one row holds a time step of each. Memory is reserved at the
    first row, when the shapes are known, and touched only as it fills. The tensors of a step lie
    side by side in one record, so a batch is a single gather. Distributions are stored as their
    parameters. Indices are drawn from torch's global CPU generator, whatever the device, so one
    seed draws the same batches everywhere.

    Args:
        num_environments: `B`.
        max_length: `L`, how many rows are kept.
        device: where the steps are kept, default the CPU.

    Raises:
        ConfigError: if a size is not positive.
    """

    def __init__(
        self, num_environments: int, max_length: int, device: torch.device | str | None = None
    ):
        if num_environments < 1 or max_length < 1:
            raise ConfigError(
                f"a replay buffer needs at least one environment and one step, got "
                f"num_environments={num_environments} and max_length={max_length}: "
                f"set TrainerConfig.replay_buffer_length to 1 or more"
            )
        self.num_environments = num_environments
        self.max_length = max_length
        self.device = torch.device(device or "cpu")
        self._end = 0
        self._storage: RingStorage | None = None
        self._structure: optree.PyTreeSpec | None = None
        self._has_distributions = False
        self._row_shapes: list[tuple[int, ...]] = []
        self._offsets: dict[int, Indices] = {}
        self._episode_ends: EpisodeEnds | None = None
        # Filled by torch's generator, read through numpy.
        self._draws = torch.empty(0, dtype=torch.int64)
        self._drawn: Indices = self._draws.numpy()

    @property
    def num_steps(self) -> int:
        """Rows held, at most `max_length`."""
        return min(self._end, self.max_length)

    @property
    def total_size(self) -> int:
        """Time steps held, those of all environments together."""
        return self.num_steps * self.num_environments

    @property
    def first_position(self) -> int:
        """Time of the oldest row held; times count from 0 since the last `clear`."""
        return max(0, self._end - self.max_length)

    @property
    def end_position(self) -> int:
        """Time that the next row will get."""
        return self._end

    def prepare(self, example: Any) -> None:
        """Learn what rows hold, and reserve the memory; the first `add` does it by itself.

        Args:
            example: a nest `[B, ...]` like those which will be added. Nothing is stored.

        Raises:
            UsageError: if something in the nest is not a tensor of `B` rows.
            CheckpointError: if steps were loaded that hold other tensors.
        """
        leaves, structure = flatten_params(example)
        steps = described(leaves, structure, self.num_environments)
        if self._storage is None:
            self._storage = self._new_storage(steps)
        elif self._storage.layout.leaves != steps:
            raise CheckpointError(
                f"the saved replay buffer holds other steps than this code makes:\n"
                f"  there: {listed(self._storage.layout.leaves)}\n  here:  {listed(steps)}\n"
                f"The code or the conf has changed since it was saved"
            )
        self._structure = structure
        self._has_distributions = any(isinstance(x, Distribution) for x in flatten(example))

    def add(self, nest: Any) -> None:
        """Store one row; if the buffer is full, the oldest one is dropped.

        Args:
            nest: `[B, ...]`, of the same structure, dtypes and shapes each time. Gradients are
                not kept.

        Raises:
            UsageError: if the nest is not like the first one.
        """
        if self._structure is None:
            self.prepare(nest)
        storage, leaves, shapes = self._open(nest)
        if shapes != self._row_shapes:
            raise self._unlike(leaves, 1)
        storage.write_row(self._end, leaves)
        self._end += 1
        self._added(1)

    def add_rows(self, nest: Any) -> None:
        """Store several rows, oldest first.

        Args:
            nest: `[T, B, ...]`; of more than `max_length` rows the last ones are kept.

        Raises:
            UsageError: if the nest is not like the first one.
        """
        if self._structure is None:
            leaves, structure = flatten_params(nest)
            self.prepare(unflatten_params(structure, [leaf[0] for leaf in leaves]))
        storage, leaves, shapes = self._open(nest)
        num_rows = len(leaves[0]) if leaves else 0
        if shapes != [(num_rows, *shape) for shape in self._row_shapes]:
            raise self._unlike(leaves, 2)
        if num_rows:
            skipped = max(0, num_rows - self.max_length)
            storage.write_rows(self._end + skipped, [leaf[skipped:] for leaf in leaves])
            self._end += num_rows
            self._added(num_rows)

    def sample(self, batch_size: int, length: int, out: SampledBatch | None = None) -> SampledBatch:
        """Draw sequences of consecutive steps, with replacement.

        A sequence lies within one environment and within what is held; it may go over the end of
        an episode into the next one.

        Args:
            batch_size: number of sequences.
            length: steps of each, at least 1.
            out: an earlier batch, whose memory is written over if it has the same sizes. This
                saves most of the time for small steps. The earlier batch must not be needed any
                more, not by a backward pass either.

        Returns:
            Its `experience` is `[length, batch_size, ...]`.

        Raises:
            TrainingError: if there are not enough rows.
        """
        if not (0 < length <= self._end and length <= self.max_length):
            raise TrainingError(
                f"the replay buffer holds {self.num_steps} of at most {self.max_length} steps of "
                f"each environment, and sequences of {length} are wanted: collect more first "
                f"(TrainerConfig.initial_collect_steps), or change mini_batch_length or "
                f"replay_buffer_length"
            )
        starts, weights = self._draw(batch_size, length)
        batch = self._fetch(starts, length, out)
        batch.weights = weights
        return batch

    def get_batch(
        self, env_ids: torch.Tensor, positions: torch.Tensor, length: int = 1
    ) -> SampledBatch:
        """Fetch given sequences.

        Args:
            env_ids: int64 `[batch]` in `[0, B)`.
            positions: int64 `[batch]`, times of the first steps; see `SampledBatch.positions`.
            length: steps of each sequence, at least 1.

        Raises:
            UsageError: if a step is not held (any more), or there is no such environment.
        """
        envs, times = env_ids.cpu().numpy(), positions.cpu().numpy()
        if envs.ndim != 1 or envs.shape != times.shape or not len(envs) or length < 1:
            raise UsageError(
                f"env_ids and positions must be vectors of one length and at least one element, "
                f"and length positive; got shapes {envs.shape} and {times.shape}, length {length}"
            )
        if times.min() < self.first_position or times.max() > self._end - length:
            raise UsageError(
                f"steps {times.min()} to {times.max() + length - 1} were asked for, and the "
                f"replay buffer holds steps {self.first_position} to {self._end - 1}"
            )
        if envs.min() < 0 or envs.max() >= self.num_environments:
            raise UsageError(
                f"environments {envs.min()} to {envs.max()} were asked for, and the replay "
                f"buffer has environments 0 to {self.num_environments - 1}"
            )
        return self._fetch(self._slots_of(envs, times), length, None)

    def episode_ends(self, env_ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Where the episodes of given steps end.

        Args:
            env_ids: int64 `[batch]` in `[0, B)`.
            positions: int64 `[batch]`, times of steps that are held.

        Returns:
            Int64 `[batch]`, on the CPU: the time of the `LAST` step of each one's episode, or of
            the newest step that is held if the episode has not ended.

        Raises:
            UsageError: if the steps have no field `step_type`.
        """
        ends = self._episode_ends
        if ends is None or ends.end < self.first_position:  # rows that it did not see are gone
            ends = EpisodeEnds(self.num_environments, self.max_length, self.first_position)
            self._episode_ends = ends
        if ends.end < self._end:
            ends.read(self._step_types(range(ends.end, self._end)))
        found = ends.of(env_ids.cpu().numpy(), positions.cpu().numpy())
        return torch.from_numpy(found)

    def clear(self) -> None:
        """Forget all steps; the memory stays reserved."""
        self._end = 0
        self._episode_ends = None
        self._forgotten()

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that is held, oldest first, as nested dicts of tensors and numbers."""
        contents = self._contents()
        held = range(self.num_steps)
        tensors = {name: self._read(name, held).clone() for name, _ in contents.tensors()}
        return {"contents": contents.to_json(), "tensors": tensors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; of more than `max_length` rows the last are kept.

        Raises:
            CheckpointError: if it is of another number of environments, or of other steps.
        """
        contents = Contents.from_json(state["contents"], "the state of the replay buffer")
        tensors: dict[str, torch.Tensor] = state["tensors"]
        self._restore(contents, lambda name, rows: tensors[name][rows.start : rows.stop])

    def save(self, folder: str | Path) -> dict[str, str]:
        """Write all that is held to `replay.safetensors` and `replay.json` in a folder.

        The first has a tensor for each leaf of the nest, named by its path and with shape
        `[num_steps, B, ...]`, oldest row first. It is written some rows at a time. The same
        content gives the same bytes.

        Returns:
            SHA-256 of each file, by name.

        Raises:
            CheckpointError: if they cannot be written, e.g. because the disk is full.
        """
        return write_buffer(Path(folder), self._contents(), self._read)

    def load(self, folder: str | Path) -> Self:
        """Take over what `save` wrote; of more than `max_length` rows the last are kept.

        Before a batch can be drawn, `prepare` or `add` must tell how the tensors are nested.

        Raises:
            CheckpointError: if a file is missing or damaged, or it is of another number of
                environments or of other steps.
        """
        with opened_buffer(Path(folder)) as (contents, read):
            self._restore(contents, read)
        return self

    # A buffer that draws otherwise overrides the next five.

    def _draw(self, batch_size: int, length: int) -> tuple[Indices, Any]:
        """Slots of the first steps `[batch]`, and the weights."""
        if len(self._drawn) != batch_size:
            self._draws = torch.empty(batch_size, dtype=torch.int64)
            self._drawn = self._draws.numpy()
        # Slots are numbered row by row, so what is held is one range of them, going round.
        held, rows = self._end, self.max_length
        start = 0
        if held > rows:
            start, held = held % rows * self.num_environments, rows
        num_starts = (held - length + 1) * self.num_environments
        self._draws.random_(start, start + num_starts)
        return self._drawn, ()

    def _added(self, num_rows: int) -> None:
        """Called when rows have been stored."""

    def _forgotten(self) -> None:
        """Called when all rows have been dropped."""

    def _extra(self) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        """Tensors `[num_steps, B]`, oldest row first, and numbers that belong to the state."""
        return {}, {}

    def _restore_extra(self, contents: Contents, read: Read) -> None:
        """Take over what `_extra` gave, when the steps are there."""

    def _step_types(self, times: range) -> NDArray[np.int32]:
        """The field `step_type` of rows, `[len(times), B]`."""
        storage = self._storage
        names = [] if storage is None else [leaf.name for leaf in storage.layout.leaves]
        for index, name in enumerate(names):
            if name.rpartition(".")[2] == "step_type":
                assert storage is not None
                return storage.read(index, times).cpu().numpy()
        raise UsageError(
            f"the replay buffer holds {', '.join(names) or 'no steps'}, and no step_type that "
            f"would tell where episodes end: add time steps"
        )

    def _slots_of(self, env_ids: Indices, positions: Indices) -> Indices:
        return positions % self.max_length * self.num_environments + env_ids

    def _fetch(self, starts: Indices, length: int, out: SampledBatch | None) -> SampledBatch:
        storage, size = self._storage, len(starts)
        if storage is None or self._structure is None:
            raise TrainingError(
                "a loaded replay buffer does not know how its tensors are nested: "
                "call prepare() or add() first"
            )
        if out is None or out._buffer is not self or out._slots.shape != (length, size):
            records = storage.empty_batch(length, size)
            out = SampledBatch(self, self._nested(records), records, storage.target(records))
        elif self._has_distributions:  # they may remember what they computed from their parameters
            out.experience = self._nested(out._records)
        offsets = self._offsets.get(length)
        if offsets is None:
            offsets = self._offsets[length] = np.arange(length)[:, None] * self.num_environments
        out._slots = starts + offsets
        out._first = max(0, self._end - self.max_length)
        storage.gather(out._slots, out._target)
        return out

    def _nested(self, records: torch.Tensor) -> Any:
        """The nest of `[length, batch, ...]` over memory for a batch."""
        assert self._storage is not None
        assert self._structure is not None
        return unflatten_params(self._structure, self._storage.layout.unpack(records))

    def _open(self, nest: Any) -> tuple[RingStorage, list[torch.Tensor], list[torch.Size]]:
        """The storage, the leaves of a nest for it, and their shapes."""
        assert self._storage is not None
        assert self._structure is not None
        try:
            leaves: list[Any] = self._structure.flatten_up_to(nest)
            shapes: list[torch.Size] = list(map(_shape_of, leaves))
        except (ValueError, AttributeError) as error:
            raise UsageError(f"the replay buffer got another nest than before: {error}") from None
        if torch.is_grad_enabled():
            leaves = [leaf.detach() for leaf in leaves]
        return self._storage, leaves, shapes

    def _unlike(self, leaves: list[torch.Tensor], num_outer: int) -> UsageError:
        """What to raise for leaves of other shapes than those of the first row."""
        assert self._storage is not None
        got = [
            Leaf(leaf.name, x.dtype, tuple(x.shape[num_outer:]))
            for leaf, x in zip(self._storage.layout.leaves, leaves, strict=True)
        ]
        outer = [list(x.shape[:num_outer]) for x in leaves]
        return UsageError(
            f"the replay buffer of {self.num_environments} environments got other shapes than "
            f"before:\n  before: {listed(self._storage.layout.leaves)}\n  now:    "
            f"{listed(got)}\n  batch dimensions now: {outer}"
        )

    def _new_storage(self, steps: tuple[Leaf, ...]) -> RingStorage:
        self._row_shapes = [(self.num_environments, *leaf.shape) for leaf in steps]
        layout = RecordLayout(steps)
        return RingStorage(layout, self.num_environments, self.max_length, self.device)

    def _contents(self) -> Contents:
        tensors, numbers = self._extra()
        return Contents(
            num_environments=self.num_environments,
            end_position=self._end,
            num_steps=self.num_steps,
            steps=self._storage.layout.leaves if self._storage else (),
            extra=tuple(Leaf(name, x.dtype, ()) for name, x in tensors.items()),
            numbers=numbers,
        )

    def _read(self, name: str, rows: range) -> torch.Tensor:
        """Rows of a tensor by the name that it is saved under, counted from the oldest.

        The result may be a view of the storage.
        """
        first = self.first_position
        for index, leaf in enumerate(self._storage.layout.leaves if self._storage else ()):
            if step_name(leaf) == name:
                assert self._storage is not None
                return self._storage.read(index, range(first + rows.start, first + rows.stop))
        return self._extra()[0][name][rows.start : rows.stop]

    def _restore(self, contents: Contents, read: Read) -> None:
        if contents.num_environments != self.num_environments:
            raise CheckpointError(
                f"the saved replay buffer is of {contents.num_environments} environments, and "
                f"this one of {self.num_environments}: set num_parallel_environments as it was"
            )
        self.clear()
        if contents.num_steps == 0:
            self._end = contents.end_position
            return
        if self._storage is None:
            self._storage = self._new_storage(contents.steps)
        elif self._storage.layout.leaves != contents.steps:
            raise CheckpointError(
                f"the saved replay buffer holds other steps than this one:\n"
                f"  there: {listed(contents.steps)}\n"
                f"  here:  {listed(self._storage.layout.leaves)}"
            )
        skipped = max(0, contents.num_steps - self.max_length)
        kept = contents.num_steps - skipped
        self._end = contents.end_position
        first = self._end - kept
        per_row = sum(leaf.num_bytes for leaf in contents.steps) * self.num_environments
        for rows in chunks(kept, per_row):
            wanted = range(skipped + rows.start, skipped + rows.stop)
            leaves = [read(step_name(leaf), wanted) for leaf in contents.steps]
            self._storage.write_rows(first + rows.start, leaves)
        self._restore_extra(contents, read)
