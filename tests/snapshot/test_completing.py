"""What a job imports late: jobs in processes of their own import, edit and look, in this order."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alf.snapshot import LateImports, Store, copy_holds, edited, share, take
from alf.snapshot.verify import verify

JOB = """
import json, sys, time
from pathlib import Path
import my_project.agent
from alf.snapshot import LateImports, describe_completion, take

root_dir, repository = map(Path, sys.argv[1:])
first = take(root_dir, seed=7)
late = LateImports(root_dir, first.id)
said = []

def look():
    completed = late.complete()
    said.append(describe_completion(completed) if completed else None)
    return completed

{steps}
json.dump({{"first": first.id, "now": late.snapshot_id, "said": said}}, sys.stdout)
"""


@pytest.fixture
def run_job(project):
    """Runs a job that does some steps after its snapshot; returns what it said."""

    def run(steps: str) -> dict:
        script = project.folder / "job.py"
        script.write_text(JOB.format(steps=steps))
        repository = str(project.import_path[0])
        done = subprocess.run(
            [sys.executable, str(script), str(project.root_dir), repository],
            env=project.environment(),
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def content(root_dir: Path, name: str) -> dict[str, bytes]:
    """All files of a snapshot but those of alf."""
    with Store(root_dir) as store:
        files = store.files(store.resolve(name).tree)
        return {p: store.read(b.id) for p, b in files.items() if not p.startswith("alf/")}


def test_a_package_that_is_imported_late(project, run_job):
    """Its whole folder is taken, nothing else is read again, and the user is told."""
    write(
        project.import_path[0],
        {"later/__init__.py": "", "later/part.py": "A = 1\n", "later/data.csv": "1,2\n"},
    )

    job = run_job(
        "look()\n"
        "Path(repository, 'my_project/agent.py').write_text('ANSWER = 0')\n"
        "Path(repository, 'my_project/data/env.yaml').write_text('speed: 9')\n"
        "import later.part\n"
        "look()\nlook()"
    )

    before, after = content(project.root_dir, job["first"]), content(project.root_dir, job["now"])
    new = {"later/__init__.py": b"", "later/part.py": b"A = 1\n", "later/data.csv": b"1,2\n"}
    manifest = json.loads(after.pop("snapshot.json"))
    old_manifest = json.loads(before.pop("snapshot.json"))
    assert {**before, **new} == after
    assert {"later": 3} == {
        p["name"]: p["files"] for p in manifest["packages"] if p not in old_manifest["packages"]
    }
    assert [None, None] == [job["said"][0], job["said"][2]]
    line = f"snapshot  {job['now']}: completes {job['first']} by later, later.part, imported since"
    assert [line] == job["said"][1]
    assert "A = 1\n" == (project.root_dir / "later" / "part.py").read_text()
    assert () == verify(project.root_dir).findings


def test_a_module_that_was_edited_before_it_was_imported(project, run_job):
    """Of a package that was captured, the text that ran replaces the one that did not."""
    job = run_job(
        "Path(repository, 'my_project/never_imported.py').write_text('OTHER = 22')\n"
        "Path(repository, 'my_project/agent.py').write_text('ANSWER = 0')\n"
        "Path(repository, 'my_project/added.py').write_text('NEW = 1')\n"
        "time.sleep(0.05)\n"
        "look()\n"
        "import my_project.never_imported, my_project.added\n"
        "look()"
    )

    after = content(project.root_dir, job["now"])
    assert b"OTHER = 22" == after["my_project/never_imported.py"]
    assert b"NEW = 1" == after["my_project/added.py"]
    assert b"ANSWER = 42\n" == after["my_project/agent.py"]  # imported before it was edited
    assert [
        f"snapshot  {job['now']}: completes {job['first']} by my_project.added,"
        " my_project.never_imported, imported since",
        "snapshot  my_project/never_imported.py had been edited before it was imported:"
        " the new text is in it",
    ] == job["said"][1]
    counts = {p["name"]: p for p in json.loads(after["snapshot.json"])["packages"]}
    mine = [data for path, data in after.items() if path.startswith("my_project/")]
    assert (6, sum(map(len, mine))) == (
        counts["my_project"]["files"],
        counts["my_project"]["bytes"],
    )
    with Store(project.root_dir) as store:
        every = store.files(store.resolve(None).tree)
        sizes = [len(store.read(b.id)) for p, b in every.items() if p != "snapshot.json"]
        start = store.resolve(None).start
    assert (len(sizes), sum(sizes)) == (start["files"], start["bytes"])
    assert (7, job["first"]) == (start["seed"], start["completes"])


def test_what_was_seen_is_not_looked_at_again(project, run_job):
    """Once late modules are stored, a look asks the store no more."""
    write(project.import_path[0], {"later/__init__.py": ""})

    job = run_job(
        "import later\nlook()\n(root_dir / 'snapshots.git').rename(root_dir / 'away')\nlook()"
    )

    assert [True, False] == [line is not None for line in job["said"]]


def test_the_same_text_makes_no_snapshot(project, run_job):
    """A module of a captured package, imported late and unchanged, is in the snapshot already."""
    job = run_job("import my_project.never_imported\nlook()")

    assert job["first"] == job["now"]
    assert [None] == job["said"]


def test_an_edit_that_may_have_come_after_the_import_is_a_warning(project, run_job):
    """If a late module's file was written since the last look, nobody knows which text runs."""
    job = run_job(
        "look()\n"
        "import my_project.never_imported\n"
        "Path(repository, 'my_project/never_imported.py').write_text('OTHER = 22')\n"
        "look()"
    )

    assert any(line.startswith("warning   my_project/never_imp") for line in job["said"][1])


