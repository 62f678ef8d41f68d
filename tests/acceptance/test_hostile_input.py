"""Files made to do harm, given to the real commands: refused in words, nothing run or written."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from hashlib import sha1, sha256
from pathlib import Path

import pytest
import torch
from dulwich.objects import Commit, ObjectID, Tree

from alf.bin import grid_search, play, snapshot, train
from alf.errors import CheckpointError, SnapshotError
from alf.replay.saving import opened_buffer
from alf.snapshot.bundle import OFFSET_DELTA, distance
from alf.snapshot.exact_env.record import recorded
from alf.snapshot.pack import BLOB, COMMIT, TREE, _index_bytes, object_id
from alf.snapshot.records import Manifest
from alf.snapshot.store import Store
from alf.snapshot.working_copy import Record, write_working_copy

FILE, FOLDER, LINK, MODULE = 0o100644, 0o040000, 0o120000, 0o160000
DEEP = "[" * 100_000


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, canary: Path):
        self.canary = str(canary)

    def __reduce__(self):
        return (os.mkdir, (self.canary,))


@pytest.fixture
def canary(tmp_path, monkeypatch) -> Path:
    """What appears if anything hostile runs; beside it, a file that must stay as it is."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("as it was")
    monkeypatch.chdir(tmp_path)
    return outside / "canary"


@pytest.fixture(autouse=True)
def _unharmed(canary):
    yield
    assert [path.name for path in canary.parent.iterdir()] == ["precious"]
    assert (canary.parent / "precious").read_text() == "as it was"


def refused(run_here, main, *argv: str) -> str:
    """Runs a command that has to refuse; what it told."""
    code, _, told = run_here(main, *argv)
    assert code in (1, 2)
    assert "Traceback" not in told
    return told


def plant(root_dir: Path, name: str, content: bytes) -> None:
    """Replaces a file of the newest checkpoint, and its digest."""
    folder = root_dir / "train" / "algorithm" / "ckpt-4"
    (folder / name).write_bytes(content)
    index = json.loads((folder / "checkpoint.json").read_text())
    index["digests"][name] = sha256(content).hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps(index))


def archive(data) -> bytes:
    """As torch.save writes it."""
    file = io.BytesIO()
    torch.save(data, file)
    return file.getvalue()


