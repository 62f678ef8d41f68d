"""The repository: what goes in comes out, stock git agrees, and damage is told."""

import os
import random
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alf.errors import SnapshotError
from alf.snapshot.bundle import copy_of_part
from alf.snapshot.exclusions import is_safe_name
from alf.snapshot.pack import BLOB, TREE, PackWriter, object_id, write_file
from alf.snapshot.store import EXECUTABLE_MODE, FILE_MODE, Blob, Store, changes
from alf.snapshot.working_copy import export_files

NAMES = st.text("abcXYZ019._- äß", min_size=1, max_size=8).filter(is_safe_name)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@st.composite
def trees(draw):
    """Path -> (content, executable), without a file that is a folder of another."""
    found = draw(
        st.dictionaries(PATHS, st.tuples(st.binary(max_size=3000), st.booleans()), max_size=12)
    )
    return {
        path: content
        for path, content in found.items()
        if not any(other.startswith(path + "/") for other in found)
    }


def commit(store: Store, files: dict[str, bytes], parent: str | None = None) -> str:
    with store.pack_writer() as pack:
        blobs = {path: Blob(pack.add(BLOB, data).hex(), FILE_MODE) for path, data in files.items()}
        name = store.commit(blobs, "summary", {"seed": 3}, pack, parent, 1_900_000_000)
    store.move_main(name)
    return name


@given(tree=trees())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_goes_in_comes_out(tree, tmp_path_factory):
    """Any tree of files, stored and exported, is the same tree."""
    base = tmp_path_factory.mktemp("store")
    with Store(base / "job", create=True) as store:
        with store.pack_writer() as pack:
            blobs = {
                path: Blob(pack.add(BLOB, data).hex(), EXECUTABLE_MODE if executable else FILE_MODE)
                for path, (data, executable) in tree.items()
            }
            name = store.commit(blobs, "s", {}, pack, None, 1_900_000_000)
        store.move_main(name)
        entry = store.resolve(None)

        assert blobs == store.files(entry.tree)
        assert all(store.damage(oid) is None for oid in store.object_ids(entry))
        assert len(tree) == export_files(store, entry, base / "out")

    out = base / "out"
    found = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    assert {path: data for path, (data, _) in tree.items()} == {
        path: file.read_bytes() for path, file in found.items()
    }
    if os.name == "posix":
        modes = {path: bool(file.stat().st_mode & 0o100) for path, file in found.items()}
        assert {path: executable for path, (_, executable) in tree.items()} == modes


