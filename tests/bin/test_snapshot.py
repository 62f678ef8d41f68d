"""`alf snapshot`, as a user runs it."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alf.bin import snapshot as command
from alf.bin.snapshot import _proof_lines
from alf.snapshot import Store, tag_checkpoint, take
from alf.snapshot.proving import Proof

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A root dir with two snapshots of a package that changed between them, and a checkpoint."""
    source = tmp_path / "source"
    (source / "toy_project").mkdir(parents=True)
    (source / "toy_project" / "__init__.py").write_text("")
    (source / "toy_project" / "model.py").write_text("WIDTH = 3\nDEPTH = 1\n")
    (source / "toy_project" / "old.py").write_text("")
    monkeypatch.syspath_prepend(str(source))
    import toy_project  # pyright: ignore[reportMissingImports]

    root = tmp_path / "job"
    modules = {"toy_project": toy_project}
    ids = [take(root, modules=modules, command=["train"], seed=1).id]
    (source / "toy_project" / "model.py").write_text("WIDTH = 4\nDEPTH = 1\n")
    (source / "toy_project" / "old.py").unlink()
    (source / "toy_project" / "new.py").write_text("")
    ids.append(take(root, modules=modules, command=["train"]).id)
    folder = root / "train" / "algorithm" / "ckpt-20"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    (folder / "checkpoint.json").write_text(json.dumps({"digests": {"model.safetensors": digest}}))
    tag_checkpoint(root, ids[0], 20)
    yield root, ids, source
    sys.modules.pop("toy_project", None)


def run(capsys, *arguments: object) -> tuple[int, str]:
    code = command.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def run_json(capsys, *arguments: object):
    code, text = run(capsys, *arguments, "--json")
    return code, json.loads(text)


def test_list(job, capsys):
    """Oldest first, with checkpoints and changed paths."""
    root, ids, _ = job

    code, rows = run_json(capsys, "list", "--root_dir", root)

    assert 0 == code
    assert ids == [row["id"] for row in rows]
    assert [[20], []] == [row["checkpoints"] for row in rows]
    changed = ["toy_project/model.py", "toy_project/new.py", "toy_project/old.py"]
    assert [[], changed] == [row["changed"] for row in rows]
    assert all(set(row) == {"id", "time", "checkpoints", "changed"} for row in rows)
    _, text = run(capsys, "list", f"--root_dir={root}")
    assert "ckpt-20" in text
    assert max(map(len, text.splitlines())) <= 80


def test_show(job, capsys):
    """The newest without an ID; every documented field."""
    root, ids, source = job

    code, newest = run_json(capsys, "show", "--root_dir", root)
    _, first = run_json(capsys, "show", "--root_dir", root, "ckpt-20")

    assert (0, ids[1], ids[0]) == (code, newest["id"], first["id"])
    fields = {"id", "time", "seconds", "bytes", "files", "packages", "left_out", "surroundings"}
    assert fields | {"checkpoints"} <= set(newest)
    assert (1, ["train"]) == (first["surroundings"]["seed"], first["surroundings"]["command"])
    mine = next(p for p in newest["packages"] if p["name"] == "toy_project")
    assert (3, str(source)) == (mine["files"], mine["root"])
    _, text = run(capsys, "show", "--root_dir", root, ids[0][:6])
    assert text.startswith(f"snapshot {ids[0]}, taken 2")


def test_proofs_stand_in_columns():
    """As narrow as what they hold, so that a proof that holds fits on a line of a terminal."""
    proofs = [
        Proof(200, "fingerprint", "exact", "64 recorded inputs answered as then, bit for bit"),
        Proof(1000, "trace", "exact", "64 time steps of seed 7 repeat"),
    ]

    lines = [line.plain for line in _proof_lines(proofs)]

    assert lines == [
        "ckpt-200   fingerprint  exact  64 recorded inputs answered as then, bit for bit",
        "ckpt-1000  trace        exact  64 time steps of seed 7 repeat",
    ]
    assert len(lines[0]) <= 80
    assert [] == list(_proof_lines([]))


