"""Checks that the ranks of a job do the same: what differs is found before it spoils a model."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from alf.errors import TrainingError, UsageError
from alf.trainers.distributed.ranks import Ranks


def check_same_start(facts: Mapping[str, Any], ranks: Ranks) -> None:
    """Refuse to begin where a rank is about to do something else than the first.

    Args:
        facts: what must be the same, by what to call it; JSON can hold it.
        ranks: the processes.

    Raises:
        UsageError: names the rank, what differs, and both values.
    """
    told = ranks.gather_json(dict(facts))
    for rank, other in enumerate(told):
        for name, value in told[0].items():
            if other.get(name) != value:
                raise UsageError(
                    f"the processes of a job must all train the same, and {name} of rank {rank} is "
                    f"{_shown(other.get(name))}, that of rank 0 {_shown(value)}. Start them "
                    f"together, with the same flags and files on each machine, and change nothing "
                    f"while they start"
                )


def start_with_same_model(model: nn.Module, ranks: Ranks) -> None:
    """Give all ranks the first one's parameters and buffers.

    Raises:
        UsageError: a rank has built a model of other shapes.
    """
    if ranks.count == 1:
        return
    tensors = model.state_dict()
    shapes = {name: [str(x.dtype), *x.shape] for name, x in tensors.items()}
    check_same_start({"the model": shapes}, ranks)
    ranks.copy_first(list(tensors.values()))


def check_same_model(model: nn.Module, iteration: int, ranks: Ranks) -> None:
    """Stop a job whose ranks have parameters or buffers that are not the same, bit for bit.

    Args:
        model: what is trained.
        iteration: training iterations done, for the message.
        ranks: the processes.

    Raises:
        TrainingError: names the first tensor that differs.
    """
    if ranks.count == 1:
        return
    tensors = model.state_dict()
    told = ranks.gather_json([digest_of([tensor]) for tensor in tensors.values()])
    for name, digests in zip(tensors, zip(*told, strict=True), strict=True):
        others = [rank for rank, digest in enumerate(digests) if digest != digests[0]]
        if others:
            raise TrainingError(
                f"the model of rank {others[0]} is not that of rank 0 any more after iteration "
                f"{iteration}: '{name}' differs. No checkpoint was made of it. Parameters must "
                f"change by the optimizers alone, or in the same way on all ranks, and so must "
                f"buffers; one that need not be the same is registered with persistent=False"
            )


def digest_of(tensors: Sequence[torch.Tensor]) -> str:
    """A digest of the bits, of the dtypes and of the shapes of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        whole = tensor.detach().cpu().contiguous()
        digest.update(f"{whole.dtype} {list(whole.shape)}\n".encode())
        digest.update(whole.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:60]}..."
