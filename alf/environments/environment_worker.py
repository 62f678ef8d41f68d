"""What runs in a worker process of `ProcessEnvironment`: a loop that answers its parent.

A request is one byte, then a pickled argument where there is one; the answer is the same. Steps
themselves travel through shared memory.
"""

import contextlib
import os
import pickle
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from alf.data_structures import TimeStep
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.in_process_environment import take_lanes
from alf.environments.lane import Lane
from alf.environments.step_arrays import StepArrays, byte_size, carve
from alf.errors import EnvError
from alf.failures import users_part
from alf.nest import flatten
from alf.tensor_specs import TensorSpec

STEP, RESET, RENDER, GET_STATE, SET_STATE, CLOSE = b"s", b"r", b"p", b"g", b"l", b"c"
DONE, FAILED = b"o", b"e"
_PARENT_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class SharedSteps:
    """Where steps and actions lie, for the parent and its workers.

    Attributes:
        memory: a `multiprocessing.RawArray` of bytes. Its file has no name, so that nothing is
            left behind however the processes end.
        batch_size: the number of all environments.
        num_workers: the number of workers.
        time_step_spec: specs of one environment.
    """

    memory: Any
    batch_size: int
    num_workers: int
    time_step_spec: TimeStep

    @staticmethod
    def byte_size(batch_size: int, num_workers: int, spec: TimeStep) -> int:
        """How large `memory` must be."""
        steps = StepArrays.byte_size(batch_size, spec.observation, spec.reward, spec.env_info)
        actions = byte_size(flatten(spec.prev_action), batch_size)
        return steps + actions + byte_size([_PROGRESS], num_workers)

    def open(self) -> "OpenSteps":
        """The arrays in the memory."""
        spec = self.time_step_spec
        args = (self.batch_size, spec.observation, spec.reward, spec.env_info)
        steps_end = StepArrays.byte_size(*args)
        action_specs = flatten(spec.prev_action)
        actions_end = steps_end + byte_size(action_specs, self.batch_size)
        view = np.frombuffer(self.memory, np.uint8)
        return OpenSteps(
            StepArrays(*args, buffer=view[:steps_end]),
            carve(view[steps_end:actions_end], action_specs, self.batch_size),
            carve(view[actions_end:], [_PROGRESS], self.num_workers)[0],
        )


_PROGRESS = TensorSpec((), torch.int64)


@dataclass(frozen=True)
class OpenSteps:
    """Views of `SharedSteps`.

    Attributes:
        steps: what the environments wrote.
        actions: leaf arrays `[N, ...]` of their actions.
        progress: int64 `[num_workers]`, the environment that each worker is at.
    """

    steps: StepArrays
    actions: list[Any]
    progress: Any


@dataclass(frozen=True)
class WorkerTask:
    """What one worker has to do.

    Attributes:
        index: which worker it is.
        first_row: the index of its first environment.
        ctors: make its environments, of batch size 1.
        shared: where steps go.
        torch_num_threads: threads of torch in the worker.
        seed: of the global random number generators, for environments that use them.
        parent_pid: whose end ends the worker.
    """

    index: int
    first_row: int
    ctors: Sequence[Callable[[], AlfEnvironment]]
    shared: SharedSteps
    torch_num_threads: int
    seed: int
    parent_pid: int


@dataclass(frozen=True)
class Failure:
    """How an environment failed, as text: an exception need not be picklable.

    Attributes:
        row: which environment.
        error: type and message.
        traceback: the worker's traceback.
    """

    row: int
    error: str
    traceback: str


