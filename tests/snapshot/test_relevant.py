"""Of all that changed since a snapshot, what can matter to this process comes first."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alf.errors import SnapshotError
from alf.snapshot.relevant import Changed, changed_since

# A process of somebody who imported this and that, and asks.
ASK = """
import importlib, json, sys
from pathlib import Path
import alf.snapshot.relevant as relevant

arguments = json.loads(sys.argv[1])
for name in arguments["imports"]:
    importlib.import_module(name)
found = relevant.changed_since(arguments["root_dir"], arguments["name"])
json.dump([found.loaded, found.others], sys.stdout)
"""


@pytest.fixture
def job(project):
    """A project with a conf, a package, a single module and data, of which a snapshot was taken."""
    confs = project.folder / "confs"
    confs.mkdir()
    (confs / "my_conf.py").write_text("SPEED = 1\n")
    (project.folder / "sibling_repo" / "single.py").write_text("X = 1\n")
    conf_text = project.root_dir.parent / "text.py"
    conf_text.write_text("# recorded\n")
    project.imports = ["my_project.agent", "single"]
    project.confs = [str(confs / "my_conf.py")]
    project.conf_text = str(conf_text)
    project.take()
    (project.root_dir / "alf_config.py").write_text("# recorded\n")
    return project


def asked(job, *imports: str, name: str = "newest") -> Changed:
    """What a new process with these modules is told."""
    arguments = {"root_dir": str(job.root_dir), "name": name, "imports": imports}
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(arguments)],
        env=job.environment(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Changed(*map(tuple, json.loads(done.stdout)))


def edit(job, path: str) -> Path:
    """Adds a line to a file of the project."""
    file = job.folder / path
    file.write_text(file.read_text() + "# edited\n")
    return file


def test_nothing_changed(job):
    """Code that is as it was gives no name at all."""
    assert asked(job, "my_project.agent", "single") == Changed((), ())


def test_what_was_imported_comes_apart_from_the_rest(job):
    """A module counts if this process has it, whether it is in a package or alone."""
    for path in ("agent.py", "never_imported.py", "data/env.yaml"):
        edit(job, f"sibling_repo/my_project/{path}")
    edit(job, "sibling_repo/single.py")
    others = ("my_project/data/env.yaml", "my_project/never_imported.py")

    assert asked(job, "my_project.agent", "single") == Changed(
        ("my_project/agent.py", "single.py"), others
    )
    assert asked(job) == Changed((), ("my_project/agent.py", *others, "single.py"))


def test_a_package_s_own_file_counts_once_it_is_imported(job):
    """`__init__.py` is the package."""
    (job.folder / "sibling_repo/my_project/__init__.py").write_text("X = 1\n")

    assert asked(job, "my_project.agent").loaded == ("my_project/__init__.py",)
    assert asked(job).loaded == ()


def test_confs_always_count(job):
    """The configuration that was recorded, and the confs that it came from."""
    edit(job, "confs/my_conf.py")
    (job.root_dir / "alf_config.py").write_text("# edited\n")

    assert asked(job) == Changed(("alf_config.py", "confs/my_conf.py"), ())


def test_code_that_is_gone_counts(job):
    """A module that cannot be imported any more is the likeliest reason of all; data is not."""
    (job.folder / "sibling_repo/my_project/never_imported.py").unlink()
    (job.folder / "sibling_repo/my_project/data/env.yaml").unlink()

    assert asked(job) == Changed(("my_project/never_imported.py",), ("my_project/data/env.yaml",))


def test_new_files_do_not_count_until_they_are_imported(job):
    """A module that nobody imports changes nothing."""
    (job.folder / "sibling_repo/my_project/new.py").write_text("X = 1\n")

    assert asked(job, "my_project") == Changed((), ("my_project/new.py",))
    assert asked(job, "my_project.new") == Changed(("my_project/new.py",), ())


def test_the_user_s_files_come_before_alf_s(job, tmp_path):
    """Who wrote a project looks there first."""
    checkout = tmp_path / "checkout"
    (checkout).mkdir()
    subprocess.run(["cp", "-r", str(job.checkout / "alf"), str(checkout)], check=True)
    job.checkout = checkout
    job.take()
    edit(job, "sibling_repo/my_project/agent.py")
    errors = checkout / "alf/errors.py"
    errors.write_text(errors.read_text() + "# edited\n")

    found = asked(job, "my_project.agent")
    assert found.loaded == ("my_project/agent.py", "alf/errors.py")
    assert found.others == ()


def test_an_unknown_snapshot_is_refused(job):
    """A name that nothing has is no empty answer."""
    with pytest.raises(SnapshotError, match="ckpt-7"):
        changed_since(job.root_dir, "ckpt-7")
