"""Whether a job survives SIGKILL at any moment: kill it, resume it, compare its last bits.

    python -m benchmarks.kills --conf my_conf.py [--kills 50] [--seed 0] [--conf_param NAME=VALUE]

A straight run comes first. Then the same job is killed again and again: a third of the times while
it starts, a third while it writes a checkpoint, a third at any time. A job that got through is
compared with the straight run and begun anew, until there were enough kills. Checked are

- after each kill: every process of the job is gone, without being told;
- after each job: all tensors and numbers of its last checkpoint, its replay buffer and its curves
  are those of the straight run; no file is there that a straight run does not leave; `git fsck
  --strict` finds no fault in the store; nothing is left in /dev/shm.

Only `alf train` is used, and signals go to the processes started here alone. The last line is JSON;
the exit code is 1 if anything was wrong. Linux only.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

GONE_SECONDS = 10.0
LONGEST_SECONDS = 600.0
KINDS = ("start", "checkpoint", "any time")
# Their names tell a time, a process or what happened before; nobody's half-written file has them.
FREE_NAMES = re.compile(
    r"(train|eval)/events\.out\.tfevents\..*|snapshots\.git/(objects|refs|alf|packed-refs).*"
)


def main() -> int:
    """Kill as often as asked for, and say what was found."""
    args = parse_args()
    with tempfile.TemporaryDirectory(prefix="kills_") as folder:
        bench = Kills(Path(folder), args.conf, args.conf_param, random.Random(args.seed))
        bench.run_straight()
        number = 0
        while sum(bench.kills.values()) < args.kills:
            number += 1
            bench.run_killed(Path(folder) / f"killed{number}", args.kills)
        bench.check_shared_memory()
        summary = {
            "conf": Path(args.conf).stem,
            "kills": sum(bench.kills.values()),
            "aimed_at": dict(bench.kills),
            "hit": dict(bench.hits),
            "jobs": number,
            "straight_s": round(bench.wall, 1),
            "faults": bench.faults,
        }
    print(json.dumps(summary))
    return 1 if bench.faults else 0


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Kill a job at random moments.")
    parser.add_argument("--conf", required=True, help="of a job that takes a few seconds")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--conf_param", action="append", default=[], help="as alf train takes it")
    return parser.parse_args()


class Kills:
    """One straight run, and killed ones beside it.

    Args:
        folder: for root dirs.
        conf: what is trained; it must set a seed.
        conf_params: overrides.
        moments: chooses when to kill.

    Attributes:
        kills: how many of each kind.
        hits: what the killed job was doing, as its root dir tells.
        faults: what went wrong, in words.
        wall: seconds of the straight run.
    """

    def __init__(self, folder: Path, conf: str, conf_params: list[str], moments: random.Random):
        self._straight = folder / "straight"
        self._conf = conf
        # A conf may leave the seed to chance, and two runs would then have nothing in common.
        seed = "TrainerConfig.random_seed=1"
        params = (
            conf_params if any("random_seed" in p for p in conf_params) else [*conf_params, seed]
        )
        self._overrides = [f"--conf_param={param}" for param in params]
        self._moments = moments
        self._startup = self._save = self.wall = 0.0
        self._sessions: list[int] = []
        self._shared_before = shared_memory()
        self.kills: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.faults: list[str] = []

    def run_straight(self) -> None:
        """Train in one go; measure how long starting and saving take."""
        start = time.perf_counter()
        job = self._start(self._straight)
        partial_since, saves = None, []
        while job.poll() is None:
            being_written = is_saving(self._straight, job.pid)
            now = time.perf_counter()
            if being_written and partial_since is None:
                partial_since = now
                self._startup = self._startup or now - start
            elif not being_written and partial_since is not None:
                saves.append(now - partial_since)
                partial_since = None
            time.sleep(0.0005)
        self.wall = time.perf_counter() - start
        if job.returncode:
            raise SystemExit(f"the straight run failed:\n{output(self._straight)}")
        self._save = sorted(saves)[len(saves) // 2] if saves else 0.0
        print(
            f"straight  {self.wall:.1f} s, {self._startup:.1f} s until the first checkpoint; "
            f"saving one takes {self._save * 1e3:.0f} ms",
            flush=True,
        )

    def run_killed(self, root_dir: Path, limit: int) -> None:
        """Kill and resume one job until it is done, or there were `limit` kills in all."""
        while sum(self.kills.values()) < limit:
            job = self._start(root_dir)
            kind = KINDS[sum(self.kills.values()) % len(KINDS)]
            if not self._wait(kind, job, root_dir):
                break
            os.kill(job.pid, signal.SIGKILL)
            job.wait()
            self.kills[kind] += 1
            hit = what_was_hit(root_dir, job.pid)
            self.hits[hit] += 1
            print(f"kill {sum(self.kills.values())}: {kind}; {hit}", flush=True)
            # Half of the resumes find the workers of the killed job still on their way out.
            if self._moments.random() < 0.5:
                self._expect_gone()
        else:
            job = self._start(root_dir)
        if job.wait(LONGEST_SECONDS):
            self.faults.append(f"a resume failed: {output(root_dir)[-2000:]}")
            raise SystemExit("\n".join(self.faults))
        self._expect_gone()
        self._compare(root_dir)

    def check_shared_memory(self) -> None:
        """Nothing may have come to /dev/shm and stayed."""
        time.sleep(0.5)
        self.faults += [f"left in /dev/shm: {name}" for name in shared_memory(self._shared_before)]

    def _start(self, root_dir: Path) -> subprocess.Popen[bytes]:
        """Begin the job, or go on with it, as a user would, in a session of its own."""
        command = [sys.executable, "-m", "alf", "train", "--root_dir", str(root_dir)]
        if not (root_dir / "alf_config.py").exists():
            command += ["--conf", self._conf, *self._overrides]
        with root_dir.with_suffix(".log").open("wb") as log:
            job = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self._sessions.append(job.pid)
        return job

    def _wait(self, kind: str, job: subprocess.Popen[bytes], root_dir: Path) -> bool:
        """Wait for the moment; returns false if the job was done before."""
        if kind == "checkpoint":
            while job.poll() is None and not is_saving(root_dir, job.pid):
                time.sleep(0.0003)
            wait = self._moments.uniform(0, 1.5 * self._save)  # tidying up follows the save
        else:
            wait = self._moments.uniform(0, self._startup if kind == "start" else self.wall)
        deadline = time.perf_counter() + wait
        while job.poll() is None and time.perf_counter() < deadline:
            time.sleep(0.0003)
        return job.poll() is None

    def _expect_gone(self) -> None:
        deadline = time.monotonic() + GONE_SECONDS
        while members(self._sessions) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.faults += [f"process {pid} outlived its job" for pid in members(self._sessions)]
        self._sessions.clear()

    def _compare(self, root_dir: Path) -> None:
        faults = differences(self._straight, root_dir)
        known = {*names(self._straight)}
        left = [name for name in names(root_dir) if name not in known]
        faults += [f"left behind: {name}" for name in left]
        store = root_dir / "snapshots.git"
        if store.exists():
            fsck = subprocess.run(
                ["git", "-C", str(store), "fsck", "--strict", "--no-dangling"],
                check=False,
                capture_output=True,
                text=True,
            )
            if fsck.returncode:
                faults.append(f"git fsck --strict: {fsck.stdout}{fsck.stderr}")
        self.faults += [f"{root_dir.name}: {fault}" for fault in faults]
        print(f"{root_dir.name}  {'; '.join(faults) or 'as the straight run'}", flush=True)


def is_saving(root_dir: Path, pid: int) -> bool:
    """Whether a process writes a checkpoint, or was killed while it did."""
    return any((root_dir / "train/algorithm").glob(f".ckpt-*.partial-{pid}"))


def what_was_hit(root_dir: Path, pid: int) -> str:
    """What a killed process was doing, by what it left."""
    if is_saving(root_dir, pid):
        return "while a checkpoint was written"
    if any((root_dir / "train/algorithm").glob("ckpt-*")):
        return "with checkpoints there"
    if (root_dir / "alf_config.py").exists():
        return "before the first checkpoint"
    return "before anything was recorded"


def names(root_dir: Path) -> list[str]:
    """Files of a root dir, but for those that each run calls otherwise."""
    files = (str(path.relative_to(root_dir)) for path in root_dir.rglob("*") if path.is_file())
    temporary = re.compile(r"(^|/)(tmp|\.)[^/]*$")
    kept = (name for name in files if temporary.search(name) or not FREE_NAMES.fullmatch(name))
    return sorted(name for name in kept if "__pycache__" not in name)


def differences(straight: Path, other: Path) -> list[str]:
    """What differs in the last checkpoints and in the curves of two jobs."""
    folders = [last_checkpoint(root_dir) for root_dir in (straight, other)]
    if folders[0].name != folders[1].name:
        return [f"it ends at {folders[1].name}, not at {folders[0].name}"]
    found: list[str] = []
    for what, read in (
        ("model", lambda folder: load_file(folder / "model.safetensors")),
        ("trainer", lambda folder: torch.load(folder / "trainer.pt", weights_only=True)),
        ("replay", lambda f: json.loads((f / "checkpoint.json").read_text())["replay_digests"]),
    ):
        found += unequal(read(folders[0]), read(folders[1]), what)
    for name in ("train/metrics.jsonl", "eval/metrics.jsonl"):
        texts = [p.read_text() if p.exists() else "" for p in (straight / name, other / name)]
        found += [name] * (texts[0] != texts[1])
    return found


def last_checkpoint(root_dir: Path) -> Path:
    """The folder of the newest checkpoint."""
    return max((root_dir / "train/algorithm").glob("ckpt-*"), key=lambda p: int(p.name[5:]))


def unequal(one: Any, other: Any, where: str) -> list[str]:
    """Paths of the leaves that differ in two nests of dicts and sequences, to the last bit."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [path for key in one for path in unequal(one[key], other[key], f"{where}.{key}")]
    if isinstance(one, list | tuple) and type(one) is type(other) and len(one) == len(other):
        return [path for i, x in enumerate(one) for path in unequal(x, other[i], f"{where}.{i}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.shape == other.shape and one.dtype == other.dtype
        return [] if same and bytes_of(one) == bytes_of(other) else [where]
    return [] if type(one) is type(other) and repr(one) == repr(other) else [where]


def bytes_of(tensor: torch.Tensor) -> bytes:
    """The bits of a tensor, so that a NaN equals itself and -0 is not 0."""
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def members(sessions: list[int]) -> list[int]:
    """Processes alive of some sessions."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session, *_ = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) in sessions and state != "Z":
            found.append(int(stat.parent.name))
    return found


def shared_memory(before: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names in /dev/shm that were not there before."""
    return frozenset(path.name for path in Path("/dev/shm").iterdir()) - before


def output(root_dir: Path) -> str:
    """What the last process of a job printed."""
    return root_dir.with_suffix(".log").read_text(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