def test_files_loaded_by_path_and_modules(project, run_job):
    """A late module in one file, and one that is loaded by its path, are taken alone."""
    write(project.import_path[0], {"single.py": "S = 1\n", "beside.txt": "private"})
    write(project.folder / "plugins", {"loss.py": "L = 1\n", "diary.txt": "private"})

    job = run_job(
        "import importlib.util, single\n"
        "def load(path):\n"
        "    spec = importlib.util.spec_from_file_location(f'plugin_{path.stem}', path)\n"
        "    sys.modules[spec.name] = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(sys.modules[spec.name])\n"
        f"load(Path({str(project.folder)!r}, 'plugins/loss.py'))\n"
        "look()\n"
        f"folder = Path({str(project.folder)!r}, 'plugins')\n"
        "(folder / 'second.py').write_text('L = 2')\n"
        "load(folder / 'second.py')\n"
        "look()"
    )

    before, after = content(project.root_dir, job["first"]), content(project.root_dir, job["now"])
    assert {
        "single.py": b"S = 1\n",
        "plugins/loss.py": b"L = 1\n",
        "plugins/second.py": b"L = 2",
    } == {path: data for path, data in after.items() if path not in before}


def test_secrets_of_a_late_package_stay_out(project, run_job):
    """The rules for what is left out hold for late packages too."""
    write(project.import_path[0], {"later/__init__.py": "", "later/.env": "TOKEN=1"})

    job = run_job("import later\nlook()")

    after = content(project.root_dir, job["now"])
    assert "later/.env" not in after
    left_out = json.loads(after["snapshot.json"])["left_out"]
    assert "later/.env" in {item["path"] for item in left_out}


def test_a_second_part_of_a_namespace(project, run_job):
    """A late part of a namespace package from another folder joins the part that was captured."""
    one, two = project.folder / "one", project.folder / "two"
    write(one, {"space/a.py": "", "space/a.txt": "one"})
    write(two, {"space/b.py": "", "space/b.txt": "two"})
    project.import_path += [one, two]

    job = run_job("import space.a\nlook()\nimport space.b\nlook()")

    after = content(project.root_dir, job["now"])
    assert {"space/a.py", "space/a.txt", "space/b.py", "space/b.txt"} <= set(after)


def test_a_users_edits_of_the_copy_stay(project, run_job):
    """Completing adds files to the copy, and leaves what somebody edited there while it ran."""
    write(project.import_path[0], {"later/__init__.py": ""})

    run_job("Path(root_dir, 'my_project/agent.py').write_text('ANSWER = 7')\nimport later\nlook()")

    assert "ANSWER = 7" == (project.root_dir / "my_project" / "agent.py").read_text()
    assert ["my_project/agent.py"] == edited(project.root_dir)
    assert copy_holds(project.root_dir, "newest")


def test_a_run_of_a_search_is_completed_too(project, run_job, tmp_path):
    """What a run imports late goes to the shared store, where the next run finds it."""
    write(project.import_path[0], {"later/__init__.py": "A = 1\n" * 500})
    project.take()
    search = project.root_dir
    for number in range(2):
        project.root_dir = search / f"run{number}"
        share(project.root_dir, search)
        job = run_job("import later\nlook()")
        assert b"A = 1\n" * 500 == content(project.root_dir, job["now"])["later/__init__.py"]
        assert not (project.root_dir / "later").exists()

    refs = list((search / "snapshots.git" / "refs" / "runs").iterdir())
    assert 2 == len(refs)  # what runs have at their start, and completed


def test_nothing_new_costs_nothing(tmp_path):
    """A look at three thousand modules, none of them new, takes less than two milliseconds."""
    modules = {f"module_{number}": sys for number in range(3000)}
    taken = take(tmp_path, modules={}, import_path=[])
    late = LateImports(tmp_path, taken.id, modules=modules, import_path=[])
    times = []
    for _ in range(20):
        start = time.perf_counter()
        assert late.complete() is None
        times.append(time.perf_counter() - start)

    assert min(times) < 0.002


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device without space")
def test_a_call_that_failed_can_be_repeated(project, run_job):
    """A full disk is an error; when there is space again, the next look takes it all."""
    write(project.import_path[0], {"later/__init__.py": "", "later/big.bin": "x"})
    (project.import_path[0] / "later" / "big.bin").write_bytes(os.urandom(300_000))

    job = run_job(
        "import resource, signal\n"
        "from alf.errors import SnapshotError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "limits = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "import later\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))\n"
        "try:\n"
        "    look()\n"
        "except SnapshotError as error:\n"
        "    said.append(str(error))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, limits)\n"
        "look()"
    )

    assert "cannot be written" in job["said"][0]
    assert "later/big.bin" in content(project.root_dir, job["now"])
