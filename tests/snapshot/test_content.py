"""Reading files once: what the cache may skip, and what it never may."""

import os
import time
import zlib

import pytest

from alf.snapshot import content, progress
from alf.snapshot.content import FileCache, read_steadily, store_files
from alf.snapshot.exclusions import Limits, walk_folder
from alf.snapshot.store import Store


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "package"
    made.mkdir()
    return made


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "job", create=True) as made:
        yield made


def settle(monkeypatch):
    """Lets the cache believe that it is an hour later, when all files count as settled."""
    monkeypatch.setattr(progress.time, "time_ns", lambda: LATER_NS)


LATER_NS = (int(time.time()) + 3600) * 1_000_000_000


def stored(folder, store) -> dict[str, bytes]:
    files = {f.relative: f for f in walk_folder(folder, Limits()).files}
    with store.pack_writer() as pack:
        found = store_files(files, store, pack)
        pack.finish()
    return {path: store.read(blob.id) for path, blob in found.blobs.items()}


def test_settled_files_are_not_read_again(folder, store, monkeypatch):
    """An unchanged, settled file is not opened a second time."""
    settle(monkeypatch)
    (folder / "a.py").write_bytes(b"1")
    stored(folder, store)

    def fail(path):
        raise AssertionError(path)

    monkeypatch.setattr(content, "read_steadily", fail)

    assert {"a.py": b"1"} == stored(folder, store)


def test_young_files_are_read_again(folder, store):
    """A file that was just written can change without a new time stamp, so it is read."""
    file = folder / "a.py"
    file.write_bytes(b"1")
    stamp = file.stat()
    stored(folder, store)
    file.write_bytes(b"2")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert {"a.py": b"2"} == stored(folder, store)


def test_the_cache_keeps_no_young_files(folder):
    """Where time stamps are coarse nothing but its age protects against a file's next change."""
    file = folder / "a.py"
    file.write_bytes(b"1")
    cache = FileCache({})
    cache.note(str(file), file.stat(), "f" * 40)

    assert cache.blob_id(str(file), file.stat()) is None


@pytest.mark.skipif(os.name == "nt", reason="no change time there")
def test_a_time_set_back_does_not_deceive(folder, store, monkeypatch):
    """Same size, same modification time: the change time tells."""
    settle(monkeypatch)
    file = folder / "a.py"
    file.write_bytes(b"1")
    stamp = file.stat()
    stored(folder, store)
    time.sleep(0.02)
    file.write_bytes(b"2")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert {"a.py": b"2"} == stored(folder, store)


def test_cached_content_that_the_store_lost_is_read(folder, store, tmp_path, monkeypatch):
    """The cache alone proves nothing: the object must be in the store."""
    settle(monkeypatch)
    (folder / "a.py").write_bytes(b"1")
    stored(folder, store)
    with Store(tmp_path / "other", create=True) as other:
        (store.path / "alf-files.z").rename(other.path / "alf-files.z")

        assert {"a.py": b"1"} == stored(folder, other)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rules_version": 0, "files": {}}', "\xff"])
@pytest.mark.parametrize("is_packed", [True, False])
def test_damaged_cache_counts_as_empty(tmp_path, text, is_packed):
    """A cache that cannot be read is forgotten."""
    data = text.encode("latin-1")
    (tmp_path / "alf-files.z").write_bytes(zlib.compress(data) if is_packed else data)

    cache = FileCache.load(tmp_path)

    assert cache.blob_id("/a", tmp_path.stat()) is None


def test_vanished_files_are_named(folder, store):
    """A file that goes away between listing and reading is left out with its reason."""
    (folder / "a.py").write_bytes(b"1")
    files = {f.relative: f for f in walk_folder(folder, Limits()).files}
    (folder / "a.py").unlink()
    with store.pack_writer() as pack:
        found = store_files(files, store, pack)

    assert {} == found.blobs
    assert ["a.py"] == [item.path for item in found.left_out]


def test_a_file_that_keeps_changing_is_refused(folder, monkeypatch):
    """A file that is different each time it is looked at is not stored half old, half new."""
    path = folder / "log"
    path.write_bytes(b"")
    real = os.fstat

    def grow(handle):
        with path.open("ab") as file:
            file.write(b"line")
        return real(handle)

    monkeypatch.setattr(content.os, "fstat", grow)

    with pytest.raises(OSError, match="changes while it is read"):
        read_steadily(str(path))


def test_long_captures_say_how_far_they_are(folder, store, monkeypatch):
    """Once a second a line tells files and bytes that are done; short captures say nothing."""
    clock = iter((0.0, 0.5, 1.2, 1.2, 1.5))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    for name in ("a", "b", "c"):
        (folder / name).write_bytes(b"x" * 1_000_000)
    files = {f.relative: f for f in walk_folder(folder, Limits()).files}
    said = []

    with store.pack_writer() as pack:
        store_files(files, store, pack, report=said.append)

    assert ["snapshot  stored: 1 of 3 files, 1 of 3 MB"] == said
