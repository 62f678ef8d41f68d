"""Jobs on the machines of a Ray cluster, which need not see this machine's disk.

The frozen code travels as content, once a machine; a job's folder travels with the job, and what
changes in it comes back every second. So a job whose machine is lost goes on elsewhere from its
newest checkpoint.
"""

import importlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alf.errors import AlfError, UsageError
from alf.search import node
from alf.search.executor import FOLDER, PARENT, PYTHON, Ended, Task
from alf.search.journal import JOURNAL_FILE
from alf.search.landing import land
from alf.search.local_workers import why
from alf.search.record import RECORD_FILE, Submission
from alf.search.results import REPORT_FILES
from alf.search.submitting import CONFIG_FILE
from alf.search.surroundings import elsewhere_variables

_STORE = "snapshots.git"
_SYNC_SECONDS = 1.0
_KNOCK_SECONDS = 5.0


@dataclass
class _Remote:
    task: Task
    given: node.Assignment
    actor: Any
    answer: Any
    log_start: int
    has_begun: bool = False


class RayWorkers:
    """Runs tasks as processes on a Ray cluster, one CPU each, and one GPU where jobs use one.

    Args:
        root_dir: the folder of the search.
        submission: the search, with frozen code.
        address: of the cluster; `None` for that of the variable `RAY_ADDRESS`, or if there is
            none, for a cluster of this machine alone.

    Raises:
        UsageError: Ray is not there.
        AlfError: the cluster cannot be reached.
    """

    def __init__(self, root_dir: Path, submission: Submission, address: str | None):
        self._ray = check_ray()
        self._root_dir = root_dir
        self._submission = submission
        self._variables = elsewhere_variables(root_dir, submission)
        self._jobs: dict[str, _Remote] = {}
        self._connect(address)
        kind = "GPU" if submission.use_gpu else "CPU"
        room = int(self._ray.cluster_resources().get(kind, 0))
        if not submission.workers and not room:
            self._ray.shutdown()
            raise AlfError(
                f"the Ray cluster has no {kind} now, so that no job can start. If it grows on "
                "demand, say how many jobs may run at once: 'max_worker_num'. Nothing is lost: the "
                "same command goes on."
            )
        self._count = submission.workers or room
        # The nodes need no alf: the class goes there as code, not as the name of a module.
        self._ray.cloudpickle.register_pickle_by_value(node)
        needs = {"num_cpus": 1, "num_gpus": 1 if submission.use_gpu else 0, "max_restarts": 0}
        self._node_class = self._ray.remote(**needs)(node.Node)
        self._code = self._ray.put(node.pack(root_dir, self._shared_names()))

    @property
    def count(self) -> int:
        """How many run at once: as asked for, else as many as the cluster has room for."""
        return self._count

    def start(self, task: Task) -> None:
        """Let the cluster start a process as soon as it has room.

        Raises:
            OSError: the job's folder cannot be read.
        """
        log_start = task.log.stat().st_size if task.log.exists() else 0
        folder = task.folder.relative_to(self._root_dir).as_posix()
        given = node.Assignment(
            folder=folder,
            command=task.command,
            python=PYTHON,
            parent=PARENT,
            job_folder=FOLDER,
            log=task.log.relative_to(self._root_dir).as_posix(),
            root_dir=str(self._root_dir),
            variables=self._variables,
            watched=(folder, _STORE),
            kept=(f"{folder}/{CONFIG_FILE}",),
        )
        own = self._ray.put(node.pack(self._root_dir, [folder]))
        actor = self._node_class.remote(self._code, own, given)
        answer = actor.changes.remote(_SYNC_SECONDS)
        self._jobs[task.name] = _Remote(task, given, actor, answer, log_start)

    def ended(self) -> list[Ended]:
        """Those that have ended since this was asked last; what all have made by now lands here.

        Raises:
            AlfError: it cannot be written.
        """
        answers = [job.answer for job in self._jobs.values()]
        if not answers:
            return []
        ready, _ = self._ray.wait(answers, num_returns=len(answers), timeout=0)
        found = [self._heard(job) for job in list(self._jobs.values()) if job.answer in ready]
        ended = [end for end in found if end is not None]
        for end in ended:
            self._ray.kill(self._jobs.pop(end.name).actor)
        return ended

    def _heard(self, job: _Remote) -> Ended | None:
        """Take an answer, and ask again; how the job ended, if it did."""
        name = job.task.name
        try:
            changes = self._ray.get(job.answer)
        except self._ray.exceptions.RayTaskError as error:
            return Ended(name, 1, f"its worker failed: {str(error).strip().splitlines()[-1]}")
        except self._ray.exceptions.RayError as error:
            said = str(error).strip().partition("\n")[0]
            return Ended(name, None, f"its worker is gone ({said.rstrip('.:')})")
        job.has_begun = True
        try:
            land(self._root_dir, changes, job.given.watched, added_only=_STORE)
        except OSError as error:
            raise AlfError(
                f"what '{name}' has made cannot be written to '{self._root_dir}': "
                f"{error.strerror}. Free some space; the same command goes on."
            ) from error
        if changes.exit_code is not None:
            return Ended(
                name, changes.exit_code, why(changes.exit_code, job.task.log, job.log_start)
            )
        job.answer = job.actor.changes.remote(_SYNC_SECONDS)
        return None

    def send(self, number: int) -> None:
        """Send a signal to every process that runs; those that wait for room are given up."""
        for job in self._jobs.values():
            if job.has_begun:
                job.actor.send.remote(number)
            else:
                self._ray.kill(job.actor)

    def close(self) -> None:
        """End what still runs, and leave the cluster."""
        for job in self._jobs.values():
            self._ray.kill(job.actor)
        self._jobs.clear()
        self._ray.shutdown()

    def _connect(self, address: str | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray's own search for a cluster tries for minutes to reach one that is gone.
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        _knock(address)
        alone: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level="ERROR", **alone)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            raise _unreachable(address, str(error)) from error

    def _shared_names(self) -> list[str]:
        """What all jobs need of the folder of the search: the frozen code and its store."""
        own = {run["name"] for run in self._submission.runs}
        own |= {RECORD_FILE, JOURNAL_FILE, *REPORT_FILES}
        found = [path.name for path in self._root_dir.iterdir() if path.name not in own]
        return sorted(name for name in found if not name.startswith("."))


def _knock(address: str) -> None:
    """See that somebody listens there: Ray itself would try for minutes.

    Raises:
        AlfError: nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # "auto", "local", or another name that Ray understands
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
    except OSError as error:
        raise _unreachable(address, error.strerror or str(error)) from error


def _unreachable(address: str, said: str) -> AlfError:
    reason = said.strip().partition("\n")[0].rstrip(".")
    return AlfError(
        f"the Ray cluster at '{address}' cannot be reached: {reason}. Is `ray start --head` "
        "running there, with this version of Ray and Python? If it was started where "
        "~/.ray/auth_token is, it asks for that token: set the variable RAY_AUTH_MODE=token. "
        "Nothing is lost: the same command goes on."
    )


def check_ray() -> Any:
    """The package `ray`.

    Raises:
        UsageError: it is not there.
    """
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise UsageError(
            "--executor ray needs Ray, which is not installed here: pip install 'alf[ray]' (or: "
            "pip install ray). Leave the flag out to run jobs on this machine."
        ) from error
