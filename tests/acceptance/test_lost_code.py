"""Fourteen ways in which tools have lost the code of an experiment, and that none of them is here.

One job is trained with code from everywhere: a git repository with uncommitted and untracked files,
a shallow clone, an editable install, a folder of no repository; it edits its own files while it
runs and imports some of them late. Queued jobs of a search are in tests/bin/test_grid_search.py.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from alf.snapshot import Store
from alf.snapshot.verify import verify

REPOSITORY = Path(__file__).resolve().parents[2]
SECRET = "s3cr3t-0123456789"
MESH = bytes(range(256)) * 40

AGENT = '''
"""An algorithm that needs its neighbours, its assets, and what others have written."""

import importlib
import json
import os
from pathlib import Path

import hooked_losses
import shallow_package
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm
from my_env.untracked import FACTOR

HERE = Path(__file__).parent
ASSETS = json.loads((HERE / "assets" / "robot.json").read_text())
VERSION = "at the start"


class MyAlgorithm(ActorCriticAlgorithm):
    """Once, between its two checkpoints, somebody edits the code, and more of it is imported."""

    def calc_loss(self, info):
        self.calls = getattr(self, "calls", 0) + 1
        if os.environ.get("EDIT_CODE") and self.calls == 3:
            for name in ("agent.py", "imported_late.py"):
                text = (HERE / name).read_text()
                (HERE / name).write_text(text.replace("at the start", "in the middle"))
            (HERE / "assets" / "robot.json").write_text('{"legs": 99}')
            importlib.import_module("my_env.imported_late")
            importlib.import_module("plain_folder")
        return super().calc_loss(info)
'''

WHICH = """
import json, sys
from pathlib import Path
from alf.snapshot import prove

proof = prove()
from my_env import imported_late, which_version
Path(sys.argv[1]).write_text(json.dumps([which_version.VERSION, imported_late.VERSION,
                                         str(proof.root), imported_late.__file__]))
"""

CONF = """
from functools import partial

import alf
from my_env.agent import MyAlgorithm

alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=2)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(MyAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    unroll_length=4,
    num_iterations=4,
    num_checkpoints=2,
    random_seed=1,
)
"""

# What setuptools writes for `pip install --editable`: a finder, and a file that installs it.
EDITABLE = """
import importlib.util, sys

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "hooked_losses":
            return importlib.util.spec_from_file_location(name, {file!r})
        return None

