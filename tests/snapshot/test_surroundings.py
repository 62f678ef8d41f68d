"""What is recorded of the machine and the installed packages, and what is not."""

import importlib.metadata
import json
import platform
import socket
import sys

import pytest

from alf.snapshot.records import LeftOut, Manifest, Package
from alf.snapshot.surroundings import (
    describe_surroundings,
    installed_distributions,
    without_credentials,
)


def test_versions_agree_with_importlib():
    """Names and versions read from folder names are those that importlib.metadata parses."""
    found = installed_distributions(sys.path)

    for name in ("torch", "numpy", "dulwich", "rich", "pytest"):
        assert importlib.metadata.version(name) == found[name].partition(" ")[0]


def test_origins(tmp_path):
    """An editable install and a URL are named, without credentials."""
    for folder, data in {
        "my_pkg-1.0.dist-info": {"url": "file:///home/me/my", "dir_info": {"editable": True}},
        "other-2.0+cpu.dist-info": {
            "url": "https://me:to" + "ken@host/x.git?key=1",
            "vcs_info": {"commit_id": "abc"},
        },
        "plain-3.dist-info": None,
        "broken-4.dist-info": [],
    }.items():
        (tmp_path / folder).mkdir()
        if data is not None:
            (tmp_path / folder / "direct_url.json").write_text(json.dumps(data))

    assert installed_distributions([str(tmp_path), str(tmp_path / "missing")]) == {
        "my-pkg": "1.0 @ file:///home/me/my (editable)",
        "other": "2.0+cpu @ https://host/x.git#abc",
        "plain": "3",
        "broken": "4",
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pw@host:8080/a/b?x=1#y", "https://host:8080/a/b"),
        ("ssh://git@host/a.git", "ssh://host/a.git"),
        ("git@host:me/a.git", "host:me/a.git"),
        ("file:///a/b", "file:///a/b"),
        ("/a/b", "/a/b"),
        ("https://host:bad/", "(not a URL)"),
    ],
)
def test_credentials_are_removed(url, expected):
    """No user, password or query is left in a URL."""
    assert expected == without_credentials(url)


def test_environment_is_an_allow_list(monkeypatch):
    """Variables that change results are recorded; all others, and the host's name, are not."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("WANDB_API_KEY", "hush")
    monkeypatch.setenv("PATH_TO_HUSH", "hush")

    found = describe_surroundings([])

    assert {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0"}.items() <= found[
        "environment"
    ].items()
    text = json.dumps(found)
    assert "hush" not in text
    assert socket.gethostname() not in text or len(socket.gethostname()) < 4
    assert platform.python_version() == found["python"]["version"]


def test_manifest_survives_json():
    """A manifest reads back equal, and ignores what a later version added."""
    manifest = Manifest(
        (Package("alf", "package", "/src", 3, 40),), (LeftOut("a", "cache", 0),), {"python": {}}
    )
    data = json.loads(json.dumps(manifest.to_json()))
    data["packages"][0]["new_field"] = 1

    assert manifest == Manifest.from_json(data)
