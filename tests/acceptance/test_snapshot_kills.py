"""A snapshot that is killed at any moment: what was stored stays whole; the next start works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alf.snapshot import Store, edited, share, take
from alf.snapshot.verify import verify

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

# Forks one job for each kill, since what takes a second of each start is importing.
KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
import my_project
from alf.snapshot import Store, take

root_dir, package = map(Path, sys.argv[1:3])
kills, late = map(int, sys.argv[3:])
chance = random.Random(7)


def start_job():
    for part in range(12):
        (package / f"new_{part}.py").write_bytes(os.urandom(3000))
    child = os.fork()
    if child == 0:
        take(root_dir)
        os._exit(0)
    return child


def commits():
    with Store(root_dir) as store:
        entries = store.entries()
        damaged = [name for name in store.object_ids(entries[-1]) if store.damage(name)]
        assert not damaged, damaged
        return [entry.commit for entry in entries]


take(root_dir)
start = time.perf_counter()
_, status = os.waitpid(start_job(), 0)
usual = time.perf_counter() - start
assert status == 0, status
known = commits()
killed = {"early": 0, "late": 0}  # before the branch moved to the new snapshot, or after it
for _ in range(20 * kills):
    if sum(killed.values()) >= kills and killed["late"] >= late and len(known) >= 4:
        break
    child = start_job()
    time.sleep(chance.uniform(0, usual))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    now = commits()
    assert known == now[: len(known)], "history was lost"
    assert os.WIFSIGNALED(status) or status == 0, status
    if os.WIFSIGNALED(status):
        killed["late" if len(now) > len(known) else "early"] += 1
    usual *= 1.05 if os.WIFSIGNALED(status) else 0.85
    known = now
json.dump({**killed, "snapshots": len(known)}, sys.stdout)
"""


def fsck(store: Path) -> list[str]:
    """What stock git complains of; nobody needs what a killed snapshot left, so that may dangle."""
    binary = shutil.which("git")
    if binary is None:
        return []
    done = subprocess.run(
        [binary, "-C", str(store), "fsck", "--strict", "--full"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    wrong = [line for line in lines if not line.startswith("dangling")]
    return wrong if done.returncode == 0 else [*wrong, f"exit code {done.returncode}"]


@pytest.mark.parametrize(("kind", "kills", "late"), [("job", 35, 3), ("run of a search", 15, 0)])
def test_fifty_kills(tmp_path, kind, kills, late):
    """Each earlier snapshot stays whole; git finds no fault; the next start stores and copies all.

    Fifty between them or a few more, at random moments, until some snapshots have come through
    and, of a job, some kills have hit the copy beside the store. A run of a search has no copy.
    """
    package = tmp_path / "work" / "my_project"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    script = tmp_path / "killer.py"
    script.write_text(KILLER)
    root_dir = tmp_path / "job"
    if kind != "job":
        take(tmp_path / "search", modules={}, import_path=[])
        root_dir = tmp_path / "search" / "run"
        share(root_dir, tmp_path / "search")
    checkout = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(map(str, (package.parent, checkout)))

    done = subprocess.run(
        [sys.executable, str(script), str(root_dir), str(package), str(kills), str(late)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["early"] + facts["late"] >= kills
    assert facts["late"] >= late
    assert facts["snapshots"] >= 4
    stores = {root_dir / "snapshots.git"} | set(tmp_path.glob("search/snapshots.git"))
    assert {store: [] for store in stores} == {store: fsck(store) for store in stores}

    again = subprocess.run(
        [sys.executable, "-c", KILLER, str(root_dir), str(package), "0", "0"],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert () == verify(root_dir).findings
    assert [] == edited(root_dir)
    with Store(root_dir) as store:
        files = store.files(store.resolve(None).tree)
        left = [p for p in store.path.rglob("tmp_alf_*")]
    assert 12 == len([path for path in files if path.startswith("my_project/new_")])
    assert [] == left
    if kind == "job":
        assert [] == list(root_dir.rglob("tmp_alf_*"))
        assert 12 == len(list(root_dir.glob("my_project/new_*")))
