"""Runs that share one store: real jobs in processes of their own, and stock git looks at it all."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from alf.errors import SnapshotError
from alf.snapshot import Store, export_store, run_with_snapshot, share, stand_alone, tag_checkpoint
from alf.snapshot.verify import verify
from alf.snapshot.working_copy import heal

MAY_WRITE_ALL = hasattr(os, "geteuid") and os.geteuid() == 0


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def finished(make_project, tmp_path_factory):
    """The job of the second run; in its folder's parent lie a search and both of its runs."""
    project = make_project(tmp_path_factory.mktemp("shared"))
    folder = project.root_dir = project.root_dir.with_name("search")
    project.take()
    # As a job of a search does, the runs import the frozen code.
    project.import_path = [folder]
    project.checkout = folder
    for number in range(2):
        project.root_dir = folder / f"run{number}"
        share(project.root_dir, folder)
        conf_text = project.root_dir / "alf_config.py"
        conf_text.write_text(f"x = {number}\n" * 30)
        project.conf_text = str(conf_text)
        project.take()
    return project


@pytest.fixture
def search(finished, tmp_path) -> Path:
    """A search with a snapshot, and two runs in it that share its store; to change."""
    shutil.copytree(finished.root_dir.parent, tmp_path / "search")
    return tmp_path / "search"


@pytest.fixture
def job(finished, search):
    """The second run, to train again."""
    return replace(
        finished,
        root_dir=search / "run1",
        import_path=[search],
        checkout=search,
        conf_text=str(search / "run1" / "alf_config.py"),
    )


def test_a_run_stores_only_what_is_its_own(search):
    """Two runs take a few kilobytes between them, and each still has all of its files."""
    for number in range(2):
        run = search / f"run{number}"
        assert size_of(run / "snapshots.git") < 2500
        assert not (run / "my_project").exists()
        with Store(run) as store:
            entry = store.resolve(None)
            files = store.files(entry.tree)
            assert f"x = {number}\n".encode() * 30 == store.read(files["alf_config.py"].id)
            assert b"ANSWER = 42\n" == store.read(files["my_project/agent.py"].id)
            assert [entry] == store.entries()


def test_what_runs_have_in_common_is_there_once(search):
    """The second run adds nothing to the store of the search: manifests are the same too."""
    with Store(search) as store:
        refs = [ref for ref in store.references() if ref.startswith("refs/runs/")]
    assert 1 == len(refs)
    objects = search / "snapshots.git" / "objects"
    assert 1 == len(list((objects / "pack").glob("*.pack")))
    assert 3 == len([path for path in objects.glob("??/*") if path.is_file()])


def test_stock_git_reads_the_store_of_a_run(search, git):
    """`git fsck` and `git log` work in both, and `git gc` of the search breaks no run."""
    run = search / "run1"
    git(search / "snapshots.git", "gc", "--quiet", "--prune=now")

    assert "" == git(search / "snapshots.git", "fsck", "--strict")
    # Of a run's store git also looks at what it borrows from, which has references of its own.
    said = git(run / "snapshots.git", "fsck", "--strict").splitlines()
    assert all(line.startswith(("dangling commit", "dangling blob")) for line in said)
    log = git(run / "snapshots.git", "log", "--stat", "--all")
    assert 1 == log.count("Author:")
    assert "my_project/agent.py" in log
    assert () == verify(run).findings


def test_the_way_to_the_lender_is_relative(search, tmp_path):
    """A search can be moved with its runs."""
    moved = tmp_path / "far" / "away"
    moved.parent.mkdir()
    search.rename(moved)

    assert () == verify(moved / "run0").findings


