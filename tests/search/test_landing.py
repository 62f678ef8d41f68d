import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from alf.errors import AlfError
from alf.search import node
from alf.search.landing import land
from alf.search.node import Assignment, Changes, Node, pack, remove_left_folders, unpack

JOB = """
import os, sys, time
from pathlib import Path
run = Path.cwd()
def write(name, text):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text(text)
def wait(name):
    while not (run / name).exists(): time.sleep(0.01)
print("started", os.environ["WHERE"], flush=True)
write("train/metrics.jsonl", "1\\n")
write("train/ckpt-1/model", "one")
write("train/.ckpt-2.partial-1/model", "half")
write("old.txt", "old")
wait("go")
with open("train/metrics.jsonl", "a") as file: file.write("2\\n")
(run / "old.txt").unlink()
write("../store.git/objects/aa/object", "content")
write("../store.git/known", "changed")
write("alf_config.py", "changed")
sys.exit(3)
"""


def assignment(root, **others):
    given = Assignment(
        folder="run",
        command=["PY", "-c", JOB],
        python="PY",
        parent="PARENT",
        job_folder="FOLDER",
        log="run/train.log",
        root_dir=str(root),
        variables={"WHERE": f"{root}/x{os.pathsep}/else"},
        watched=("run", "store.git"),
        kept=("run/alf_config.py",),
    )
    return replace(given, **others)


@pytest.fixture
def root(tmp_path):
    """The folder of a search with one job."""
    root = tmp_path / "R"
    (root / "run").mkdir(parents=True)
    (root / "store.git").mkdir()
    (root / "store.git" / "known").write_text("known")
    (root / "run" / "alf_config.py").write_text(
        f"# conf: '{root}/confs/a_conf.py'\nx = '{root}/y'\n"
    )
    (root / "run" / "train.log").write_text("before\n")
    return root


def until(condition, step):
    for _ in range(500):
        step()
        if condition():
            return
    raise AssertionError("it never came")


def test_a_job_runs_elsewhere_and_its_files_land(root, tmp_path, monkeypatch):
    """What a job makes comes back piece by piece: whole files, new folders, removals."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(node.tempfile, "tempdir", str(elsewhere))
    given = assignment(root)
    there = Node(pack(root, ["store.git"]), pack(root, ["run"]), given)
    copy = there._root
    conf = (copy / "run" / "alf_config.py").read_text()
    answers = []

    def hear():
        answers.append(there.changes(0.05))
        land(root, answers[-1], given.watched, "store.git")

    until((root / "run" / "old.txt").exists, hear)
    assert f"# conf: '{copy}/confs/a_conf.py'\nx = '{root}/y'\n" == conf
    assert "one" == (root / "run" / "train" / "ckpt-1" / "model").read_text()
    (copy / "run" / "go").touch()
    until(lambda: answers[-1].exit_code is not None, hear)

    log = (root / "run" / "train.log").read_text()
    assert 3 == answers[-1].exit_code
    assert log.startswith("before\nworker ")
    assert f"started {copy}/x{os.pathsep}/else\n" in log
    assert "1\n2\n" == (root / "run" / "train" / "metrics.jsonl").read_text()
    assert not (root / "run" / "old.txt").exists()
    assert "content" == (root / "store.git" / "objects" / "aa" / "object").read_text()
    assert "known" == (root / "store.git" / "known").read_text()  # a store only ever grows
    assert f"# conf: '{root}/confs/a_conf.py'" in (root / "run" / "alf_config.py").read_text()
    assert not [path for path in root.rglob(".*")]
    assert [] == list(elsewhere.iterdir())
    grown = [place for a in answers for name, place, _ in a.files if name.endswith(".jsonl")]
    assert [None, 2] == grown  # only what is new was sent


def test_a_new_folder_is_there_whole_or_not_at_all(root):
    """A checkpoint appears with its last file; what a killed search left is replaced."""
    files = [("run/ckpt-1/a", None, b"A"), ("run/ckpt-1/b", None, b"B"), ("run/c", None, b"C")]
    (root / "run" / ".ckpt-1.arriving").mkdir()
    (root / "run" / ".ckpt-1.arriving" / "stale").touch()
    seen = []

    class Looking(list):
        def __iter__(self):
            for item in super().__iter__():
                seen.append((root / "run" / "ckpt-1").exists())
                yield item

    land(root, Changes(None, Looking(files), []), ["run"], "store.git")

    assert [False, False, False] == seen
    assert ["a", "b"] == sorted(path.name for path in (root / "run" / "ckpt-1").iterdir())


@pytest.mark.parametrize("name", ["other/x", "run/../x", "../x", "/etc/x", "running"])
def test_only_files_of_the_job_land(root, name):
    """A path that leads out of what is watched is refused."""
    with pytest.raises(AlfError, match="none of its job's"):
        land(root, Changes(None, [(name, None, b"")], []), ["run"], "store.git")
    with pytest.raises(AlfError, match="none of its job's"):
        land(root, Changes(None, [], [name]), ["run"], "store.git")


def test_objects_come_before_what_refers_to_them():
    """The store of a run is whole at any moment: pack, index, reference."""
    names = ["refs/tags/a", "objects/pack/p.idx", "objects/pack/p.pack", "HEAD"]
    paths = [f"snapshots.git/{name}" for name in names]

    found = [path.removeprefix("snapshots.git/") for path in sorted(paths, key=node._order)]

    assert ["objects/pack/p.pack", "objects/pack/p.idx", "HEAD", "refs/tags/a"] == found


def test_packing_leaves_out_what_is_not_whole(root, tmp_path):
    """Locks, bytecode and half-written files do not travel."""
    for name in (".alf.lock", "x/__pycache__/a.pyc", "x/.a.partial-7", "x/.b.arriving", "x/y"):
        (root / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "run" / name).touch()

    unpack(pack(root, ["run"]), tmp_path / "copy")

    copied = sorted(p.name for p in (tmp_path / "copy").rglob("*") if p.is_file())
    assert ["alf_config.py", "train.log", "y"] == copied


def test_an_archive_cannot_write_outside(tmp_path):
    """A tar file that names a path outside is refused."""
    (tmp_path / "evil").write_text("x")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "evil", arcname="../outside")

    with pytest.raises(ValueError, match=r"outside', outside of its folder"):
        unpack((tmp_path / "a.tar").read_bytes(), tmp_path / "target")


def test_folders_of_killed_workers_are_removed(tmp_path, monkeypatch):
    """What a killed worker left is removed; what belongs to a living one stays."""
    monkeypatch.setattr(node.tempfile, "tempdir", str(tmp_path))
    for name in (f"alf_node_{os.getpid()}_a", "alf_node_4194305_b", "alf_node_x", "other"):
        (tmp_path / name).mkdir()

    remove_left_folders()

    assert ["alf_node_x", "other"] == sorted(p.name for p in tmp_path.iterdir())[1:]
    assert (tmp_path / f"alf_node_{os.getpid()}_a").exists()


def test_what_travels_imports_the_standard_library_alone():
    """A machine of a cluster has no alf: the file that goes there needs none."""
    source = Path(node.__file__).read_text(encoding="utf-8")
    modules = [
        line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))
    ]

    assert set(modules) <= {*sys.stdlib_module_names, "collections.abc"}
