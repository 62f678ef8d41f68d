"""How a process learns that it is a rank, and finds the others.

Who starts the ranks (`launch`, or torchrun) says in environment variables which of them a process
is. `launch` names a file at which they meet, so that no port has to be free; torchrun an address.
"""

import os
import shutil
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from alf.device import get_default_device
from alf.errors import TrainingError, UsageError
from alf.trainers.distributed.launch import MEETING_VARIABLE
from alf.trainers.distributed.ranks import ConnectedRanks

_GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"
# A rank that is alive may be busy for long, say with evaluation; one that is dead is noticed at
# once, since its connections end.
_PATIENCE = timedelta(minutes=30)


def connect(environment: Mapping[str, str] = os.environ) -> ConnectedRanks:
    """Meet the other ranks.

    Args:
        environment: what this process was told: `RANK`, `WORLD_SIZE`, `LOCAL_RANK` and
            `LOCAL_WORLD_SIZE`, as torchrun does.

    Raises:
        UsageError: there are fewer GPUs than processes, or what was told is no number.
        TrainingError: the others are not found.
    """
    place = environment.get(MEETING_VARIABLE)
    if place:
        _end_with_launcher(Path(place).parent)
    rank, count = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
    local_rank = _number(environment, "LOCAL_RANK", rank)
    _take_gpu(local_rank, _number(environment, "LOCAL_WORLD_SIZE", count))
    device = get_default_device()
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            init_method=f"file://{place}" if place else "env://",
            rank=rank,
            world_size=count,
            timeout=_PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        raise TrainingError(_not_met(rank, count, environment, error)) from error
    return ConnectedRanks(device)


def _number(environment: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    text = environment.get(name, "" if otherwise is None else str(otherwise))
    if not text.isdecimal():
        raise UsageError(
            f"the environment variable {name} is {text!r}, and tells a rank of a distributed job "
            f"a number: start the job by `alf train --distributed multi-gpu`, or by torchrun; or "
            f"remove RANK from the environment"
        )
    return int(text)


def _take_gpu(local_rank: int, local_count: int) -> None:
    """See one GPU alone, so that a rank is like any job on one GPU; do nothing without any.

    Raises:
        UsageError: there are fewer than processes.
    """
    there = torch.cuda.device_count()  # torch has not looked at them yet, so it may be changed
    if not there:
        return
    if local_count > there:
        raise UsageError(
            f"{local_count} processes are asked for, and this machine has {there} GPU(s), of which "
            f"each needs one of its own: give --num_processes {there} or less, or train on the CPU "
            f"with {_GPUS_VARIABLE}= (empty) before the command"
        )
    visible = os.environ.get(_GPUS_VARIABLE)
    names = visible.split(",") if visible else [str(number) for number in range(there)]
    os.environ[_GPUS_VARIABLE] = names[local_rank]
    if torch.cuda.device_count() > 1:  # the driver has looked before, and sees all of them still
        torch.cuda.set_device(local_rank)


def _not_met(rank: int, count: int, environment: Mapping[str, str], error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0][:300]
    text = f"rank {rank} of {count} did not find the other ones: {reason}."
    if "EADDRINUSE" in reason or "in use" in reason:
        port = environment.get("MASTER_PORT", "")
        return (
            f"{text} Another program uses the port {port}: give torchrun another one "
            f"(--master-port), or start the job by `alf train --distributed multi-gpu`, which "
            f"needs no port"
        )
    return f"{text} Look for what another rank said before; else start the job once more"


def _end_with_launcher(folder: Path) -> None:
    """Die with the process that started this one, however that dies: it holds our stdin.

    Args:
        folder: what it would have removed.
    """

    def watch() -> None:
        while os.read(0, 1):
            pass
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, name="launcher", daemon=True).start()
