"""Real packages in real folders, and a job script that takes a snapshot of them."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

JOB = """
import json, sys
{imports}
from alf.snapshot import take

arguments = json.loads(sys.argv[1])
snapshot = take(
    arguments["root_dir"],
    confs=arguments["confs"],
    conf_text_path=arguments["conf_text"],
    seed=7,
)
json.dump(snapshot.to_json(), sys.stdout)
"""


def write_files(folder: Path, files: dict[str, str | bytes]) -> None:
    """Writes texts and bytes below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def age(folder: Path, seconds: float = 3600) -> None:
    """Sets the time of all files back, so that they count as settled."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            status = path.stat()
            os.utime(path, (status.st_atime - seconds, status.st_mtime - seconds))


@dataclass
class Project:
    """Code of a user, and the job that runs it."""

    folder: Path
    root_dir: Path
    import_path: list[Path] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    confs: list[str] = field(default_factory=list)
    conf_text: str | None = None
    checkout: Path = CHECKOUT

    def command(self) -> list[str]:
        import json

        script = self.folder / "job_script.py"
        imports = "\n".join(f"import {name}" for name in self.imports)
        script.write_text(JOB.format(imports=imports))
        arguments = {
            "root_dir": str(self.root_dir),
            "confs": self.confs,
            "conf_text": self.conf_text,
        }
        return [sys.executable, str(script), json.dumps(arguments)]

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(str(p) for p in [*self.import_path, self.checkout])
        return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def take(self, cwd: Path | None = None) -> dict:
        """Runs the job in a process of its own; returns what `take` returned, as JSON."""
        import json

        done = subprocess.run(
            self.command(),
            env=self.environment(),
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def make_project() -> Callable[[Path], Project]:
    """Makes a sibling package with untracked data, imported through PYTHONPATH, in a folder."""

    def make(base: Path) -> Project:
        folder = base / "work"
        write_files(
            folder / "sibling_repo",
            {
                "my_project/__init__.py": "",
                "my_project/agent.py": "ANSWER = 42\n",
                "my_project/never_imported.py": "OTHER = 1\n",
                "my_project/data/env.yaml": "speed: 3\n",
                "my_project/data/mesh.bin": bytes(range(256)) * 10,
                "my_project/__pycache__/agent.cpython-311.pyc": b"stale",
                "README.md": "outside of the package\n",
            },
        )
        return Project(
            folder,
            base / "job",
            import_path=[folder / "sibling_repo"],
            imports=["my_project.agent"],
        )

    return make


@pytest.fixture
def project(make_project, tmp_path: Path) -> Project:
    """A sibling package with untracked data, imported through PYTHONPATH."""
    return make_project(tmp_path)


@pytest.fixture
def git(tmp_path: Path):
    """Runs stock git and returns what it prints; the test is skipped where there is none."""
    import shutil

    binary = shutil.which("git")
    if binary is None:
        pytest.skip("git is not installed")

    def call(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            [binary, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        )
        return done.stdout + done.stderr

    return call
