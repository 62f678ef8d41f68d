"""The code that a snapshot's process runs, proved with real processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from alf.errors import SnapshotError
from alf.snapshot import Store, edited, prove, run_with_snapshot

CHECKOUT = Path(__file__).resolve().parents[2]

PROBE = """
import json, os, sys
from pathlib import Path
from alf.snapshot import prove

proof = prove()
import alf.errors
import my_project.agent
Path(sys.argv[1]).write_text(json.dumps({
    "root": str(proof.root),
    "id": proof.snapshot_id,
    "packages": sorted(proof.packages),
    "alf": alf.errors.__file__,
    "agent": my_project.agent.__file__,
    "answer": my_project.agent.ANSWER,
    "argv": sys.argv[2:],
    "path": sys.path[:1],
}))
sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
"""

SLEEPER = """
import signal, sys, time
from pathlib import Path

def stop(number, frame):
    Path(sys.argv[1]).write_text(f"got {signal.Signals(number).name}")
    sys.exit(5)

for name in ("SIGINT", "SIGTERM", "SIGUSR2"):
    signal.signal(getattr(signal, name), stop)
Path(sys.argv[1]).write_text("ready")
time.sleep(30)
"""


@pytest.fixture
def trained(project):
    """A project whose snapshot was taken and whose code was changed since."""
    package = project.import_path[0] / "my_project"
    (package / "probe.py").write_text(PROBE)
    (package / "sleeper.py").write_text(SLEEPER)
    project.snapshot = project.take()
    (package / "agent.py").write_text("ANSWER = 'today'\n")
    return project


def launch(
    project, tmp_path, *arguments, snapshot_id=None, cwd=None
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Runs the probe through a launcher process that has today's code on its path."""
    out = tmp_path / "probe.json"
    code = (
        "import sys\nfrom alf.snapshot import run_with_snapshot\n"
        f"sys.exit(run_with_snapshot({str(project.root_dir)!r}, 'my_project.probe',"
        f" {[str(out), *arguments]!r}, {snapshot_id!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=project.environment(),
        cwd=cwd or project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, json.loads(out.read_text()) if out.exists() else {}


@pytest.mark.parametrize("cwd", [CHECKOUT, Path("/")])
def test_the_code_of_then_runs(trained, tmp_path, cwd):
    """alf and the user's package come from the root dir, also from the checkout's own root."""
    done, seen = launch(trained, tmp_path, cwd=cwd)

    assert done.returncode == 0, done.stderr
    assert seen["answer"] == 42
    assert seen["agent"] == str(trained.root_dir / "my_project" / "agent.py")
    assert seen["alf"] == str(trained.root_dir / "alf" / "errors.py")
    assert seen["packages"] == ["alf", "job_script", "my_project"]
    assert seen["id"] == trained.snapshot["id"]
    assert seen["path"] == [str(trained.root_dir)]


def test_arguments_and_exit_code_pass_through(trained, tmp_path):
    """Arguments arrive as they are, whatever is in them; the exit code comes back."""
    words = ["3", "a b", "'\"$HOME`;", "--flag=ü", ""]

    done, seen = launch(trained, tmp_path, *words)

    assert (3, words) == (done.returncode, seen["argv"])


def test_an_edit_in_the_copy_runs_at_once(trained, tmp_path):
    """The copy is editable, and stale bytecode never hides an edit of the same size and second."""
    launch(trained, tmp_path)
    source = trained.root_dir / "my_project" / "agent.py"
    stamp = source.stat()
    subprocess.run(
        [sys.executable, "-c", "import my_project.agent"],
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        | {"PYTHONPATH": str(trained.root_dir)},
        check=True,
    )
    assert (source.parent / "__pycache__").is_dir()
    source.write_text("ANSWER = 77\n")
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    _, seen = launch(trained, tmp_path)

    assert seen["answer"] == 77
    assert not (source.parent / "__pycache__").exists()


def test_a_named_snapshot_runs_as_it_was_stored(trained, tmp_path):
    """With an id, exactly that code runs: neither today's, nor the edited copy, nor a later one."""
    second = trained.take()
    (trained.root_dir / "my_project" / "agent.py").write_text("ANSWER = 'edited'\n")

    answers = {
        name: launch(trained, tmp_path, snapshot_id=name)[1]["answer"]
        for name in (trained.snapshot["id"], second["id"])
    }

    assert {trained.snapshot["id"]: 42, second["id"]: "today"} == answers
    assert ["my_project/agent.py"] == edited(trained.root_dir)


def test_a_missing_package_is_not_replaced_by_todays(trained, tmp_path):
    """If a captured package is gone from the copy, the child refuses; today's is not used."""
    import shutil

    shutil.rmtree(trained.root_dir / "my_project")
    out = tmp_path / "out"
    (trained.root_dir / "alf" / "probe2.py").write_text(
        f"from alf.snapshot import prove\nprove()\nopen({str(out)!r}, 'w')\n"
    )
    code = (
        "import sys\nfrom alf.snapshot import run_with_snapshot\n"
        f"sys.exit(run_with_snapshot({str(trained.root_dir)!r}, 'alf.probe2', []))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=trained.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "alf snapshot restore" in done.stderr
    assert not out.exists()


def test_foreign_code_is_named_with_both_paths(trained, tmp_path, monkeypatch):
    """This process runs the checkout, so it cannot prove to run the snapshot."""
    monkeypatch.setenv("ALF_SNAPSHOT", str(trained.root_dir))
    monkeypatch.setenv("ALF_SNAPSHOT_PACKAGES", "alf")

    with pytest.raises(SnapshotError, match="pip uninstall") as caught:
        prove()

    assert str(trained.root_dir) in str(caught.value)
    assert str(CHECKOUT / "alf") in str(caught.value)


def test_import_hook_of_an_editable_install_is_caught(trained, tmp_path):
    """A hook that brings today's package before the snapshot is caught by the proof."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "agent.py").write_text("")
    source = trained.import_path[0]
    (trained.root_dir / "alf" / "probe3.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(source)!r})\n"
        "from alf.snapshot import prove\n"
        "prove()\n"
    )

    done = subprocess.run(
        [sys.executable, "-P", "-m", "alf.probe3"],
        env={
            **os.environ,
            "PYTHONPATH": str(trained.root_dir),
            "ALF_SNAPSHOT": str(trained.root_dir),
            "ALF_SNAPSHOT_PACKAGES": "alf,my_project",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert str(source / "my_project") in done.stderr


def test_no_proof_without_a_snapshot(monkeypatch):
    """A process that was started in the ordinary way has nothing to prove."""
    monkeypatch.delenv("ALF_SNAPSHOT", raising=False)

    assert prove() is None


@pytest.mark.skipif(os.name == "nt", reason="signals are passed on where there are signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR2"])
def test_signals_reach_the_child(trained, tmp_path, name):
    """A signal to the launcher arrives in the child, whose exit code is the launcher's."""
    out = tmp_path / "state"
    code = (
        "import sys\nfrom alf.snapshot import run_with_snapshot\n"
        f"sys.exit(run_with_snapshot({str(trained.root_dir)!r}, 'my_project.sleeper',"
        f" [{str(out)!r}]))"
    )
    # A session of its own has no terminal, so that SIGINT is passed on as well.
    launcher = subprocess.Popen(
        [sys.executable, "-c", code], env=trained.environment(), start_new_session=True
    )
    try:
        deadline = time.monotonic() + 20
        while not (out.exists() and out.read_text() == "ready"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        launcher.send_signal(getattr(signal, name))

        assert 5 == launcher.wait(timeout=20)
        assert f"got {name}" == out.read_text()
    finally:
        launcher.kill()
        launcher.wait()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_death_by_signal_has_the_shells_exit_code(trained):
    """A child that a signal ended gives 128 + its number."""
    (trained.root_dir / "my_project" / "dies.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )

    assert 137 == run_with_snapshot(trained.root_dir, "my_project.dies", [])


def test_a_crash_while_copying_is_healed(trained, tmp_path):
    """A copy whose writing was cut short is finished before it runs."""
    record = trained.root_dir / "snapshots.git" / "alf-working-copy.z"
    data = json.loads(zlib.decompress(record.read_bytes()))
    record.write_bytes(zlib.compress(json.dumps({**data, "is_whole": False}).encode()))
    (trained.root_dir / "my_project" / "agent.py").unlink()

    done, seen = launch(trained, tmp_path)

    assert done.returncode == 0, done.stderr
    assert seen["answer"] == 42


def test_damaged_snapshots_are_refused_though_the_copy_is_fine(trained, tmp_path):
    """One byte of what is stored was changed: the code does not run, and files are named."""
    pack = next((trained.root_dir / "snapshots.git" / "objects" / "pack").glob("*.pack"))
    whole = bytearray(pack.read_bytes())
    whole[len(whole) // 3] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(whole)

    done, seen = launch(trained, tmp_path)

    assert [] == edited(trained.root_dir)
    assert done.returncode != 0
    assert re.search(r"SnapshotError: alf/[\w/]+\.py: missing or unreadable", done.stderr)
    assert {} == seen


def test_packages_with_names_of_the_root_dir(project, tmp_path):
    """A package that lies below `packages/` is imported by its own name."""
    source = project.import_path[0]
    (source / "train").mkdir()
    (source / "train" / "__init__.py").write_text("WHO = 'user'\n")
    out = tmp_path / "out"
    (source / "my_project" / "probe.py").write_text(
        "from alf.snapshot import prove\nproof = prove()\nimport train\n"
        f"open({str(out)!r}, 'w').write(train.WHO + ' ' + train.__file__)\n"
    )
    project.imports.append("train")
    project.take()

    assert 0 == run_with_snapshot(project.root_dir, "my_project.probe", [])
    where = project.root_dir / "packages" / "train" / "__init__.py"
    assert f"user {where}" == out.read_text()


def test_unknown_snapshot(trained):
    """An id that does not exist is an error before anything starts."""
    with pytest.raises(SnapshotError, match="Known"):
        run_with_snapshot(trained.root_dir, "my_project.probe", [], "ffffffffffff")


def test_resume_with_the_snapshots_own_code(trained, tmp_path):
    """A job that runs from the copy takes a snapshot of the copy and leaves it as it is."""
    (trained.root_dir / "my_project" / "agent.py").write_text("ANSWER = 'mended'\n")
    (trained.root_dir / "my_project" / "resume.py").write_text(
        "from alf.snapshot import prove, take\nprove()\nimport my_project.agent\n"
        f"take({str(trained.root_dir)!r})\n"
    )

    assert 0 == run_with_snapshot(trained.root_dir, "my_project.resume", [])
    with Store(trained.root_dir) as store:
        files = store.files(store.resolve(None).tree)
        assert b"ANSWER = 'mended'\n" == store.read(files["my_project/agent.py"].id)
        assert 2 == len(store.entries())
    assert "mended" in (trained.root_dir / "my_project" / "agent.py").read_text()
    assert [] == edited(trained.root_dir)
