"""From a running job to files in the root dir: processes, folders and signals are real."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alf.errors import RootDirError, SnapshotError
from alf.snapshot import Limits, Store, copy_holds, describe, take
from alf.snapshot.records import LeftOut, Package, Snapshot


def names(snapshot: dict) -> list[str]:
    return [package["name"] for package in snapshot["packages"]]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_whole_packages_are_taken(project):
    """Every file of an imported package is taken: data, and modules not yet imported."""
    snapshot = project.take()

    assert names(snapshot) == ["alf", "job_script.py", "my_project"]
    copy = project.root_dir / "my_project"
    files = sorted(p.relative_to(copy).as_posix() for p in copy.rglob("*") if p.is_file())
    assert files == [
        "__init__.py",
        "agent.py",
        "data/env.yaml",
        "data/mesh.bin",
        "never_imported.py",
    ]
    assert (copy / "data/mesh.bin").read_bytes() == bytes(range(256)) * 10
    assert (project.root_dir / "alf" / "errors.py").is_file()
    assert not (project.root_dir / "README.md").exists()


def test_counts_are_those_of_the_files(project):
    """Files and bytes of a package are what lies in its copy."""
    snapshot = project.take()

    mine = next(p for p in snapshot["packages"] if p["name"] == "my_project")
    copy = [p for p in (project.root_dir / "my_project").rglob("*") if p.is_file()]
    assert mine["files"] == len(copy) == 5
    assert mine["bytes"] == sum(p.stat().st_size for p in copy)
    assert mine["root"] == str(project.import_path[0])
    assert snapshot["files"] == sum(p["files"] for p in snapshot["packages"])
    assert snapshot["bytes"] == sum(p["bytes"] for p in snapshot["packages"])


def test_editable_install_by_import_hook(project):
    """A package that an editable install's hook finds needs no folder on the path."""
    far = project.folder / "far" / "src"
    write(far, {"hooked/__init__.py": "", "hooked/part.py": "", "hooked/asset.csv": "1,2\n"})
    write(
        project.folder,
        {
            "editable_finder.py": (
                "import sys, importlib.util, importlib.machinery\n"
                "class Finder:\n"
                "    @classmethod\n"
                "    def find_spec(cls, name, path=None, target=None):\n"
                "        if name == 'hooked':\n"
                f"            return importlib.util.spec_from_file_location(name, {str(far)!r} +\n"
                "                '/hooked/__init__.py')\n"
                "sys.meta_path.append(Finder)\n"
            )
        },
    )
    project.imports = ["editable_finder", "hooked.part"]

    snapshot = project.take()

    assert "hooked" in names(snapshot)
    assert (project.root_dir / "hooked" / "asset.csv").read_text() == "1,2\n"


def test_namespace_packages_merge(project):
    """Both parts of a namespace package without __init__ are taken; the first wins."""
    one, two = project.folder / "one", project.folder / "two"
    write(one, {"space/a.py": "", "space/both.txt": "one"})
    write(two, {"space/b.py": "", "space/both.txt": "two"})
    project.import_path += [one, two]
    project.imports = ["space.b", "space.a"]

    project.take()

    copy = project.root_dir / "space"
    assert sorted(p.name for p in copy.iterdir()) == ["a.py", "b.py", "both.txt"]
    assert (copy / "both.txt").read_text() == "one"


def test_conf_outside_of_packages(project):
    """A conf is taken with sibling confs and imported siblings, and nothing else of its folder."""
    home = project.folder / "confs"
    write(
        home,
        {
            "my_conf.py": "",
            "base_conf.py": "",
            "diary.txt": "private",
            "unrelated.py": "",
            "tuned.py": "",
        },
    )
    project.confs = [str(home / "my_conf.py")]
    project.import_path.append(home)
    project.imports.append("tuned")
    conf_text = project.folder / "alf_config.py"
    conf_text.write_text("x = 1\n")
    project.conf_text = str(conf_text)

    snapshot = project.take()

    assert names(snapshot) == ["alf", "confs", "job_script.py", "my_project", "tuned.py"]
    copy = project.root_dir / "confs"
    assert sorted(p.name for p in copy.iterdir()) == ["base_conf.py", "my_conf.py"]
    assert (project.root_dir / "tuned.py").is_file()
    with Store(project.root_dir) as store:
        stored = store.files(store.resolve(None).tree)
    assert "alf_config.py" in stored
    assert not (project.root_dir / "alf_config.py").exists()  # the trainer writes that one


