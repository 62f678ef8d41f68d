"""What is said about a source tree's commit, with repositories that dulwich and stock git made."""

import pytest
from dulwich import porcelain

from alf.snapshot.git_state import describe_git


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit of `pkg/a.py`, made without a git binary."""
    folder = tmp_path / "repo"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "a.py").write_text("one\ntwo\n")
    (folder / "gone.txt").write_text("x\n")
    with porcelain.open_repo_closing(porcelain.init(str(folder))) as repo:
        porcelain.add(repo, [str(folder / "pkg" / "a.py"), str(folder / "gone.txt")])
        commit = porcelain.commit(repo, b"first", author=b"a <a@b>", committer=b"a <a@b>")
        repo.close()
    return folder, commit.decode()


def test_clean_tree(repository):
    """A fresh commit is clean, found from a folder below the top."""
    folder, commit = repository

    state = describe_git(folder / "pkg")

    assert state is not None
    assert (commit, False, "", []) == (
        state["commit"],
        state["dirty"],
        state["diff"],
        state["changed"],
    )
    assert state["branch"] in ("main", "master")


def test_diff_of_tracked_files(repository):
    """Changed and removed files are in the diff; the lines are those of `git diff`."""
    folder, _ = repository
    (folder / "pkg" / "a.py").write_text("one\n2\n")
    (folder / "gone.txt").unlink()
    (folder / "untracked.py").write_text("")

    state = describe_git(folder)

    assert state is not None
    assert ["gone.txt", "pkg/a.py"] == state["changed"]
    assert "--- a/pkg/a.py\n+++ b/pkg/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n" in state["diff"]
    assert "-x\n" in state["diff"]


def test_secrets_are_not_in_the_diff(repository):
    """A tracked secret that changed is named and not shown."""
    folder, _ = repository
    (folder / ".env").write_text("old\n")
    porcelain.add(str(folder), [str(folder / ".env")])
    (folder / "pkg" / "a.py").write_text("-----BEGIN " + "PRIVATE KEY-----\nhush\n")
    (folder / ".env").write_text("PASSWORD=hush\n")

    state = describe_git(folder)

    assert state is not None
    assert [".env", "pkg/a.py"] == state["changed"]
    assert "hush" not in state["diff"]
    assert 2 == state["diff"].count("may hold a secret")


def test_repository_without_a_commit(tmp_path):
    """Before the first commit there is a branch and no commit."""
    porcelain.init(str(tmp_path)).close()

    state = describe_git(tmp_path)

    assert state is not None
    assert (None, False) == (state["commit"], state["dirty"])


def test_no_repository(tmp_path):
    """A folder without git is not an error."""
    assert describe_git(tmp_path) is None


def test_damaged_repository_is_text(repository):
    """A repository that cannot be read is said in words and stops nothing."""
    folder, _ = repository
    (folder / ".git" / "index").write_bytes(b"not an index")

    state = describe_git(folder)

    assert state is not None
    assert state["error"].startswith("git state was not read")


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://me:to" + "ken@host/repo.git", "https://host/repo.git"),
        ("https://me:to" + "k@en@host:8080/repo.git", "https://host:8080/repo.git"),
        ("https://to" + "ken@host/repo.git?token=x#y", "https://host/repo.git"),
        ("HTTPS://me:to" + "ken@host/@scope/repo", "HTTPS://host/@scope/repo"),
        ("me:to" + "ken@host:repo.git", "host:repo.git"),
        ("git@host:group/repo.git", "git@host:group/repo.git"),
        ("ssh://git@host/repo.git", "ssh://host/repo.git"),
        ("/srv/git/repo@v2:1", "/srv/git/repo@v2:1"),
    ],
)
def test_credentials_in_the_remote(repository, git, url, recorded):
    """A token in the URL of the remote is not recorded, in whichever form it stands there."""
    folder, _ = repository
    git(folder, "config", "remote.origin.url", url)

    state = describe_git(folder)

    assert state is not None
    assert recorded == state["remote"]


def test_stock_gits_checkout(repository, git, tmp_path):
    """A clone by stock git is clean, and a detached head has no branch."""
    folder, commit = repository
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(folder), str(clone))
    git(clone, "checkout", "--quiet", "--detach")

    state = describe_git(clone)

    assert state is not None
    assert (commit, None, False) == (state["commit"], state["branch"], state["dirty"])


def test_worktrees(repository, git, tmp_path):
    """A linked worktree, whose .git is a file, is read too."""
    folder, commit = repository
    git(folder, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "tree"))

    state = describe_git(tmp_path / "tree")

    assert state is not None
    assert (commit, "side") == (state["commit"], state["branch"])
