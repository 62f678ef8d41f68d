"""The root dir's plain files: equal to the snapshot, editable, and never at a user's cost."""

import json

import pytest

from alf.errors import SnapshotError
from alf.snapshot.pack import BLOB
from alf.snapshot.records import Manifest, Package
from alf.snapshot.store import EXECUTABLE_MODE, FILE_MODE, Blob, Store
from alf.snapshot.working_copy import (
    Record,
    copied_entry,
    edited_files,
    export_files,
    heal,
    write_working_copy,
)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "job", create=True) as made:
        yield made


def snapshot(store: Store, files: dict[str, bytes], mode: int = FILE_MODE):
    """A snapshot of one package `alf`."""
    manifest = Manifest((Package("alf", "package", "/src", len(files), 0),), (), {})
    text = json.dumps(manifest.to_json()).encode()
    with store.pack_writer() as pack:
        blobs = {path: Blob(pack.add(BLOB, data).hex(), mode) for path, data in files.items()}
        blobs["snapshot.json"] = Blob(pack.add(BLOB, text).hex(), FILE_MODE)
        name = store.commit(blobs, "s", {}, pack, store.newest(), 1_900_000_000)
    store.move_main(name)
    return store.entry(name)


def on_disk(store: Store) -> dict[str, bytes]:
    root = store.root_dir
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "snapshots.git" not in path.parts
    }


def test_copy_follows_the_snapshot(store):
    """Files are added, changed and removed as the snapshot has them; empty folders go."""
    write_working_copy(store, snapshot(store, {"alf/a.py": b"1", "alf/old/b.py": b"2"}))
    files = {"alf/a.py": b"one", "alf/new/c.py": b"3"}

    assert [] == write_working_copy(store, snapshot(store, files))

    assert files == on_disk(store)
    assert not (store.root_dir / "alf" / "old").exists()


def test_same_files_are_not_touched(store):
    """A file that is the same already keeps its time."""
    write_working_copy(store, snapshot(store, {"alf/a.py": b"1", "alf/b.py": b"2"}))
    before = (store.root_dir / "alf" / "a.py").stat().st_mtime_ns

    write_working_copy(store, snapshot(store, {"alf/a.py": b"1", "alf/b.py": b"3"}))

    assert before == (store.root_dir / "alf" / "a.py").stat().st_mtime_ns


def test_users_own_files_stay(store):
    """What a user put beside the copy survives, also in a folder that the snapshot leaves."""
    write_working_copy(store, snapshot(store, {"alf/a.py": b"1", "alf/sub/b.py": b"2"}))
    (store.root_dir / "alf" / "sub" / "notes.txt").write_text("mine")
    (store.root_dir / "train").mkdir()
    (store.root_dir / "train" / "result.json").write_text("{}")

    write_working_copy(store, snapshot(store, {"alf/a.py": b"1"}))

    assert {"alf/a.py", "alf/sub/notes.txt", "train/result.json"} == set(on_disk(store))


def test_replaced_edits_are_kept_in_the_store(store, git):
    """An edit that a new snapshot replaces is reported, and its text stays readable."""
    write_working_copy(store, snapshot(store, {"alf/a.py": b"1", "alf/b.py": b"1"}))
    (store.root_dir / "alf" / "a.py").write_bytes(b"edited")

    replaced = write_working_copy(store, snapshot(store, {"alf/a.py": b"2", "alf/b.py": b"1"}))

    assert ["alf/a.py"] == replaced
    assert b"2" == (store.root_dir / "alf" / "a.py").read_bytes()
    (ref,) = git(store.path, "for-each-ref", "--format=%(refname)", "refs/edits").split()
    assert "edited" == git(store.path, "show", f"{ref}:alf/a.py")


def test_an_edit_of_same_size_and_another_time_is_seen(store):
    """Sizes do not decide."""
    entry = snapshot(store, {"alf/a.py": b"1"})
    write_working_copy(store, entry)
    (store.root_dir / "alf" / "a.py").write_bytes(b"2")

    assert {"alf/a.py": "modified"} == edited_files(store, entry)


def test_every_kind_of_edit_is_named(store):
    """Modified, missing and added files differ; caches do not."""
    entry = snapshot(store, {"alf/a.py": b"1", "alf/b.py": b"2", "alf/c.py": b"3"})
    write_working_copy(store, entry)
    folder = store.root_dir / "alf"
    (folder / "a.py").write_bytes(b"x")
    (folder / "b.py").unlink()
    (folder / "extra.py").write_bytes(b"")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"")

    assert edited_files(store, entry) == {
        "alf/a.py": "modified",
        "alf/b.py": "missing",
        "alf/extra.py": "added",
    }


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_interrupted_copy_is_finished(store, monkeypatch, moment):
    """After a crash in the middle the record knows both sides, and healing ends at the new one."""
    write_working_copy(store, snapshot(store, {"alf/a.py": b"1", "alf/gone.py": b"1"}))
    files = {"alf/a.py": b"2", "alf/b.py": b"2", "alf/c.py": b"2"}
    entry = snapshot(store, files)
    count = 0

    def read(self, blob_id):
        nonlocal count
        count += 1
        if count == moment:
            raise KeyboardInterrupt  # as abrupt as a kill: nothing below catches it
        return original(self, blob_id)

    original = Store.read
    monkeypatch.setattr(Store, "read", read)
    with pytest.raises(KeyboardInterrupt):
        write_working_copy(store, entry)
    monkeypatch.undo()
    assert not Record.load(store).is_whole

    heal(store)

    assert files == on_disk(store)
    assert entry == copied_entry(store)
    assert [] == [ref for ref in store.references() if "edits" in ref]


def test_executable_files_stay_executable(store):
    """The mode of a script is kept."""
    write_working_copy(store, snapshot(store, {"alf/run.sh": b""}, mode=EXECUTABLE_MODE))

    assert (store.root_dir / "alf" / "run.sh").stat().st_mode & 0o100


def test_links_in_the_copy_do_not_lead_out(store, tmp_path):
    """A folder that was replaced by a link is made a folder again; its target is untouched."""
    write_working_copy(store, snapshot(store, {"alf/sub/a.py": b"1"}))
    outside = tmp_path / "outside"
    outside.mkdir()
    (store.root_dir / "alf" / "sub" / "a.py").unlink()
    (store.root_dir / "alf" / "sub").rmdir()
    (store.root_dir / "alf" / "sub").symlink_to(outside)

    write_working_copy(store, snapshot(store, {"alf/sub/a.py": b"2"}))

    assert [] == list(outside.iterdir())
    assert b"2" == (store.root_dir / "alf" / "sub" / "a.py").read_bytes()


def test_export_refuses_a_folder_that_holds_something(store, tmp_path):
    """Export overwrites nothing."""
    entry = snapshot(store, {"alf/a.py": b"1"})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")

    with pytest.raises(SnapshotError, match="not an empty folder"):
        export_files(store, entry, tmp_path / "full")

    assert 2 == export_files(store, entry, tmp_path / "new" / "deep")


def test_packages_that_run_in_place_are_left_alone(store):
    """What the job itself runs from this root dir is neither rewritten nor removed."""
    write_working_copy(store, snapshot(store, {"alf/a.py": b"1", "lib/b.py": b"1"}))
    (store.root_dir / "alf" / "a.py").write_bytes(b"running")

    assert [] == write_working_copy(store, snapshot(store, {"lib/b.py": b"2"}), in_place=["alf"])

    assert {"alf/a.py": b"running", "lib/b.py": b"2"} == on_disk(store)
