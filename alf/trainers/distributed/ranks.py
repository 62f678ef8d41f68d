"""The processes of a job, as one of them sees the others.

A `Ranks` is handed to whatever has to do something together. By itself it is a job of one process,
where each of its methods gives back at once what it was given; `ConnectedRanks` talks to the
others. What is called on one rank is called on all of them, in the same order.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

from alf.errors import LostRankError

# One call for a list of tensors; torch's optimizers are built on these.
_copy_all = torch._foreach_copy_  # pyright: ignore[reportPrivateImportUsage]


class Ranks:
    """A job of one process.

    Attributes:
        rank: number of this process, from 0.
        count: how many there are.
    """

    rank = 0
    count = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes: snapshots, checkpoints, curves, log lines."""
        return self.rank == 0

    def gather(self, *numbers: float) -> list[tuple[float, ...]]:
        """What each rank gave, in the order of the ranks; as many numbers on each of them."""
        return [numbers]

    def gather_json(self, value: Any) -> list[Any]:
        """What each rank gave, in the order of the ranks.

        Args:
            value: what JSON can hold.
        """
        return [value]

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of the tensors of all ranks, in the place of this one's."""
        return tensor

    def copy_first(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put the first rank's values into the tensors of all."""

    def average_gradients(self, parameters: Sequence[torch.nn.Parameter], weight: Any) -> None:
        """Put the mean of all ranks' gradients in the place of this one's.

        Args:
            parameters: the same on all ranks; those without a gradient stay so.
            weight: how much this rank's gradients count, a number or a scalar tensor: of how many
                steps they are the mean. The mean of all is that of all ranks' steps then.
        """

    def wait(self) -> None:
        """Go on when all ranks have come here."""

    def close(self) -> None:
        """Part; the last call."""


class ConnectedRanks(Ranks):
    """One rank of several, in a process group that is there already; see `connect`.

    Args:
        device: where the gradients of this rank are.
    """

    def __init__(self, device: torch.device):
        self.rank = dist.get_rank()
        self.count = dist.get_world_size()
        self._device = device

    def gather(self, *numbers: float) -> list[tuple[float, ...]]:
        """See `Ranks`."""
        rows = self._gather(torch.tensor(numbers, dtype=torch.float64))
        return [tuple(row.tolist()) for row in rows]

    def gather_json(self, value: Any) -> list[Any]:
        """See `Ranks`."""
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = [int(size) for (size,) in self.gather(len(text))]
        padded = torch.zeros(max(sizes), dtype=torch.uint8)
        padded[: len(text)] = text
        rows = self._gather(padded)
        return [
            json.loads(bytes(row[:size].numpy())) for row, size in zip(rows, sizes, strict=True)
        ]

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """See `Ranks`."""
        with self._together():
            dist.all_reduce(tensor)
        return tensor

    @torch.no_grad()
    def copy_first(self, tensors: Sequence[torch.Tensor]) -> None:
        """See `Ranks`."""
        with self._together():
            for tensor in tensors:
                whole = tensor.detach().to(self._device).contiguous()
                dist.broadcast(whole, src=0)
                tensor.copy_(whole)

    @torch.no_grad()
    def average_gradients(self, parameters: Sequence[torch.nn.Parameter], weight: Any) -> None:
        """See `Ranks`.

        All of them travel in one tensor, the weight behind them.
        """
        share = torch.as_tensor(weight, dtype=torch.float32, device=self._device).reshape(1)
        parts = [
            torch.zeros_like(p).reshape(-1) if p.grad is None else p.grad.reshape(-1)
            for p in parameters
        ]
        flat = torch.cat([torch.cat(parts) * share, share])
        self.sum(flat)
        mean = flat[:-1] / flat[-1].clamp(min=torch.finfo(flat.dtype).tiny)
        means = mean.split([p.numel() for p in parameters])
        pairs = [
            (p.grad, m.view_as(p))
            for p, m in zip(parameters, means, strict=True)
            if p.grad is not None
        ]
        if pairs:
            _copy_all([grad for grad, _ in pairs], [mean for _, mean in pairs])

    def wait(self) -> None:
        """See `Ranks`."""
        self.gather(0)

    def close(self) -> None:
        """See `Ranks`."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def _gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        rows = [torch.empty_like(tensor) for _ in range(self.count)]
        with self._together():
            dist.all_gather(rows, tensor)
        return rows

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # torch has no narrower class for it
            raise LostRankError(
                f"rank {self.rank} of {self.count} cannot go on, as another rank has ended or does "
                f"not answer ({_reason(error)}): the cause is what that rank says"
            ) from error


def _reason(error: RuntimeError) -> str:
    """What torch says of a connection that broke, without its place in the sources and advice."""
    text = str(error).strip().partition("\n")[0]
    return re.sub(r"^\[\S+\] ", "", text).partition(". ")[0][:200]
