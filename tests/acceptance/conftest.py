"""What the acceptance tests share: checkouts of their own, real processes, and one trained job."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from alf._config import isolated

REPOSITORY = Path(__file__).resolve().parents[2]

# It keeps the pole up for as long as the environment lets it, whatever was learned: so an episode
# is as long as the configuration says.
BALANCING_CONF = '''
"""A conf whose policy balances without learning."""

from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm


class BalancingAlgorithm(ActorCriticAlgorithm):
    """Pushes to the side to which the pole falls."""

    def predict_step(self, inputs, state):
        x, speed, angle, turning = inputs.observation.unbind(-1)
        push_right = angle + 0.5 * turning + 0.05 * x + 0.1 * speed > 0
        return super().predict_step(inputs, state)._replace(output=push_right.long())


alf.config("create_environment", env_name="CartPole-v0", num_parallel_environments=2)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(BalancingAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    unroll_length=4,
    num_iterations=4,
    num_checkpoints=2,
    random_seed=1,
)
'''


class Checkout:
    """A copy of the package in a folder of its own, which tests may break."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copytree(
            REPOSITORY / "alf", folder / "alf", ignore=shutil.ignore_patterns("__pycache__")
        )

    def run(
        self, *argv: str, cwd: Path | None = None, path: Sequence[Path] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command line; `python` is this Python.

        Args:
            argv: the command line.
            cwd: where; the checkout's root if it is left out, so that Python finds it there.
            path: what stands on PYTHONPATH.
        """
        program = sys.executable if argv[0] == "python" else argv[0]
        return subprocess.run(
            [program, *argv[1:]],
            cwd=cwd or self.folder,
            env=self.environment(path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def environment(self, path: Sequence[Path] = ()) -> dict[str, str]:
        """A machine without a display, where Python keeps bytecode as it usually does."""
        dropped = ("PYTHONDONTWRITEBYTECODE", "SDL_VIDEODRIVER", "ALF_SNAPSHOT")
        kept = {k: v for k, v in os.environ.items() if "DISPLAY" not in k and k not in dropped}
        return {**kept, "PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Checkout:
    """One that nobody changes."""
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def new_checkout() -> type[Checkout]:
    """Makes one in a given folder."""
    return Checkout


@pytest.fixture(scope="session")
def balancing_job(checkout, tmp_path_factory) -> Path:
    """The root dir of a finished job with the checkpoints 2 and 4; nobody changes it."""
    folder = tmp_path_factory.mktemp("balancing")
    conf = folder / "balancing_conf.py"
    conf.write_text(BALANCING_CONF)
    argv = ["--root_dir", str(folder / "job"), "--conf", str(conf)]
    done = checkout.run("python", "-m", "alf.bin.train", *argv)
    assert done.returncode == 0, done.stderr
    return folder / "job"


@pytest.fixture
def root_dir(balancing_job, tmp_path) -> Path:
    """A copy of the finished job, to change."""
    copy = tmp_path / "a job"
    shutil.copytree(balancing_job, copy)
    return copy


@pytest.fixture
def run_here(capsys, monkeypatch) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs a command in this process, which is quicker: (main, argv...) -> code, stdout, stderr."""
    # A machine without a display; play sets the driver itself, so both need to be put back.
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.setenv(name, "")

    def run(main: Callable[[Sequence[str]], int], *argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with isolated():  # a process of its own starts with nothing configured
            code = main(argv)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    with _process_settings_restored():
        yield run


@contextlib.contextmanager
def _process_settings_restored() -> Iterator[None]:
    """Train sets these for its whole process."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        assert handlers == {number: signal.getsignal(number) for number in handlers}