def run_worker(task: WorkerTask, connection: Connection) -> None:
    """Serve the parent until it says `CLOSE` or is gone."""
    # Ctrl-C is the parent's to handle, and so is a SIGTERM to a whole process group, as `timeout`
    # and clusters send it: the parent needs its environments for the last checkpoint.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(task.parent_pid,), daemon=True).start()
    torch.set_num_threads(task.torch_num_threads)
    _seed_global_generators(task.seed)
    worker = _Worker(task)
    # The parent may be gone, or may have closed the pipe, at any of these.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send_bytes(worker.attempt(worker.create))
        while True:
            message = connection.recv_bytes()
            if message[:1] == CLOSE:
                break
            connection.send_bytes(worker.answer(message))
    worker.close()


class _Worker:
    """The environments of one worker."""

    def __init__(self, task: WorkerTask):
        self._task = task
        self._open = task.shared.open()
        self._lanes: list[Lane] = []
        self._handlers: dict[bytes, Callable[..., Any]] = {
            STEP: self._step,
            RESET: self._reset,
            RENDER: self._render,
            GET_STATE: lambda: [lane.state_dict() for lane in self._lanes],
            SET_STATE: self._load_states,
        }

    def answer(self, message: bytes) -> bytes:
        """Do what a message asks for."""
        argument = (pickle.loads(message[1:]),) if len(message) > 1 else ()
        return self.attempt(self._handlers[message[:1]], *argument)

    def attempt(self, function: Callable[..., Any], *args: Any) -> bytes:
        """The answer: the pickled result, nothing if it is `None`, or the failure."""
        try:
            result = function(*args)
        except Exception as error:  # noqa: BLE001 - an environment can raise anything
            row = int(self._open.progress[self._task.index])
            text = users_part(error) or "".join(traceback.format_exception(error))
            return FAILED + pickle.dumps(Failure(row, f"{type(error).__name__}: {error}", text))
        return DONE if result is None else DONE + pickle.dumps(result)

    def create(self) -> list[str]:
        """Make the environments; their names."""
        task = self._task
        for row, ctor in enumerate(task.ctors, task.first_row):
            self._open.progress[task.index] = row
            (lane,) = take_lanes(ctor())
            _check(lane, task.shared.time_step_spec)
            self._lanes.append(lane)
        return [lane.name for lane in self._lanes]

    def _step(self) -> None:
        out, actions = self._open.steps, self._open.actions
        progress, index = self._open.progress, self._task.index
        for row, lane in enumerate(self._lanes, self._task.first_row):
            progress[index] = row
            lane.write_step(out, row, [leaf[row] for leaf in actions])

    def _reset(self, seed: int | None) -> None:
        for row, lane in enumerate(self._lanes, self._task.first_row):
            self._open.progress[self._task.index] = row
            lane.write_reset(self._open.steps, row, None if seed is None else seed + row)

    def _render(self) -> Any:
        return self._lanes[0].render()

    def _load_states(self, states: Sequence[dict[str, Any]]) -> None:
        for lane, state in zip(self._lanes, states, strict=True):
            lane.load_state_dict(state)

    def close(self) -> None:
        """Close the environments; what one of them raises here changes nothing any more."""
        for lane in self._lanes:
            self.attempt(lane.close)


def _check(lane: Lane, spec: TimeStep) -> None:
    lane.use_env_info_spec(spec.env_info)
    for what, mine, expected in (
        ("observation", lane.observation_spec, spec.observation),
        ("action", lane.action_spec, spec.prev_action),
        ("reward", lane.reward_spec, spec.reward),
        ("env_info", lane.env_info_spec, spec.env_info),
    ):
        if mine != expected:
            raise EnvError(
                f"its {what} spec is {mine}, but that of environment 0 is {expected}: all "
                "environments of a batch must look the same"
            )


def _seed_global_generators(seed: int) -> None:
    """Forked workers would otherwise all draw the numbers that the parent draws next."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _end_with_parent(parent_pid: int) -> None:
    """End the process when the parent was killed, even amid a long step.

    The end of the pipe does not tell: workers that were forked later hold it open.
    """
    while os.getppid() == parent_pid:
        time.sleep(_PARENT_CHECK_SECONDS)
    os._exit(1)