def test_conf_inside_a_package_is_not_taken_twice(project):
    """A conf that lies in a captured package is there once."""
    write(project.import_path[0], {"my_project/confs/fast_conf.py": ""})
    project.confs = [str(project.import_path[0] / "my_project/confs/fast_conf.py")]

    snapshot = project.take()

    assert names(snapshot) == ["alf", "job_script.py", "my_project"]


def test_names_of_the_root_dir_move_aside(project):
    """A package called `train` does not mix with the job's own folder of that name."""
    write(project.import_path[0], {"train/__init__.py": "", "train/loop.py": ""})
    project.imports.append("train.loop")

    snapshot = project.take()

    assert "packages/train" in names(snapshot)
    assert (project.root_dir / "packages" / "train" / "loop.py").is_file()
    assert not (project.root_dir / "train").exists()


def test_secrets_and_big_files_stay_out_and_are_named(project):
    """What is left out is listed with its reason."""
    package = project.import_path[0] / "my_project"
    write(package, {".env": "TOKEN=1", "keys.txt": "-----BEGIN " + "RSA PRIVATE KEY-----\nabc"})
    write(project.folder, {"outside.txt": "x"})
    (package / "link.txt").symlink_to(project.folder / "outside.txt")

    snapshot = project.take()

    reasons = {item["path"]: item["reason"] for item in snapshot["left_out"]}
    assert reasons == {
        "my_project/**/__pycache__": "cache",
        "my_project/.env": "may hold a secret",
        "my_project/keys.txt": "holds a private key",
        "my_project/link.txt": "a link that leads outside",
    } | {path: reason for path, reason in reasons.items() if path.startswith("alf/")}
    assert not (project.root_dir / "my_project" / ".env").exists()


def test_root_dir_inside_the_package(project):
    """A root dir in the package's own folder is not captured into itself."""
    project.root_dir = project.import_path[0] / "my_project" / "runs" / "job"

    first, second = project.take(), project.take()

    assert first["files"] == second["files"]
    paths = [item["path"] for item in second["left_out"] if item["reason"] == "a root dir"]
    assert paths == ["my_project/runs/job"]


def test_unchanged_start_has_the_same_tree(project):
    """A second start with the same code is a commit of its own with the same tree."""
    first, second = project.take(), project.take()

    with Store(project.root_dir) as store:
        entries = store.entries()
    assert [first["id"], second["id"]] == [entry.id for entry in entries]
    assert entries[0].tree == entries[1].tree
    assert entries[1].parent == entries[0].commit


def test_the_copy_serves_snapshots_with_the_same_code(project):
    """A resume with another conf text holds the same code; an edited source does not."""
    conf_text = project.folder / "alf_config.py"
    conf_text.write_text("x = 1\n")
    project.conf_text = str(conf_text)
    first = project.take()
    conf_text.write_text("x = 2\n")
    project.take()

    assert copy_holds(project.root_dir, first["id"])

    (project.import_path[0] / "my_project" / "agent.py").write_text("ANSWER = 1\n")
    project.take()

    assert not copy_holds(project.root_dir, first["id"])


def test_cwd_does_not_matter(project):
    """The same is taken from the checkout's root and from /."""
    here = Path(__file__).resolve().parents[2]

    assert names(project.take(cwd=here)) == names(project.take(cwd=Path("/")))


def test_change_after_import_is_a_warning(project):
    """A module that was edited after it was imported is named."""
    source = project.import_path[0] / "my_project" / "agent.py"
    project.imports += [
        "pathlib",
        "alf.snapshot, time; time.sleep(0.05)",
        f"os; pathlib.Path({str(source)!r}).write_text('ANSWER = 43')",
    ]

    snapshot = project.take()

    assert any(w.startswith("my_project/agent.py changed after") for w in snapshot["warnings"])


def test_change_before_alf_was_imported_is_a_warning(project):
    """The process may have begun with the user's own modules: what counts is when it began."""
    source = project.import_path[0] / "my_project" / "agent.py"
    project.imports += [
        "time; time.sleep(0.05)",
        f"pathlib; pathlib.Path({str(source)!r}).write_text('ANSWER = 43')",
    ]

    snapshot = project.take()

    assert any(w.startswith("my_project/agent.py changed after") for w in snapshot["warnings"])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_process_start_by_the_clock():
    """The start of a process lies between just before it was made and what it says itself."""
    code = (
        "import time; first = time.time()\n"
        "time.sleep(0.3)\n"
        "from alf.snapshot.capture import process_start\n"
        "print(process_start(), first)"
    )
    before = time.time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    start, first = map(float, done.stdout.split())

    assert before - 0.02 <= start <= first + 0.02


