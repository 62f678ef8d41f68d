"""What stays out of a snapshot, and what does not."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from alf.snapshot.exclusions import (
    Limits,
    file_reason,
    fit_total,
    holds_private_key,
    is_secret_name,
    walk_folder,
)

ALF = Path(__file__).resolve().parents[2] / "alf"


def walk(folder, **limits):
    found = walk_folder(folder, Limits(**limits))
    return (
        [file.relative for file in found.files],
        {item.path: item.reason for item in found.left_out},
    )


@pytest.mark.parametrize(
    "name",
    [".env", ".env.local", ".ENV", "id_rsa", "id_ed25519", "server.pem", "my.key", ".netrc",
     "_netrc", ".npmrc", ".pypirc", "credentials.json", "credentials-prod.json", "token",
     "client_secret_123.json", "service-account.json", ".git-credentials", "api_key.txt",
     "hf.token", "secrets.yaml", "store.p12"],
)  # fmt: skip
def test_secret_names(name):
    """Names that usually mean a secret are known, in any case."""
    assert is_secret_name(name)
    assert file_reason(name, 10, Limits()) == "may hold a secret"


@pytest.mark.parametrize(
    "name",
    ["env.py", "environment.json", "id_rsa.pub", "keyboard.py", "tokenizer.json", "secrets.py",
     "config.json", "key.py", "monkey", "tokens.py", "special_tokens_map.json"],
)  # fmt: skip
def test_ordinary_names(name):
    """Code and data that only sound like a secret are taken."""
    assert file_reason(name, 10, Limits()) is None


def test_private_keys_by_content():
    """PEM armour at the start of a line is a key; source code that mentions one is not."""
    assert holds_private_key(b"-----BEGIN " + b"OPENSSH PRIVATE KEY-----\nabc")
    assert holds_private_key(b"\n-----BEGIN " + b"PRIVATE KEY-----\n")
    assert not holds_private_key(b"x = '-----BEGIN " + b"PRIVATE KEY-----'")
    assert not holds_private_key(b"")


def test_caches_are_one_line_a_kind(tmp_path):
    """Caches are left out together, by name."""
    for name in ("a/__pycache__/x.pyc", "b/__pycache__/y.pyc", ".git/config", "c/old.pyc", "m.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    files, left_out = walk(tmp_path)

    assert files == ["m.py"]
    assert left_out == {"**/*.pyc": "cache", "**/.git": "cache", "**/__pycache__": "cache"}


def test_other_peoples_folders(tmp_path):
    """Virtual environments and root dirs inside a package are not code of the package."""
    for name in ("venv/pyvenv.cfg", "venv/lib/x.py", "conda/conda-meta/h", "job/snapshots.git/HEAD",
                 "job/alf/x.py", "my.egg-info/PKG-INFO", ".ssh/config", "m.py"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    files, left_out = walk(tmp_path)

    assert files == ["m.py"]
    assert left_out == {
        ".ssh": "may hold a secret",
        "conda": "a virtual environment",
        "job": "a root dir",
        "my.egg-info": "build output",
        "venv": "a virtual environment",
    }


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links(tmp_path):
    """Links inside the folder become their content; all others stay out."""
    package = tmp_path / "package"
    (package / "data").mkdir(parents=True)
    (package / "data" / "a.txt").write_text("a")
    (package / ".env").write_text("s")
    (tmp_path / "outside").mkdir()
    for link, target in {
        "file": "data/a.txt",
        "folder": "data",
        "out": "../outside",
        "gone": "nowhere",
        "loop": ".",
        "data/up": "..",
        "door": ".env",
    }.items():
        (package / link).symlink_to(target)

    files, left_out = walk(package)

    assert files == ["data/a.txt", "file", "folder/a.txt"]
    assert left_out == {
        ".env": "may hold a secret",
        "data/up": "a link that leads outside",
        "door": "a link to something left out (may hold a secret)",
        "folder/up": "a link that leads outside",
        "gone": "a link to nothing",
        "loop": "a link that leads outside",
        "out": "a link that leads outside",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs fifos")
def test_pipes_and_sockets(tmp_path, monkeypatch):
    """What is no file is not opened: a pipe would block for ever."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        files, left_out = walk(tmp_path)

    assert files == []
    assert left_out == {"pipe": "not a regular file", "socket": "not a regular file"}


def test_sizes(tmp_path):
    """A file at the limit is taken, one byte more is not."""
    (tmp_path / "at").write_bytes(b"x" * 100)
    (tmp_path / "above").write_bytes(b"x" * 101)

    assert walk(tmp_path, file_bytes=100) == (["at"], {"above": "larger than 0.0001 MB"})


def test_total_drops_the_largest_first(tmp_path):
    """60 + 30 + 20 = 110 bytes in 50: without 60 it fits."""
    for name, size in {"a": 20, "b": 60, "c": 30}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    files = walk_folder(tmp_path, Limits()).files

    taken, dropped = fit_total(files, Limits(total_bytes=50))

    assert (["a", "c"], ["b"]) == ([f.relative for f in taken], [f.relative for f in dropped])


@pytest.mark.skipif(os.name == "nt", reason="such names cannot exist there")
def test_names_that_some_platform_cannot_store(tmp_path):
    """A name that would lead elsewhere on another platform stays out and is said."""
    (tmp_path / "a:b").write_text("")
    (tmp_path / "a\\b").mkdir()

    files, left_out = walk(tmp_path)

    assert files == []
    assert set(left_out.values()) == {"its name cannot be stored on every platform"}


def test_own_source_is_complete():
    """No file of alf itself looks like a secret."""
    _, left_out = walk(ALF)

    assert [] == [path for path, reason in left_out.items() if reason != "cache"]


def test_unreadable_folder(tmp_path):
    """A folder that may not be listed is named."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0)
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("this user may read everything")

    assert walk(tmp_path) == ([], {"closed": "cannot be read: Permission denied"})


def test_it_starts_without_torch():
    """Importing the package imports no torch."""
    code = "import sys, alf.snapshot; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ALF.parent, check=False)

    assert 0 == done.returncode
