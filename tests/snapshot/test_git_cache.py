"""Comparisons with a commit are remembered exactly as long as they hold."""

import os
import time

import pytest

from alf.snapshot import git_cache, git_state
from alf.snapshot.git_cache import GitCache
from alf.snapshot.git_state import describe_git


@pytest.fixture
def repository(tmp_path, git, monkeypatch):
    """A repository with one commit and an edit; its files count as settled at once."""
    monkeypatch.setattr(git_cache, "SETTLED_NS", -1)
    folder = tmp_path / "repository"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "a.py").write_text("A = 1\n")
    (folder / "package" / "b.py").write_text("B = 1\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one")
    (folder / "package" / "a.py").write_text("A = 2\n")
    return folder


@pytest.fixture
def describe(repository, tmp_path, monkeypatch):
    """Describes the repository with the cache of one store; tells whether it was compared."""
    compared = []
    diff = git_state._diff
    monkeypatch.setattr(git_state, "_diff", lambda *args: compared.append(1) or diff(*args))

    def call():
        compared.clear()
        cache = GitCache(tmp_path)
        found = describe_git(repository / "package", cache)
        cache.save()
        return found, bool(compared)

    return call


def test_untouched_trees_are_not_compared_again(describe):
    """The second description says the same, and reads neither index nor files."""
    first, was_compared = describe()
    assert was_compared
    assert "-A = 1\n+A = 2\n" in first["diff"]

    assert (first, False) == describe()


def test_every_touch_is_seen(describe, repository, git):
    """An edit, a removal, a staged file and a commit each lead to a new comparison."""
    describe()
    for touch, changed in (
        (lambda: (repository / "package" / "b.py").write_text("B = 2\n"), ["a", "b"]),
        ((repository / "package" / "b.py").unlink, ["a", "b"]),
        (lambda: git(repository, "add", "."), ["a", "b"]),
        (
            lambda: git(
                repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "2"
            ),
            [],
        ),
    ):
        touch()
        found, was_compared = describe()
        assert was_compared
        assert [f"package/{name}.py" for name in changed] == found["changed"]
        assert (found, False) == describe()


def test_a_time_set_back_does_not_deceive(describe, repository):
    """The change time catches tools that set the modification time back."""
    file = repository / "package" / "b.py"
    stamp = file.stat()
    describe()
    time.sleep(0.02)
    file.write_text("B = 3\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert "+B = 3" in describe()[0]["diff"]


def test_young_files_are_not_remembered(describe, monkeypatch):
    """A file that was just written can change again without a new time stamp."""
    monkeypatch.setattr(git_cache, "SETTLED_NS", 10**12)
    describe()

    assert describe()[1]


def test_a_damaged_cache_counts_as_empty(describe, tmp_path):
    """What cannot be read is made anew."""
    first, _ = describe()
    (tmp_path / "alf-git.z").write_bytes(b"damaged")

    assert (first, True) == describe()