sys.meta_path.append(Finder)
"""


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=somebody", "-c", "user.email=some@body", "-c", "init.defaultBranch=m")
    done = subprocess.run(
        ["git", "-C", str(folder), *names, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


class Work:
    """Somebody's folders, and the job that was trained with what they hold."""

    def __init__(self, checkout: Any, folder: Path):
        self.checkout = checkout
        self.root_dir = folder / "job"
        self.folder = folder / "work"
        self.repository = self.folder / "repository"
        self.package = self.repository / "my_env"
        self.path = [
            self.folder / "site",
            self.repository,
            self.folder / "shallow",
            self.folder / "plain",
        ]
        self.said = ""

    def write(self) -> None:
        write(
            self.repository,
            {
                "my_env/__init__.py": "",
                "my_env/agent.py": AGENT,
                "my_env/imported_late.py": 'VERSION = "at the start"\n',
                "my_env/assets/robot.json": '{"legs": 4}',
                "my_env/assets/mesh.stl": MESH,
                "my_env/assets/table.csv": "a,b\n1,2\n",
                "my_env/.gitignore": "assets/*.stl\n",
                "confs/my_conf.py": CONF,
            },
        )
        git(self.repository, "init", "--quiet")
        git(self.repository, "add", ".")
        git(self.repository, "commit", "--quiet", "-m", "one")
        url = f"https://somebody:{SECRET}@example.org/repository.git"
        git(self.repository, "remote", "add", "origin", url)
        # All of this is in no commit: an edit, new files, secrets, a film.
        write(
            self.repository,
            {
                "my_env/agent.py": AGENT + "\nUNCOMMITTED = True\n",
                "my_env/untracked.py": "FACTOR = 3\n",
                "my_env/which.py": WHICH,
                "my_env/which_version.py": "VERSION = 'first'\n",
                "my_env/.env": f"TOKEN={SECRET}\n",
                "my_env/id_rsa": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n",
                "my_env/credentials.json": json.dumps({"token": SECRET}),
            },
        )
        with (self.package / "film.mp4").open("wb") as film:
            film.truncate(51_000_000)
        write(self.folder / "far", {"hooked_losses/__init__.py": "WEIGHT = 2\n"})
        hooked = str(self.folder / "far" / "hooked_losses" / "__init__.py")
        write(self.folder / "site", {"sitecustomize.py": EDITABLE.format(file=hooked)})
        write(self.folder / "plain", {"plain_folder/__init__.py": "PLAIN = 1\n"})
        origin = self.folder / "origin"
        write(origin, {"shallow_package/__init__.py": "DEPTH = 1\n"})
        git(origin, "init", "--quiet")
        for message in ("one", "two"):
            write(origin, {"shallow_package/text.txt": message})
            git(origin, "add", ".")
            git(origin, "commit", "--quiet", "-m", message)
        git(self.folder, "clone", "--quiet", "--depth=1", origin.as_uri(), "shallow")

    def run(self, command: str, *argv: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command, far from the repository, without any program on the PATH."""
        path = os.pathsep.join(map(str, [*self.path, self.checkout.folder]))
        return subprocess.run(
            [sys.executable, "-m", f"alf.bin.{command}", "--root_dir", str(self.root_dir), *argv],
            cwd=self.root_dir.parent,
            env={**self.checkout.environment(), "PATH": "/nowhere", "PYTHONPATH": path, **extra},
            capture_output=True,
            text=True,
            check=False,
        )

    def files(self, name: str) -> dict[str, bytes]:
        """All files of a snapshot but those of alf."""
        with Store(self.root_dir) as store:
            files = store.files(store.resolve(name).tree)
            return {p: store.read(b.id) for p, b in files.items() if not p.startswith("alf/")}

    def manifest(self, name: str) -> dict[str, Any]:
        return json.loads(self.files(name)["snapshot.json"])

    def which(self, name: str, folder: Path) -> list[str]:
        """What a process of its own imports that runs a snapshot."""
        out = folder / "which.json"
        code = (
            "import sys; from alf.snapshot import run_with_snapshot as run\n"
            f"sys.exit(run({str(self.root_dir)!r}, 'my_env.which', [{str(out)!r}], {name!r}))"
        )
        path = os.pathsep.join(map(str, [*self.path, self.checkout.folder]))
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True
        )
        return json.loads(out.read_text())


@pytest.fixture(scope="module")
def work(checkout, tmp_path_factory) -> Work:
    """Trained, edited by the job itself between ckpt-2 and ckpt-4, then edited and resumed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    made = Work(checkout, tmp_path_factory.mktemp("lost"))
    made.write()
    conf = str(made.repository / "confs" / "my_conf.py")
    done = made.run("train", "--conf", conf, EDIT_CODE="1")
    assert done.returncode == 0, done.stderr
    made.said = done.stdout + done.stderr
    write(made.package, {"which_version.py": "VERSION = 'second'\n"})
    done = made.run("train", "--conf_param", "TrainerConfig.num_iterations=6")
    assert done.returncode == 0, done.stderr
    return made


def test_1_new_files_that_are_not_in_git(work):
    """Failure 1: a file that was never `git add`ed, or is ignored, is taken like any other."""
    status = git(work.repository, "status", "--porcelain", "--ignored")
    assert "?? my_env/untracked.py" in status
    assert "!! my_env/assets/mesh.stl" in status

    files = work.files("ckpt-2")
    assert b"FACTOR = 3\n" == files["my_env/untracked.py"]
    assert MESH == files["my_env/assets/mesh.stl"]


def test_2_packages_from_outside_of_the_repository(work):
    """Failure 2: an editable install, a clone beside it, and a plain folder are taken too."""
    files = work.files("ckpt-4")

    assert b"WEIGHT = 2\n" == files["hooked_losses/__init__.py"]
    assert b"DEPTH = 1\n" == files["shallow_package/__init__.py"]
    assert b"PLAIN = 1\n" == files["plain_folder/__init__.py"]


def test_3_assets(work):
    """Failure 3: what an environment reads is taken whatever its suffix."""
    files = work.files("ckpt-2")

    assert b'{"legs": 4}' == files["my_env/assets/robot.json"]
    assert b"a,b\n1,2\n" == files["my_env/assets/table.csv"]
    assert MESH == (work.root_dir / "my_env" / "assets" / "mesh.stl").read_bytes()


def test_4_two_snapshots_with_modules_of_one_name(work, tmp_path):
    """Failure 4: each snapshot runs in a process of its own, which finds its own modules alone."""
    first, second = work.which("ckpt-2", tmp_path), work.which("ckpt-6", tmp_path)

    assert ["first", "at the start"] == first[:2]
    assert ["second", "in the middle"] == second[:2]
    for _, _, root, file in (first, second):
        assert file.startswith(root)


def test_5_sizes(work):
    """Failure 5: a film stays out and is named; everything else fits into a few megabytes."""
    left_out = {item["path"]: item for item in work.manifest("ckpt-2")["left_out"]}

    assert 51_000_000 == left_out["my_env/film.mp4"]["bytes"]
    assert "my_env/film.mp4 (larger than 50 MB)" in work.said
    store = work.root_dir / "snapshots.git"
    assert 3_000_000 > sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def test_6_edits_while_the_job_runs(work):
    """Failure 6: the text that ran is stored, be it that of the start or that of a late import."""
    before, after = work.files("ckpt-2"), work.files("ckpt-4")

    assert b"at the start" in before["my_env/imported_late.py"]
    assert b"in the middle" in after["my_env/imported_late.py"]
    for path in ("my_env/agent.py", "my_env/assets/robot.json"):  # in use since the start
        assert before[path] == after[path]
    assert b'VERSION = "at the start"' in after["my_env/agent.py"]
    assert "my_env/imported_late.py had been edited before it was imported" in work.said
    model = work.root_dir / "train" / "algorithm" / "ckpt-4" / "checkpoint.json"
    with Store(work.root_dir) as store:
        assert store.resolve("ckpt-4").id == json.loads(model.read_text())["snapshot"]
        assert store.resolve("ckpt-2").id != store.resolve("ckpt-4").id


def test_7_the_current_folder(work):
    """Failure 7: the job ran in a folder that has nothing to do with the repository."""
    with Store(work.root_dir) as store:
        assert str(work.root_dir.parent) == store.resolve("ckpt-2").start["cwd"]
    roots = {package["name"]: package["root"] for package in work.manifest("ckpt-2")["packages"]}
    assert str(work.repository) == roots["my_env"]


def test_8_no_silent_failure(work, tmp_path):
    """Failure 8: a job says what it took, and how much; what cannot be taken ends it."""
    files = work.files("ckpt-2")
    for package in work.manifest("ckpt-2")["packages"]:
        if package["name"] != "alf":
            count = sum(path.startswith(package["name"]) for path in files)
            assert count == package["files"] > 0
        plural = "s" if package["files"] != 1 else ""
        assert f"{package['name']} ({package['files']} file{plural})" in work.said

    (tmp_path / "snapshots.git").write_text("in the way")
    conf = str(work.repository / "confs" / "my_conf.py")
    done = work.run("train", "--root_dir", str(tmp_path), "--conf", conf)
    assert done.returncode == 1
    assert "snapshots.git" in done.stderr
    assert not (tmp_path / "train" / "algorithm").exists()


def test_9_every_state_of_git(work):
    """Failure 9: dirty, shallow and no repositories are recorded as what they are."""
    manifest = work.manifest("ckpt-4")
    sources = manifest["surroundings"]["sources"]
    dirty, shallow = sources[str(work.repository)], sources[str(work.folder / "shallow")]

    assert dirty["dirty"]
    assert "+UNCOMMITTED = True" in dirty["diff"]
    assert git(work.repository, "rev-parse", "HEAD").strip() == dirty["commit"]
    assert "true\n" == git(work.folder / "shallow", "rev-parse", "--is-shallow-repository")
    assert git(work.folder / "shallow", "rev-parse", "HEAD").strip() == shallow["commit"]
    assert not shallow["dirty"]
    assert str(work.folder / "plain") not in sources


def test_10_resuming_overwrites_nothing(work):
    """Failure 10: the resumed job added a snapshot, and all three are as they were written."""
    with Store(work.root_dir) as store:
        entries = store.entries()
        numbers = store.checkpoints()
    assert [[2], [4], [6]] == [numbers[entry.commit] for entry in entries]
    assert b"VERSION = 'first'\n" == work.files("ckpt-4")["my_env/which_version.py"]
    assert b"VERSION = 'second'\n" == work.files("ckpt-6")["my_env/which_version.py"]
    assert () == verify(work.root_dir).findings


def test_11_many_writers_at_once(tmp_path):
    """Failure 11: ranks that start together take turns, and none loses or mixes anything."""
    code = f"from alf.snapshot import take\nprint(take({str(tmp_path / 'job')!r}).id)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    def start(_: int) -> str:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(start, range(4)))

    with Store(tmp_path / "job") as store:
        assert sorted(ids) == sorted(entry.id for entry in store.entries())
    assert () == verify(tmp_path / "job").findings


def test_12_no_other_program(work):
    """Failure 12: all of this ran without rsync, tar, git or a shell to be found."""
    done = subprocess.run(
        [sys.executable, "-m", "alf.bin.snapshot", "list", "--root_dir", str(work.root_dir)],
        env={**os.environ, "PATH": "/nowhere", "PYTHONPATH": str(work.checkout.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ckpt-2" in done.stdout

    sources = [path.read_text() for path in (REPOSITORY / "alf" / "snapshot").glob("*.py")]
    assert not any("shell=True" in text or "os.system" in text for text in sources)


def test_13_secrets(work):
    """Failure 13: keys, tokens, and the password in git's remote are in no object and no file."""
    secret = SECRET.encode()
    reasons = {item["path"]: item["reason"] for item in work.manifest("ckpt-2")["left_out"]}
    for name in (".env", "id_rsa", "credentials.json"):
        assert "may hold a secret" == reasons[f"my_env/{name}"]
    assert (
        "https://example.org/repository.git"
        == (work.manifest("ckpt-2")["surroundings"]["sources"][str(work.repository)]["remote"])
    )

    with Store(work.root_dir) as store:
        for entry in store.entries():
            for name in store.object_ids(entry):
                assert secret not in store.raw(name)[1]
    for path in work.root_dir.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert secret not in data, path
            if path.suffix == ".z":
                assert secret not in zlib.decompress(data), path


def test_14_names_that_move(work, tmp_path):
    """Failure 14: no model names a class or module, so that none is silently replaced by another.

    When today's code has another name for the module, the snapshot still plays the model.
    """
    for path in (work.root_dir / "train" / "algorithm").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"my_env" not in data, path
            assert b"MyAlgorithm" not in data, path

    (work.package / "agent.py").rename(work.package / "renamed.py")
    report = tmp_path / "report.json"
    argv = ["--num_episodes", "1", "--report_file", str(report)]
    try:
        today = work.run("play", *argv)
        then = work.run("play", *argv, "--use_alf_snapshot")
    finally:
        (work.package / "renamed.py").rename(work.package / "agent.py")
    assert today.returncode == 1
    assert "my_env" in today.stderr
    assert then.returncode == 0, then.stderr
    assert "snapshot" == json.loads(report.read_text())["code"]