def test_a_run_alone_says_which_store_is_missing(search, tmp_path):
    """A run without its search names the folder that it needs, in every command."""
    moved = tmp_path / "elsewhere" / "run0"
    shutil.move(search / "run0", moved)

    with pytest.raises(SnapshotError) as told:
        Store(moved)
    assert str(moved.with_name("snapshots.git")) in str(told.value)
    assert "export --store" in str(told.value)

    done = subprocess.run(
        [sys.executable, "-m", "alf.bin.snapshot", "list", "--root_dir", str(moved)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == done.returncode
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("in_place", [True, False])
def test_a_run_can_be_made_to_stand_alone(search, tmp_path, git, in_place):
    """After it no store but its own is needed, and every reference is kept."""
    run = search / "run0"
    with Store(run) as store:
        before = store.references()
        newest = store.resolve(None)
        store.tag_checkpoint(newest.id, 7)
    if in_place:
        count, alone = stand_alone(run), tmp_path / "alone"
        shutil.move(run, alone)
        assert 0 == stand_alone(alone)
    else:
        alone = tmp_path / "alone"
        count = export_store(run, alone)
    shutil.rmtree(search)

    assert count > 100
    assert "" == git(alone / "snapshots.git", "fsck", "--strict")
    with Store(alone) as store:
        assert store.shared is None
        assert {**before, "refs/tags/ckpt-7": newest.commit} == store.references()
        assert all(store.damage(name) is None for name in store.object_ids(newest))
    if not in_place:
        with pytest.raises(SnapshotError, match="there already"):
            export_store(alone, alone)


def test_the_copy_of_a_run_is_made_on_demand(search):
    """To run a run's snapshot puts its files beside the store, where they were not before."""
    run = search / "run0"
    (search / "my_project" / "agent.py").write_text("ANSWER = 'edited in the search'\n")

    assert 0 == run_with_snapshot(run, "my_project.agent", [])

    assert "ANSWER = 42\n" == (run / "my_project" / "agent.py").read_text()
    assert (run / "alf" / "errors.py").is_file()
    assert () == verify(run).findings


def test_a_resumed_run_renews_a_copy_that_was_made(search, job):
    """Once somebody asked for the copy, it is kept as in any other job."""
    run = job.root_dir
    with Store(run) as store:
        heal(store)
    (search / "my_project" / "agent.py").write_text("ANSWER = 43\n")

    job.take()

    assert "ANSWER = 43\n" == (run / "my_project" / "agent.py").read_text()
    with Store(run) as store:
        assert 2 == len(store.entries())


def test_damage_in_the_shared_store_is_named_in_the_run(search):
    """A flipped byte in what runs share is found from each of them, and their code is refused."""
    pack = max((search / "snapshots.git" / "objects" / "pack").glob("*.pack"), key=os.path.getsize)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.chmod(0o644)
    pack.write_bytes(data)

    findings = verify(search / "run0").findings

    assert findings
    assert {"store"} == {finding.where for finding in findings}
    with pytest.raises(SnapshotError, match="alf snapshot verify"):
        run_with_snapshot(search / "run0", "alf.errors", [])


@pytest.mark.skipif(MAY_WRITE_ALL, reason="this user may write everywhere")
def test_a_lender_that_cannot_be_written(search, job):
    """A run whose search is read-only keeps what is new for itself."""
    pack = search / "snapshots.git" / "objects" / "pack"
    (search / "my_project" / "new.py").write_text("NEW = 1\n")
    pack.chmod(0o555)
    try:
        job.take()
    finally:
        pack.chmod(0o755)

    assert () == verify(job.root_dir).findings


def test_a_checkpoint_made_again_keeps_its_history(job, git):
    """Whoever made `ckpt-N` before stays referred to, in order, and is not collected."""
    run = job.root_dir
    made = [job.take()["id"] for _ in range(3)]
    for snapshot in (*made, made[-1]):
        tag_checkpoint(run, snapshot, 5)

    git(run / "snapshots.git", "gc", "--quiet", "--prune=now")

    with Store(run) as store:
        assert made[2] == store.resolve("ckpt-5").id
        assert {5: made[:2]} == {
            n: [c[:12] for c in old] for n, old in store.old_checkpoints().items()
        }
        assert {5} == {n for numbers in store.checkpoints().values() for n in numbers}
