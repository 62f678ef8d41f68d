"""Environments in worker processes over shared memory: for environments that are dear to step."""

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from alf.data_structures import TimeStep
from alf.environments import environment_worker as worker
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.environment_worker import Failure, SharedSteps, WorkerTask
from alf.environments.in_process_environment import check_state
from alf.errors import ConfigError, EnvError
from alf.nest import map_structure

_JOIN_SECONDS = 5.0


class ProcessEnvironment(AlfEnvironment):
    """A batch of environments, several in each worker process.

    On Linux workers are forked: they start in milliseconds and have the configured values and
    the classes of the conf, without importing anything again. Like the workers of torch's
    `DataLoader`, they set torch's threads anew and touch no GPU of the parent. With
    `start_method="spawn"` they start fresh instead; then the constructors must be picklable and
    values set by `alf.config` do not reach them.

    The time steps depend on the seed alone, not on the number of workers. A worker ends with its
    parent, however that ends.

    Args:
        env_ctors: one for each environment; makes an `AlfEnvironment` of batch size 1.
        seed: see `AlfEnvironment`.
        torch_num_threads: threads of torch in each worker.
        num_workers: default the number of processors, at most the number of environments.
        start_method: `"fork"` or `"spawn"`; default `"fork"` on Linux, else `"spawn"`.
        time_step_spec: specs of one environment, where they are known; by default the first
            environment is made here once to find out.

    Raises:
        ConfigError: if an argument does not fit.
        EnvError: if an environment cannot be made.
    """

    def __init__(
        self,
        env_ctors: Sequence[Callable[[], AlfEnvironment]],
        seed: int | None = None,
        torch_num_threads: int = 1,
        num_workers: int | None = None,
        start_method: str | None = None,
        time_step_spec: TimeStep | None = None,
    ):
        count = len(env_ctors)
        self._num_workers = _worker_count(count, num_workers)
        context: Any = multiprocessing.get_context(_start_method(start_method))
        if time_step_spec is None:
            with env_ctors[0]() as example:
                time_step_spec = example.time_step_spec()
        spec = time_step_spec
        super().__init__(
            count, spec.observation, spec.prev_action, spec.reward, spec.env_info, seed=seed
        )
        size = SharedSteps.byte_size(count, self._num_workers, spec)
        shared = SharedSteps(context.RawArray(ctypes.c_uint8, size), count, self._num_workers, spec)
        self._open = shared.open()
        self._rows = [list(rows) for rows in np.array_split(range(count), self._num_workers)]
        self._connections: list[Connection] = []
        self._processes: list[Any] = []
        # Also runs when the environment is forgotten, and at the end of the program.
        self._shut_down = weakref.finalize(
            self, _shut_down, self._connections, self._processes, os.getpid()
        )
        global_seed = int.from_bytes(os.urandom(4)) if seed is None else seed
        for index, rows in enumerate(self._rows):
            first = int(rows[0])
            ctors = [env_ctors[row] for row in rows]
            task = WorkerTask(
                index, first, ctors, shared, torch_num_threads, global_seed + first, os.getpid()
            )
            self._start(context, task)
        try:
            names = self._collect("creation")
        except EnvError:
            self.close()
            raise
        self._name = names[0][0]

    @property
    def num_workers(self) -> int:
        """The number of worker processes."""
        return self._num_workers

    def _start(self, context: Any, task: WorkerTask) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(
            target=worker.run_worker, args=(task, theirs), daemon=True, name=f"env-{task.index}"
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside threads; see the class for why these are safe.
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
            process.start()
        theirs.close()
        self._connections.append(ours)
        self._processes.append(process)

    def _reset(self, seed: int | None) -> TimeStep:
        self._ask(worker.RESET, "reset()", seed)
        zeros = map_structure(lambda spec: spec.zeros((self.batch_size,)), self._action_spec)
        return self._open.steps.time_step(zeros)

    def _step(self, action: Any) -> TimeStep:
        leaves = self._action_arrays(action)
        for array, leaf in zip(self._open.actions, leaves, strict=True):
            array[...] = leaf
        self._ask(worker.STEP, "step()")
        steps = self._open.steps
        return steps.time_step(self._prev_action(leaves, steps.first_rows()))

    def _ask(self, request: bytes, call: str, *argument: Any) -> list[Any]:
        """One request to all workers, and their answers."""
        message = request + b"".join(pickle.dumps(value) for value in argument)
        for index in range(self._num_workers):
            self._send(index, message, call)
        return self._collect(call)

    def _send(self, index: int, message: bytes, call: str) -> None:
        try:
            self._connections[index].send_bytes(message)
        except (BrokenPipeError, ConnectionResetError):
            raise self._dead(index, call) from None

    def _collect(self, call: str) -> list[Any]:
        """The answers of all workers.

        Every answer is read before the first failure is raised: a rest would be taken for the
        answer to the next request.
        """
        answers = [self._receive(index, call) for index in range(self._num_workers)]
        for answer in answers:
            if isinstance(answer, EnvError):
                raise answer
        return answers

    def _receive(self, index: int, call: str) -> Any:
        try:
            message = self._connections[index].recv_bytes()
        except (EOFError, ConnectionResetError):
            return self._dead(index, call)
        answer: Any = pickle.loads(message[1:]) if len(message) > 1 else None
        return self._failed(answer, call) if message[:1] == worker.FAILED else answer

    def _failed(self, failure: Failure, call: str) -> EnvError:
        return EnvError(
            f"environment {failure.row} of {self.batch_size} ({self._name}) broke in "
            f"{self._call_text(call, failure.row)}: {failure.error}\n"
            f"The traceback of its worker:\n{failure.traceback}"
        )

    def _dead(self, index: int, call: str) -> EnvError:
        process = self._processes[index]
        process.join(_JOIN_SECONDS)
        row = int(self._open.progress[index])
        return EnvError(
            f"the worker process of environment {row} of {self.batch_size} ({self._name}) "
            f"{_how_it_ended(process.exitcode)} in {self._call_text(call, row)}. It may have run "
            "out of memory or crashed in native code; create_environment.nonparallel=True runs "
            "the environments in this process, where a debugger sees them"
        )

    def _call_text(self, call: str, row: int) -> str:
        if call != "step()":
            return call
        return f"step({', '.join(repr(leaf[row].tolist()) for leaf in self._open.actions)})"

    def render(self) -> npt.NDArray[np.uint8]:
        """A picture `[H, W, 3]` of environment 0; see `AlfEnvironment.render`."""
        self._check_open()
        self._send(0, worker.RENDER, "render()")
        picture = self._receive(0, "render()")
        if isinstance(picture, EnvError):
            raise picture
        return picture

    def state_dict(self) -> dict[str, Any] | None:
        """The states of all environments and the current time step."""
        states = [state for part in self._ask(worker.GET_STATE, "state_dict()") for state in part]
        if self._current is None or any(state is None for state in states):
            return None
        return {"lanes": states, "time_step": tuple(self._current)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `AlfEnvironment.load_state_dict`."""
        check_state(self, len(state["lanes"]))
        for index, rows in enumerate(self._rows):
            part = [state["lanes"][row] for row in rows]
            self._send(index, worker.SET_STATE + pickle.dumps(part), "load_state_dict()")
        self._collect("load_state_dict()")
        self._current = TimeStep(*state["time_step"])
        self._open.steps.step_type[:] = self._current.step_type.numpy()

    def _close(self) -> None:
        self._shut_down()


def _worker_count(count: int, asked: int | None) -> int:
    if count < 1:
        raise ConfigError("a batch has at least 1 environment; none was given")
    if asked is not None and asked < 1:
        raise ConfigError(f"num_workers must be at least 1; it is {asked}")
    return min(count, asked or os.cpu_count() or 1)


def _start_method(asked: str | None) -> str:
    if asked is None:
        return "fork" if sys.platform == "linux" else "spawn"
    if asked not in ("fork", "spawn"):
        raise ConfigError(f"start_method must be 'fork' or 'spawn'; it is {asked!r}")
    return asked


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "does not answer any more"
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"


def _shut_down(connections: list[Connection], processes: list[Any], owner_pid: int) -> None:
    """End all workers: by asking, then by force."""
    if os.getpid() != owner_pid:  # a forked copy of the environment, forgotten in a child
        return
    for connection in connections:
        try:
            connection.send_bytes(worker.CLOSE)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it is dead already, which is what is wanted
        finally:
            connection.close()
    for process in processes:
        process.join(_JOIN_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()