def test_diff_between_snapshots(job, capsys):
    """Added, removed and modified files with their lines."""
    root, ids, _ = job

    code, found = run_json(capsys, "diff", "--root_dir", root, "ckpt-20", ids[1])

    assert (0, ids) == (code, [found["a"], found["b"]])
    changes = {change["path"]: change for change in found["changed"]}
    assert {path: change["change"] for path, change in changes.items()} == {
        "toy_project/model.py": "modified",
        "toy_project/new.py": "added",
        "toy_project/old.py": "removed",
    }
    assert changes["toy_project/model.py"]["diff"].endswith(
        "@@ -1,2 +1,2 @@\n-WIDTH = 3\n+WIDTH = 4\n DEPTH = 1\n"
    )
    _, text = run(capsys, "diff", "--root_dir", root, ids[0], ids[1])
    assert "+WIDTH = 4" in text
    assert f"3 files differ between {ids[0]} and {ids[1]}." in text


def test_diff_with_current_code(job, capsys):
    """`current` is what an import finds now."""
    root, ids, source = job

    assert [] == run_json(capsys, "diff", "--root_dir", root)[1]["changed"]
    (source / "toy_project" / "model.py").write_text("WIDTH = 5\nDEPTH = 1\n")
    _, found = run_json(capsys, "diff", "--root_dir", root)

    assert (ids[1], "current") == (found["a"], found["b"])
    assert ["toy_project/model.py"] == [change["path"] for change in found["changed"]]
    assert "-WIDTH = 4\n+WIDTH = 5\n" in found["changed"][0]["diff"]


def test_verify_finds_nothing_and_everything(job, capsys):
    """Whole: 0. An edited copy, a damaged checkpoint and a damaged pack are each named: 1."""
    root, _, _ = job
    code, report = run_json(capsys, "verify", "--root_dir", root)
    assert (0, True) == (code, report["ok"])

    (root / "toy_project" / "model.py").write_text("edited")
    (root / "train" / "algorithm" / "ckpt-20" / "model.safetensors").write_bytes(b"weightz")
    pack = sorted((root / "snapshots.git" / "objects" / "pack").glob("*.pack"))[0]
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.chmod(0o644)
    pack.write_bytes(data)
    code, report = run_json(capsys, "verify", "--root_dir", root)

    assert (1, False) == (code, report["ok"])
    found = {(finding["where"], finding["path"]) for finding in report["findings"]}
    assert ("copy", "toy_project/model.py") in found
    assert ("checkpoint", "train/algorithm/ckpt-20/model.safetensors") in found
    assert ("store", pack.relative_to(root).as_posix()) in found
    code, text = run(capsys, "verify", "--root_dir", root)
    assert 1 == code
    assert "model.safetensors: its digest is not the one in checkpoint.json" in text


def test_verify_one_checkpoint(job, capsys):
    """Only that checkpoint; one that is not there is used wrongly."""
    root, _, _ = job
    (root / "toy_project" / "model.py").write_text("edited")

    code, report = run_json(capsys, "verify", "--root_dir", root, "--checkpoint_step", 20)

    assert (0, 1, [20]) == (code, report["snapshots"], report["checkpoints"])
    code, text = run(capsys, "verify", "--root_dir", root, "--checkpoint_step", 21)
    assert 2 == code
    assert "There are: 20" in text


def test_restore(job, capsys):
    """The code of then is back; what was edited is said and kept."""
    root, ids, _ = job
    (root / "toy_project" / "new.py").write_text("my experiment")

    code, result = run_json(capsys, "restore", "--root_dir", root, ids[0])

    assert (0, ["toy_project/new.py"]) == (code, result["replaced_edits"])
    assert "WIDTH = 3\nDEPTH = 1\n" == (root / "toy_project" / "model.py").read_text()
    assert (root / "toy_project" / "old.py").is_file()
    assert not (root / "toy_project" / "new.py").exists()
    assert 0 == run(capsys, "verify", "--root_dir", root)[0]