class TestCheckpoint:
    @pytest.mark.parametrize("pack", [archive, pickle.dumps])
    @pytest.mark.parametrize(
        ("name", "main"),
        [("model.safetensors", play), ("fingerprint.pt", play), ("trainer.pt", train)],
    )
    def test_a_pickle_is_not_loaded(self, run_here, root_dir, canary, name, main, pack):
        """Neither play nor resume unpickles what stands in the place of a checkpoint's file."""
        plant(root_dir, name, pack({"state": Bomb(canary)}))
        told = refused(run_here, main.main, "--root_dir", str(root_dir))

        assert f"{name}' cannot be read" in told

    def test_a_pickle_as_replay_buffer(self, tmp_path, canary):
        """The replay buffer is tensors, or it is refused."""
        content = pickle.dumps(Bomb(canary))
        index = {"schema_version": 1, "num_environments": 1, "end_position": 1, "num_steps": 1}
        index |= {"steps": [], "extra": [], "numbers": {}}
        index["digests"] = {"replay.safetensors": sha256(content).hexdigest()}
        (tmp_path / "replay.safetensors").write_bytes(content)
        (tmp_path / "replay.json").write_text(json.dumps(index))

        with pytest.raises(CheckpointError, match="does not hold"), opened_buffer(tmp_path):
            pass

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("replay_digests", {"../../../../outside/precious": "0" * 64}),
            ("replay_digests", {"{outside}/precious": "0" * 64}),
            ("digests", {"..\\precious": "0" * 64}),
            ("digests", ["model.safetensors"]),
            ("iteration", "4"),
            ("snapshot", {"a": 1}),
        ],
    )
    def test_an_index_that_names_other_places(self, run_here, root_dir, canary, key, value):
        """What an index names is read and removed: it must lie in the checkpoint's folder."""
        path = root_dir / "train" / "algorithm" / "ckpt-4" / "checkpoint.json"
        index = json.loads(path.read_text())
        text = json.dumps(index | {key: value}).replace("{outside}", str(canary.parent))
        path.write_text(text)

        for main in (play, train):
            told = refused(run_here, main.main, "--root_dir", str(root_dir))
            assert "checkpoint.json' cannot be read" in told

    @pytest.mark.parametrize("text", [DEEP, '{"a":' * 50_000, "[]", "{", "\0"])
    def test_an_index_that_is_no_index(self, run_here, root_dir, text):
        """JSON without end, or of another kind, is damage and no defect."""
        path = root_dir / "train" / "algorithm" / "ckpt-4" / "checkpoint.json"
        path.write_text(text)

        assert "cannot be read" in refused(run_here, play.main, "--root_dir", str(root_dir))

    def test_an_archive_that_unpacks_to_more_than_itself(self, run_here, root_dir):
        """A few kilobytes that unpack to gigabytes are not unpacked."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("trainer/data.pkl", b"\0" * 50_000_000)
        plant(root_dir, "trainer.pt", file.getvalue())

        assert "unpacks to more" in refused(run_here, train.main, "--root_dir", str(root_dir))

    @pytest.mark.parametrize("state", [{"a": 1}, {"transformer": 3, "metrics": []}])
    def test_a_state_of_something_else(self, run_here, root_dir, state):
        """Plain data that is no state of a job is an answer, too."""
        plant(root_dir, "trainer.pt", archive(state))
        told = refused(run_here, train.main, "--root_dir", str(root_dir))

        assert "trainer.pt' holds no state that this job can go on from" in told

    def test_a_header_without_end(self, run_here, root_dir):
        """A length of exabytes is not allocated."""
        plant(root_dir, "model.safetensors", (1 << 60).to_bytes(8, "little") + b"{}")

        assert "cannot be read" in refused(run_here, play.main, "--root_dir", str(root_dir))


class TestLinks:
    @pytest.mark.parametrize(
        "place",
        [
            "train",
            "eval",
            "snapshots.git",
            "train/algorithm",
            ".alf.lock",
            "train/metrics.jsonl",
            "snapshots.git/alf.lock",
            "snapshots.git/refs/heads/main",
        ],
    )
    def test_a_job_does_not_write_through_links(self, run_here, root_dir, canary, place):
        """A root dir that holds links out of itself is refused before anything is written."""
        path = root_dir / place
        is_folder = path.is_dir()
        if is_folder:
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(canary.parent if is_folder else canary.parent / "precious")
        told = refused(run_here, train.main, "--root_dir", str(root_dir))

        assert "leads out of the root dir" in told

    def test_a_root_dir_may_be_a_link(self, run_here, root_dir, tmp_path):
        """A link to the whole folder, and links that stay inside, are the user's own affair."""
        (tmp_path / "link").symlink_to(root_dir)
        (root_dir / "train" / "newest").symlink_to(root_dir / "train" / "algorithm" / "ckpt-4")
        code, _, told = run_here(train.main, "--root_dir", str(tmp_path / "link"))

        assert code == 0, told


class TestWorkingCopy:
    @pytest.mark.parametrize("place", ["../outside/precious", "{outside}/precious"])
    def test_what_a_record_names_outside_is_not_removed(self, run_here, root_dir, canary, place):
        """The record of what a snapshot placed cannot have other files removed."""
        place = place.replace("{outside}", str(canary.parent))
        with Store(root_dir) as store:
            record = Record.load(store)
            record.files[place] = ["0" * 40, -1, -1]
            record.save(store, sync=False)
            code, _, told = run_here(
                snapshot.main, "restore", "newest", "--root_dir", str(root_dir)
            )

        assert code == 0, told

    def test_links_in_the_copy_are_replaced(self, root_dir, canary):
        """What lies behind a link is not written, removed, or stored as an edit."""
        (root_dir / "alf" / "errors.py").unlink()
        (root_dir / "alf" / "errors.py").symlink_to(canary.parent / "precious")
        shutil.rmtree(root_dir / "alf" / "nest")
        (root_dir / "alf" / "nest").symlink_to(canary.parent)
        with Store(root_dir) as store:
            edits = write_working_copy(store, store.resolve(None))

        assert edits == []
        assert not (root_dir / "alf" / "errors.py").is_symlink()
        assert (root_dir / "alf" / "nest" / "__init__.py").is_file()


