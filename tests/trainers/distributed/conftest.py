"""Ranks that are real processes: forked, with the variables that `launch` and torchrun set."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# What it forks has done the imports, and nothing else.
FORKING = """
import json, os, runpy, sys, tempfile, traceback
import gymnasium.envs.classic_control, torch.fx.experimental.symbolic_shapes
import alf.algorithms.ppo_algorithm, alf.summary.event_writer, alf.trainers.train_job
import alf.algorithms.dqn_algorithm, alf.algorithms.sac_algorithm
from alf.bin import train

def become(rank, count, place, argv, log):
    os.setsid()
    open_ended, _ = os.pipe()
    out = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    for number, file in ((0, open_ended), (1, out), (2, out)):
        os.dup2(file, number)
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    os.environ.update({name: str(value) for name, value in told.items()})
    os.environ["ALF_RANKS_MEET_AT"] = place
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    code = 0
    try:
        if argv[0].endswith(".py"):
            runpy.run_path(argv[0], run_name="__main__")
        else:
            code = train.main(argv)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code)  # nothing of the one that forks is to be closed here

for line in sys.stdin:
    argv, logs = json.loads(line)
    with tempfile.TemporaryDirectory() as folder:
        ranks = []
        for rank, log in enumerate(logs):
            pid = os.fork()
            if not pid:
                become(rank, len(logs), folder + "/meeting", argv, log)
            ranks.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in ranks]
    print(json.dumps(codes), flush=True)
"""


class Ranks:
    """Runs the same in several processes at once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).resolve().parents[3],
        )

    def run(self, argv: list[str], logs: list[Path]) -> list[int]:
        """The exit codes of `alf train ARGV...`, or of a script, in as many ranks as logs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([argv, [str(log) for log in logs]]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def train(self, root_dir: Path, *flags: object, count: int = 2) -> str:
        """Trains to the end; returns what the first rank said."""
        logs = [root_dir.with_name(f"{root_dir.name}-{rank}.log") for rank in range(count)]
        argv = ["--distributed=multi-gpu", "--nostore_snapshot", "--root_dir", str(root_dir)]
        codes = self.run([*argv, *map(str, flags)], logs)
        said = [log.read_text() for log in logs]
        assert [0] * count == codes, said
        assert "" == "".join(said[1:])  # there is one writer of log lines
        return said[0]

    def evaluate(self, folder: Path, code: str, count: int = 2) -> list[Any]:
        """What a script has put into `result`, in each rank; it finds `ranks`, connected."""
        script = folder / "script.py"
        script.write_text(
            "import json, torch\n"
            "from alf.trainers.distributed.connect import connect\n"
            "ranks = connect()\n"
            f"{textwrap.dedent(code)}\n"
            "print(json.dumps(result))\n"
            "ranks.close()\n"
        )
        logs = [folder / f"rank-{rank}.log" for rank in range(count)]
        codes = self.run([str(script)], logs)
        said = [log.read_text() for log in logs]
        assert [0] * count == codes, said
        return [json.loads(text.splitlines()[-1]) for text in said]

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def ranks() -> Iterator[Ranks]:
    running = Ranks()
    yield running
    running.close()