def test_export(job, capsys, tmp_path):
    """Everything of a snapshot, into an empty folder only."""
    root, ids, _ = job
    target = tmp_path / "out"

    code, result = run_json(capsys, "export", "--root_dir", root, ids[0], "--to", target)

    assert 0 == code
    files = [path for path in target.rglob("*") if path.is_file()]
    assert result["files"] == len(files)
    assert json.loads((target / "snapshot.json").read_text())["schema_version"] == 1
    code, text = run(capsys, "export", "--root_dir", root, ids[0], "--to", target)
    assert 1 == code
    assert "not an empty folder" in text


def test_export_of_a_whole_store(job, capsys, tmp_path):
    """All snapshots and tags, in a store that stock git finds sound; nothing is overwritten."""
    root, ids, _ = job

    code, result = run_json(capsys, "export", "--root_dir", root, "--store", "--to", tmp_path)

    assert 0 == code
    assert result["objects"] > 0
    git = ["git", "-C", str(tmp_path / "snapshots.git")]
    subprocess.run([*git, "fsck", "--strict"], check=True, capture_output=True)
    _, rows = run_json(capsys, "list", "--root_dir", tmp_path)
    assert ids == [row["id"] for row in rows]
    assert 1 == run(capsys, "export", "--root_dir", root, "--store", "--to", tmp_path)[0]
    assert (0, 0) == (
        run(capsys, "export", "--root_dir", root, "--store")[0],
        run_json(capsys, "export", "--root_dir", root, "--store")[1]["objects"],
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export", "--root_dir", "/nowhere"], 2, "--to DIR"),
        (["export", "--root_dir", "/nowhere", "abc", "--store"], 2, "leave out abc"),
        (["list"], 2, "--root_dir"),
        (["list", "--root_dir", "/nowhere"], 1, "There are no snapshots"),
        (["fly", "--root_dir", "/nowhere"], 2, "invalid choice"),
        ([], 2, "required"),
        (["list", "--root", "/nowhere"], 2, "--root_dir"),
    ],
)
def test_wrong_use(capsys, arguments, code, message):
    """Wrong use is 2, trouble is 1, and neither shows a traceback."""
    found, text = run(capsys, *arguments)

    assert code == found
    assert message in text
    assert "Traceback" not in text


def test_help_lists_the_commands(capsys):
    """The help page names each command."""
    code, text = run(capsys, "--help")

    assert 0 == code
    assert all(f"alf snapshot {verb}" in text for verb in ("list", "show", "diff", "verify"))


def test_odd_file_names_are_printed(job, capsys):
    """A name that is no text does not break the output."""
    root, _, _ = job
    if os.name == "nt":
        pytest.skip("all names are text there")
    (root / "toy_project" / os.fsdecode(b"bad\xff\x1b.py")).write_text("")

    code, text = run(capsys, "verify", "--root_dir", root)

    assert 1 == code
    assert "bad\\udcff\\x1b.py: added" in text


def test_it_is_quick_and_without_torch(job):
    """`list` starts without torch and in a fraction of a second."""
    root, _, _ = job
    code = (
        "import sys, alf.bin.snapshot as s\n"
        f"assert s.main(['list', '--root_dir', {str(root)!r}, '--json']) == 0\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True)

    assert time.monotonic() - started < 2  # about 0.2 s on an idle machine


def test_stock_git_agrees(job):
    """The store is a repository like any other."""
    import shutil

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root, ids, _ = job
    git = ["git", "-C", str(root / "snapshots.git")]

    logged = subprocess.run(
        [*git, "log", "--all", "--format=%h %D", "--abbrev=12"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    checked = subprocess.run(
        [*git, "fsck", "--strict", "--full"], capture_output=True, text=True, check=True
    )

    assert [f"{ids[1]} HEAD -> main", f"{ids[0]} tag: ckpt-20"] == logged
    assert "" == checked.stdout
    with Store(root) as store:
        assert 2 == len(store.entries())