def test_root_dir_that_is_a_file(tmp_path):
    """A file in place of the root dir is the user's mistake and is said."""
    (tmp_path / "job").write_text("")

    with pytest.raises(RootDirError, match="Give a folder"):
        take(tmp_path / "job")


def test_missing_conf(tmp_path):
    """A conf that is gone is an error, not a snapshot without it."""
    with pytest.raises(SnapshotError, match="gone"):
        take(tmp_path / "job", confs=[tmp_path / "no_conf.py"], modules={})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device without space")
def test_disk_without_space(tmp_path, monkeypatch):
    """A disk that cannot be written ends in an error with advice, and no snapshot."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(SnapshotError, match="--nostore_snapshot"):
            take(tmp_path / "job", modules={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with Store(tmp_path / "job") as store:
        assert store.newest() is None


def test_total_limit_drops_the_largest(project):
    """Above the total limit the largest files go first, and are named."""
    package = project.import_path[0] / "my_project"
    (package / "huge.bin").write_bytes(os.urandom(4_000_000))
    sys.path.insert(0, str(project.import_path[0]))
    try:
        import my_project  # pyright: ignore[reportMissingImports]

        snapshot = take(
            project.root_dir,
            modules={"my_project": my_project},
            limits=Limits(total_bytes=3_900_000),
        )
    finally:
        sys.path.remove(str(project.import_path[0]))
        sys.modules.pop("my_project", None)

    dropped = [item for item in snapshot.left_out if "would be larger" in item.reason]
    assert [("my_project/huge.bin", 4_000_000)] == [(item.path, item.bytes) for item in dropped]
    assert (project.root_dir / "my_project" / "agent.py").is_file()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_at_any_moment(project, git):
    """Ten kills at random moments leave every earlier snapshot whole, and the next one works."""
    first = project.take()
    lock = project.root_dir / "snapshots.git" / "alf.lock"
    moments = random.Random(5)
    killed = 0
    for number in range(10):
        (project.import_path[0] / "my_project" / f"new_{number}.bin").write_bytes(
            os.urandom(300_000)
        )
        before = lock.stat().st_mtime_ns
        child = subprocess.Popen(
            project.command(), env=project.environment(), stdout=subprocess.DEVNULL
        )
        while lock.stat().st_mtime_ns == before:  # written when the capture begins
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.06))
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
        with Store(project.root_dir) as store:
            assert first["id"] == store.entries()[0].id

    assert killed >= 5
    assert "error" not in git(project.root_dir / "snapshots.git", "fsck", "--strict")
    last = project.take()
    copy = project.root_dir / "my_project"
    assert len(list(copy.glob("new_*.bin"))) == 10
    with Store(project.root_dir) as store:
        assert last["id"] == store.entries()[-1].id
        assert [] == list((store.path / "objects" / "pack").glob("tmp_*"))


def test_describe_says_what_and_what_not():
    """One line names packages, size, time and what was left out."""
    snapshot = Snapshot(
        id="1a2b3c4d5e6f",
        time="2030-01-01T00:00:00Z",
        seconds=0.314,
        bytes=1_440_000,
        files=224,
        packages=(
            Package("alf", "package", "/src", 212, 1_400_000),
            Package("m.py", "module", "/src", 1, 40_000),
        ),
        left_out=(
            LeftOut("alf/**/__pycache__", "cache", 0),
            LeftOut("alf/.env", "may hold a secret", 9),
            LeftOut("alf/.netrc", "may hold a secret", 9),
        ),
        warnings=("look here",),
    )

    assert describe(snapshot) == [
        "snapshot  1a2b3c4d5e6f: alf (212 files), m.py (1 file), 1.4 MB, 0.31 s",
        "left out  alf/.env and 1 more (may hold a secret)",
        "warning   look here",
    ]
    assert json.loads(json.dumps(snapshot.to_json()))["packages"][0]["files"] == 212


def test_resumed_job_stores_its_recorded_conf_once(project):
    """`alf_config.py`, which a resumed job imports from its root dir, is not taken for a module."""
    conf = project.root_dir / "alf_config.py"
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text("x = 1\n")
    spec = importlib.util.spec_from_file_location("alf_config_1234", conf)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)

    taken = take(
        project.root_dir, conf_text_path=conf, modules={"alf_config_1234": module}, import_path=[]
    )

    assert ["alf"] == [package.name for package in taken.packages]
    assert () == taken.warnings