class TestSnapshot:
    @pytest.fixture
    def job(self, tmp_path) -> Path:
        return tmp_path / "hostile"

    def store(self, job: Path, items: list[tuple[bytes, int, str]], more=()) -> None:
        """A root dir whose newest snapshot has these items in its topmost folder."""
        with Store(job, create=True) as store:
            tree = Tree()
            for name, mode, oid in items:
                tree.add(name, mode, ObjectID(oid.encode()))
            with store.pack_writer() as pack:
                for kind, data in more:
                    pack.add(kind, data)
                oid = pack.add(TREE, tree.as_raw_string()).hex()
                commit = Commit()
                commit.tree = ObjectID(oid.encode())
                commit.author = commit.committer = b"a <a@a>"
                commit.author_time = commit.commit_time = 1
                commit.author_timezone = commit.commit_timezone = 0
                commit.message = b"x\n\n" + DEEP.encode()
                name = pack.add(COMMIT, commit.as_raw_string()).hex()
                pack.finish()
            store.move_main(name)

    def blob(self, data: bytes) -> tuple[str, tuple[int, bytes]]:
        return object_id(BLOB, data).hex(), (BLOB, data)

    @pytest.mark.parametrize(
        "name",
        [
            b"..",
            b".",
            b".. ",
            b"../outside/canary",
            b"/outside",
            b".git",
            b".GIT",
            b".git.",
            b"git~1",
            ".g\u200cit".encode(),
            b"C:\\x",
            b"a\nb",
            b"\x1b[2J",
        ],
    )
    def test_names_that_lead_elsewhere(self, run_here, job, tmp_path, name):
        """No snapshot is written out whose names mean another place on any platform."""
        oid, stored = self.blob(b"evil")
        self.store(job, [(name, FILE, oid)], [stored])
        argv = ["export", "--root_dir", str(job), "--to", str(tmp_path / "out")]
        told = refused(run_here, snapshot.main, *argv)

        assert "could lead out of its folder" in told
        assert not (tmp_path / "out").exists()
        assert "could lead out" in refused(
            run_here, snapshot.main, "restore", "newest", "--root_dir", str(job)
        )

    @pytest.mark.parametrize("mode", [LINK, MODULE, 0o100777])
    def test_links_and_what_is_no_file(self, run_here, job, tmp_path, mode):
        """A snapshot holds files and folders, nothing else."""
        oid, stored = self.blob(b"../outside/canary")
        self.store(job, [(b"alf", mode, oid)], [stored])
        argv = ["export", "--root_dir", str(job), "--to", str(tmp_path / "out")]

        assert "could lead out" in refused(run_here, snapshot.main, *argv)
        assert not (tmp_path / "out").exists()

    def test_a_file_that_unpacks_to_gigabytes(self, run_here, job, tmp_path):
        """The size that an object says it has is looked at before it is unpacked."""
        name = "f" * 40
        self.store(job, [(b"x", FILE, name)])
        write_bomb(job / "snapshots.git" / "objects" / "pack", name, size=1 << 40)
        argv = ["export", "--root_dir", str(job), "--to", str(tmp_path / "out")]

        assert "1,099.5 GB of memory" in refused(run_here, snapshot.main, *argv)
        assert not (tmp_path / "out").exists()
        with Store(job) as store:
            assert "GB of memory" in str(store.damage(name))

    def test_folders_that_hold_more_files_than_atoms(self, run_here, job, tmp_path, monkeypatch):
        """A few folders, each many times in the one above, are not walked to their end."""
        monkeypatch.setattr("alf.snapshot.object_reader._MOST_FILES", 500)
        oid, stored = self.blob(b"x")
        more = [stored]
        for level in range(8):
            tree = Tree()
            for number in range(10):
                mode = FOLDER if level else FILE
                tree.add(b"%d" % number, mode, ObjectID(oid.encode()))
            oid = tree.id.decode()
            more.append((TREE, tree.as_raw_string()))
        self.store(job, [(b"a", FOLDER, oid)], more)
        argv = ["export", "--root_dir", str(job), "--to", str(tmp_path / "out")]

        assert "more than 500 files" in refused(run_here, snapshot.main, *argv)
        assert not (tmp_path / "out").exists()

    def test_the_same_large_file_everywhere(self, run_here, job, tmp_path, monkeypatch):
        """What a snapshot takes on the disk is counted before the first file is written."""
        monkeypatch.setattr("alf.snapshot.object_reader._MOST_BYTES", 1 << 20)
        oid, stored = self.blob(b"x" * 70_000)
        self.store(job, [(b"%d" % i, FILE, oid) for i in range(20)], [stored])
        argv = ["export", "--root_dir", str(job), "--to", str(tmp_path / "out")]

        assert "on the disk" in refused(run_here, snapshot.main, *argv)
        assert not (tmp_path / "out").exists()

    def test_references_that_lead_out_of_the_store(self, run_here, job, tmp_path):
        """A copy of a store gets no file that its references name outside of it."""
        oid, stored = self.blob(b"x")
        self.store(job, [(b"x", FILE, oid)], [stored])
        with Store(job) as store:
            commit = str(store.newest())
        packed = f"{commit} refs/../../../outside/canary\n"
        (job / "snapshots.git" / "packed-refs").write_text(packed)
        argv = ["export", "--store", "--root_dir", str(job), "--to", str(tmp_path / "out")]
        run_here(snapshot.main, *argv)

    def test_a_python_that_is_a_path(self):
        """What is recorded as a version is never taken for a place."""
        around = {"python": {"version": "../../evil"}, "distributions": {"a": "1"}}
        with pytest.raises(SnapshotError, match="no version of Python"):
            recorded("0" * 12, Manifest((), (), around))