@given(sizes=st.lists(st.integers(0, 70_000), max_size=5))
@settings(max_examples=10, deadline=None)
def test_stock_git_reads_every_size(sizes, tmp_path_factory):
    """Object headers of one, two and three bytes are what git expects (it checks all of them)."""
    import shutil
    import subprocess

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    base = tmp_path_factory.mktemp("sizes")
    with Store(base, create=True) as store:
        name = commit(store, {f"f{i}": os.urandom(size) for i, size in enumerate(sizes)})

    done = subprocess.run(
        ["git", "-C", str(base / "snapshots.git"), "fsck", "--strict", "--full"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stdout.replace("notice: HEAD points", ""))
    listed = subprocess.run(
        ["git", "-C", str(base / "snapshots.git"), "ls-tree", "-rl", name],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert sizes == [int(line.split()[3]) for line in listed.splitlines()]


def test_names_are_those_of_git():
    """Names of objects are git's: the empty blob and the empty tree are well known."""
    assert object_id(BLOB, b"").hex() == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert object_id(TREE, b"").hex() == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_history_is_read_after_git_repacked_it(tmp_path, git):
    """A user may run `git gc` on the store; packed refs and deltas are read as well."""
    text = b"line\n" * 500
    with Store(tmp_path, create=True) as store:
        first = commit(store, {"a/b.py": text})
        second = commit(store, {"a/b.py": text + b"more\n"}, first)
        store.tag_checkpoint(first[:12], 40)

    git(tmp_path / "snapshots.git", "gc", "--quiet")

    with Store(tmp_path) as store:
        assert [first, second] == [entry.commit for entry in store.entries()]
        assert {first: [40]} == store.checkpoints()
        assert text == store.read(store.files(store.resolve("ckpt-40").tree)["a/b.py"].id)
        commit(store, {"a/b.py": b"new"}, second)
        assert len(store.entries()) == 3


def test_same_content_is_stored_once(tmp_path):
    """A second snapshot of the same files adds a commit and nothing else."""
    with Store(tmp_path, create=True) as store:
        first = commit(store, {"a.py": b"x" * 100, "copy_of_a.py": b"x" * 100})
        folder = store.path / "objects"
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        blobs = store.files(store.resolve(None).tree)
        with store.pack_writer() as pack:
            store.commit(blobs, "again", {}, pack, first, 1_900_000_001)
            assert 1 == len(pack)

        assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) - size < 300


def test_start_facts_come_back(tmp_path):
    """What was particular to a start is read from the commit; text beyond ASCII too."""
    with Store(tmp_path, create=True) as store:
        with store.pack_writer() as pack:
            start = {"command": ["ü", "a b", "\udcff"], "seed": None}
            name = store.commit({}, "snapshot of ü", start, pack, None, 1_900_000_000)
        store.move_main(name)

        assert start == store.resolve(None).start
        assert store.resolve(None).time == "2030-03-17T17:46:40Z"


@pytest.mark.parametrize("name", ["abcd", "ckpt-7", "main"])
def test_unknown_names(tmp_path, name):
    """An unknown id or checkpoint is answered with those that are known."""
    with Store(tmp_path, create=True) as store:
        first = commit(store, {"a.py": b""})
        store.tag_checkpoint(first, 40)
        known = "40" if name.startswith("ckpt") else first[:12]

        with pytest.raises(SnapshotError, match=known):
            store.resolve(name)


def test_empty_store_and_no_store(tmp_path):
    """Without a store, and without a snapshot in it, the advice is to train."""
    with pytest.raises(SnapshotError, match="nostore_snapshot"):
        Store(tmp_path)
    with Store(tmp_path, create=True) as store, pytest.raises(SnapshotError, match="Train first"):
        store.resolve(None)


def test_checkpoint_of_an_unknown_snapshot(tmp_path):
    """A checkpoint is never noted for a snapshot that is not there."""
    with Store(tmp_path, create=True) as store:
        commit(store, {"a.py": b""})

        with pytest.raises(SnapshotError, match="There is no snapshot"):
            store.tag_checkpoint("000000000000", 1)


@pytest.mark.parametrize("name", [b"..", b".git", b"a\\b", b"C:x", b"GIT~1"])
def test_foreign_trees_cannot_lead_out(tmp_path, name):
    """A tree with a name that leads out of its folder is refused, whoever wrote it."""
    with Store(tmp_path / "job", create=True) as store:
        with store.pack_writer() as pack:
            blob = pack.add(BLOB, b"evil")
            inner = pack.add(TREE, b"100644 " + name + b"\0" + blob)
            tree = pack.add(TREE, b"40000 alf\0" + inner)
            pack.finish()

        with pytest.raises(SnapshotError, match="do not use it"):
            store.files(tree.hex())


def test_foreign_links_are_refused(tmp_path):
    """A symbolic link in a tree is refused."""
    with Store(tmp_path / "job", create=True) as store:
        with store.pack_writer() as pack:
            blob = pack.add(BLOB, b"/etc")
            tree = pack.add(TREE, b"120000 alf\0" + blob)
            pack.finish()

        with pytest.raises(SnapshotError, match="mode 120000"):
            store.files(tree.hex())


@pytest.mark.parametrize(
    ("others", "ending"), [(0, b""), (20, b""), (20, b"\0")], ids=["alone", "text", "data"]
)
def test_damage_is_found(tmp_path, others, ending):
    """Whichever byte of an object is changed, in a file of its own or in a pack, is found."""
    content = b"print(1)\n" * 50 + ending
    files = {"a.py": content} | {f"b{number}.py": b"%d" % number for number in range(others)}
    with Store(tmp_path, create=True) as store:
        name = commit(store, files)
        blob = store.files(store.entry(name).tree)["a.py"].id
        assert store.damage(blob) is None
    objects = tmp_path / "snapshots.git" / "objects"
    loose = objects / blob[:2] / blob[2:]
    assert loose.exists() is (others == 0)
    file = next((objects / "pack").glob("*.pack")) if others else loose
    whole = file.read_bytes()
    joined = b"".join(files.values())
    if ending:
        streams = [zlib.compress(content, 5)]
    elif others:
        streams = [zlib.compress(joined, 5), zlib.compress(copy_of_part(len(joined), 0, 450))]
    else:
        streams = [whole]
    file.chmod(0o644)

    for stream in streams:
        first = whole.index(stream)
        for position in range(first, first + len(stream)):
            data = bytearray(whole)
            data[position] ^= 0xFF
            file.write_bytes(data)
            with Store(tmp_path) as store:
                assert store.damage(blob) is not None, position


def test_small_texts_share_a_stream(tmp_path, git):
    """Texts that have lines in common take less room together, and git reads them."""
    draw = random.Random(0)
    lines = [draw.randbytes(20).hex().encode() + b"\n" for _ in range(200)]
    texts = {f"module_{n}.py": b"".join(draw.choices(lines, k=50)) for n in range(60)}
    with Store(tmp_path, create=True) as store:
        name = commit(store, texts)
        entry = store.entry(name)
        assert texts == {path: store.read(b.id) for path, b in store.files(entry.tree).items()}
    folder = tmp_path / "snapshots.git"
    packed = sum(file.stat().st_size for file in (folder / "objects").rglob("*.*"))
    alone = sum(len(zlib.compress(text, 9)) for text in texts.values())
    assert packed < 0.6 * alone

    assert "" == git(folder, "fsck", "--strict", "--full")
    assert texts["module_7.py"].decode() == git(folder, "show", f"{name}:module_7.py")
    git(folder, "gc", "--quiet", "--prune=now")
    assert "" == git(folder, "fsck", "--strict", "--full")
    with Store(tmp_path) as store:
        assert texts == {path: store.read(b.id) for path, b in store.files(entry.tree).items()}
        assert [name] == list(store.references().values())[:1]


def test_few_objects_are_files_and_many_a_pack(tmp_path):
    """A start that changes little adds no pack; git reads both kinds, and so does `has`."""
    with Store(tmp_path, create=True) as store:
        first = commit(store, {f"{n}.py": b"%d" % n for n in range(20)})
        second = commit(store, {"a.py": b"new"}, first)
        objects = store.path / "objects"
        packs = list((objects / "pack").iterdir())
        loose = [path for path in objects.glob("??/*") if path.is_file()]

        assert (2, 3) == (len(packs), len(loose))  # pack and index; blob, tree, commit
        assert all(map(store.has, (first, second, *store.object_ids(store.entry(first)))))
        assert not store.has("0" * 40)
    with Store(tmp_path) as store:
        assert all(map(store.has, (first, second)))
        pack = next(path for path in packs if path.suffix == ".pack")
        pack.unlink()
        assert store.has(first)  # known since the first question
        store.look_again()
        assert not store.has(first)


def test_unfinished_pack_leaves_nothing(tmp_path):
    """A pack that is given up leaves no file; a killed writer's file goes with the next pack."""
    with Store(tmp_path, create=True) as store:
        folder = store.path / "objects" / "pack"
        with store.pack_writer() as pack:
            pack.add(BLOB, b"x")
        assert [] == list(folder.iterdir())

        (folder / "tmp_alf_killed.pack").write_bytes(b"half")
        with store.pack_writer() as pack:
            pack.finish()
        assert [] == list(folder.iterdir())


def test_write_file_is_whole_or_not_at_all(tmp_path):
    """A write that fails leaves the old file and nothing beside it."""
    target = tmp_path / "file"
    target.write_bytes(b"old")

    with pytest.raises(TypeError):
        write_file(target, "not bytes", aside=tmp_path)  # pyright: ignore[reportArgumentType]

    assert ([target], b"old") == (list(tmp_path.iterdir()), target.read_bytes())


def test_changes():
    """A mode counts as a change; the manifest does not."""
    one, two = Blob("1" * 40, FILE_MODE), Blob("1" * 40, EXECUTABLE_MODE)
    before = {"same": one, "gone": one, "mode": one, "snapshot.json": one}
    after = {"same": one, "new": one, "mode": two, "snapshot.json": two}

    assert changes(before, after) == {"gone": "removed", "mode": "modified", "new": "added"}


def test_pack_writer_stores_an_object_once(tmp_path):
    """The same content twice is one object."""
    with PackWriter(tmp_path) as pack:
        assert pack.add(BLOB, b"a") == pack.add(BLOB, b"a")
        assert 1 == len(pack)