@pytest.mark.parametrize(
    "values",
    [
        "[__import__('os').mkdir('{canary}')]",
        "[().__class__.__base__.__subclasses__()]",
        "open('{canary}', 'w')",
        "[eval('1')]",
        "(lambda: exec('1'))()",
        "[torch.os.mkdir('{canary}')]",
        "[torch.save(1, '{canary}')]",
        "[np.array([1]).tofile('{canary}')]",
        "[torch.tensor([1]).untyped_storage().from_file('{canary}', True, 8)]",
        "[alf._config.overrides.importlib.import_module('os').mkdir('{canary}')]",
        "[alf.environments.suite_gym.os.mkdir('{canary}')]",
        "[(x for x in []).gi_frame.f_builtins['open']('{canary}', 'w')]",
    ],
)
def test_a_search_that_is_a_program(run_here, tmp_path, canary, values):
    """Values of a search are values."""
    search = {"parameters": {"A.b": values.replace("{canary}", str(canary))}}
    (tmp_path / "search.json").write_text(json.dumps(search))
    (tmp_path / "a_conf.py").write_text("import alf\n")
    argv = ["--search_config", "search.json", "--conf", "a_conf.py", "--root_dir", "search"]

    assert "search.json" in refused(run_here, grid_search.main, *argv)
    assert not (tmp_path / "search").exists()


def write_bomb(folder: Path, name: str, size: int) -> None:
    """A pack of a few bytes, in which an object is made of another's by copying it without end."""
    base = bytes([BLOB << 4 | 5]) + zlib.compress(b"small")
    delta = b"\x05" + varint(size) + b"\x90\x05" * 2
    start = b"PACK" + struct.pack(">II", 2, 2)
    made = bytes([OFFSET_DELTA << 4 | len(delta)]) + distance(len(base)) + zlib.compress(delta)
    body = start + base + made
    digest = sha1(body).digest()
    offsets = {b"\0" * 20: (len(start), 0), bytes.fromhex(name): (len(start + base), 0)}
    (folder / "pack-0.pack").write_bytes(body + digest)
    (folder / "pack-0.idx").write_bytes(_index_bytes(offsets, digest))


def varint(number: int) -> bytes:
    """7 bits a byte, lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(0x80 | (number & 0x7F))
        number >>= 7
    return bytes([*found, number])
