"""Recordings of real plays: every frame is its step, whatever ends the play, on a bare machine."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import av
import cv2
import numpy as np
import pytest

from alf.bin import play
from alf.player.html.join import read_episodes
from alf.player.plan import make_plan

REPOSITORY = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH, BLOCK = 60, 320, 20
LENGTHS = (3, 8, 5)
FAILS_AT = 100

CONF = '''
"""Environments whose picture tells the episode and the step, in blocks of black and white."""

import os
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm


class Painted(CartPoleEnv):
    """Episodes of 3, 8 and 5 steps, by the seed."""

    fails_at = None

    def reset(self, *, seed=None, options=None):
        seen, info = super().reset(seed=seed)
        self.seed = seed or 0
        self.taken = 0
        return seen, info

    def step(self, action):
        self.taken += 1
        if self.taken == self.fails_at:
            raise RuntimeError("the simulator is gone")
        return self._seen(), 1.0, self.taken == self._length(), False, {}

    def _length(self):
        return (3, 8, 5)[self.seed % 3]

    def _seen(self):
        return np.full(4, self.taken % 7 / 10, np.float32)

    def render(self):
        frame = np.full((60, 320, 3), 90, np.uint8)
        for row, number in enumerate((self.taken, self.seed)):
            for bit in range(16):
                shade = 235 if number >> bit & 1 else 20
                frame[row * 20 :][:20, bit * 20 :][:, :20] = shade
        return frame


class Failing(Painted):
    fails_at = 100

    def _length(self):
        return 1000


class Endless(Failing):
    fails_at = None

    def _length(self):
        return None

    def render(self):
        if self.taken in (500, 4000) and "MEMORY" in os.environ:
            status = Path("/proc/self/status").read_text()
            Path(os.environ["MEMORY"], str(self.taken)).write_text(status)
        return super().render()


class Telling(CartPoleEnv):
    """Says which libraries are loaded while it is recorded."""

    def render(self):
        picture = super().render()
        Path(os.environ["LIBRARIES"]).write_text(Path("/proc/self/maps").read_text())
        return picture


for kind in (Painted, Failing, Endless, Telling):
    gymnasium.registry.pop(f"{kind.__name__}-v0", None)  # of an earlier play in this process
    gymnasium.register(f"{kind.__name__}-v0", entry_point=kind)
alf.config(
    "create_environment", env_name="Painted-v0", num_parallel_environments=1, nonparallel=True
)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    unroll_length=4,
    num_iterations=1,
    num_checkpoints=1,
    random_seed=1,
)
'''


@pytest.fixture(scope="module")
def job(checkout, tmp_path_factory) -> Path:
    """The root dir of a job in the painted environment; nobody changes it."""
    folder = tmp_path_factory.mktemp("painted")
    (folder / "painted_conf.py").write_text(CONF)
    argv = ["--root_dir", str(folder / "job"), "--conf", str(folder / "painted_conf.py")]
    done = checkout.run("python", "-m", "alf.bin.train", *argv)
    assert done.returncode == 0, done.stderr
    return folder / "job"


class Films:
    """What a play records: a film, a GIF, a page, pictures and numbers."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.pictures = folder / "frames"
        self.names = ["a.mp4", "a.gif", "a.html", "frames", "a.npz"]
        self.flags = [f"--record_file={folder / name}" for name in self.names]

    def seen(self) -> dict[str, list[tuple[int, int]]]:
        """Of each recording, the step and the seed that are painted in each of its frames."""
        pictures = [cv2.imread(str(path)) for path in sorted(self.pictures.iterdir())]
        return {
            "a.mp4": told(decoded(str(self.folder / "a.mp4"))),
            "a.gif": told(decoded(str(self.folder / "a.gif"))),
            "a.html": told(frames_of_page(self.folder / "a.html")),
            "frames": told([np.asarray(picture) for picture in pictures]),
        }

    def all_of(self, expected: list[tuple[int, int]]) -> dict[str, list[tuple[int, int]]]:
        """What `seen` gives where every recording shows the same."""
        return {name: expected for name in self.names[:4]}

    def left(self) -> set[str]:
        """Everything that lies where the recordings are."""
        return {path.name for path in self.folder.iterdir()}


def decoded(film: str | IO[bytes]) -> list[np.ndarray]:
    with av.open(film, "r") as opened:
        return [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]


def frames_of_page(path: Path) -> list[np.ndarray]:
    """The frames of all films in a page, one after the other."""
    films = re.findall(rb'data-kind="video">([^<]*)</script>', path.read_bytes())
    return [frame for film in films for frame in decoded(io.BytesIO(base64.b64decode(film)))]


def told(pictures: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """What the environment's picture says in each: its step and its seed."""
    place = make_plan((HEIGHT, WIDTH), {}).frame
    assert place is not None
    top = place.top + (place.height - HEIGHT) // 2 + BLOCK // 2
    left = place.left + (place.width - WIDTH) // 2 + BLOCK // 2
    columns = left + BLOCK * np.arange(16)
    rows = ([p[top + BLOCK * row, columns, 0] > 128 for row in range(2)] for p in pictures)
    return [
        (int((step << np.arange(16)).sum()), int((seed << np.arange(16)).sum()))
        for step, seed in rows
    ]


def start(job: Path, *flags: str, **settings: str) -> "subprocess.Popen[str]":
    """Starts a play on a machine without a display."""
    kept = {k: v for k, v in os.environ.items() if "DISPLAY" not in k and k != "SDL_VIDEODRIVER"}
    return subprocess.Popen(
        [sys.executable, "-m", "alf.bin.play", "--root_dir", str(job), *flags],
        cwd=REPOSITORY,
        env={**kept, "OMP_NUM_THREADS": "1", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_frame_i_is_step_i(job, run_here, tmp_path):
    """Each episode has its steps + 1 frames in every recording, in order, and nothing between."""
    films, report = Films(tmp_path), tmp_path / "report.json"
    flags = ["--num_episodes=3", "--random_seed=3", f"--report_file={report}", *films.flags]
    code, said, complained = run_here(play.main, "--root_dir", str(job), *flags)
    assert code == 0, complained
    told = json.loads(report.read_text())["episodes"]

    assert [(e["seed"], e["length"], e["return"]) for e in told] == [
        (3 + i, length, length) for i, length in enumerate(LENGTHS)
    ]
    expected = [(step, 3 + i) for i, length in enumerate(LENGTHS) for step in range(length + 1)]
    assert films.seen() == films.all_of(expected)
    with np.load(tmp_path / "a.npz") as numbers:
        assert list(zip(numbers["step"], numbers["seed"], strict=True)) == expected
    assert f"{len(expected)} frames" in said


def test_an_environment_that_raises_leaves_all_that_was_played(job, run_here, tmp_path):
    """It fails at step 100: each recording opens, and holds steps 0 to 99."""
    films = Films(tmp_path)
    failing = "--conf_param=create_environment.env_name='Failing-v0'"
    flags = [failing, "--num_episodes=1", "--random_seed=7", *films.flags]
    code, _, complained = run_here(play.main, "--root_dir", str(job), *flags)

    assert code == 1
    assert "the simulator is gone" in complained
    assert films.seen() == films.all_of([(step, 7) for step in range(FAILS_AT)])
    assert films.left() == set(films.names)
    (episode,) = read_episodes(tmp_path / "a.html")
    assert (episode.facts["ended"], episode.facts["length"]) == ("interrupted", FAILS_AT - 1)
    with np.load(tmp_path / "a.npz") as numbers:
        assert numbers["step"].tolist() == list(range(FAILS_AT))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_all_that_was_played(job, tmp_path, number, code):
    """Pressed twice, as people do: all recordings end with the same step, and open."""
    films = Films(tmp_path)
    endless = "--conf_param=create_environment.env_name='Endless-v0'"
    with start(job, *films.flags, endless, "--num_episodes=1", "--random_seed=7") as child:
        wait_for(films.pictures / "frame_000060.png", child)
        child.send_signal(number)
        time.sleep(0.02)
        child.send_signal(number)
        said, complained = child.communicate(timeout=60)
    seen = films.seen()
    count = len(seen["frames"])

    # The second one may find the process already on its way out, and end it there.
    assert child.returncode in (code, -number), complained
    assert count > FAILS_AT // 2
    assert seen == films.all_of([(step, 7) for step in range(count)])
    assert films.left() == set(films.names)
    assert said.count(f"{count} frames") == 3  # of the film, the GIF and the page
    with np.load(tmp_path / "a.npz") as numbers:
        assert numbers["step"].tolist() == list(range(count))


def wait_for(path: Path, child: "subprocess.Popen[str]") -> None:
    give_up = time.monotonic() + 60
    while not path.exists():
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < give_up
        time.sleep(0.02)


# What a machine without a screen may lack. A file of this name that is no library is as good as
# none: what asks for it fails.
ABSENT = [
    *("libX11.so.6", "libX11-xcb.so.1", "libxcb.so.1", "libXext.so.6", "libXrender.so.1"),
    *("libXi.so.6", "libXcursor.so.1", "libXrandr.so.2", "libXss.so.1", "libXfixes.so.3"),
    *("libGL.so.1", "libGLX.so.0", "libEGL.so.1", "libGLESv2.so.2", "libOpenGL.so.0"),
    *("libGLdispatch.so.0", "libOSMesa.so.8", "libwayland-client.so.0", "libavcodec.so.61"),
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_bare_machine_records_everything(job, tmp_path):
    """No display, no library of X or OpenGL, no program on the path: all but a window works."""
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ABSENT:
        (bare / name).write_text("no library")
    films = Films(tmp_path / "films")
    telling = "--conf_param=create_environment.env_name='Telling-v0'"
    with start(
        job,
        *films.flags,
        *(telling, "--num_episodes=1", "--alg_render"),
        PATH="/nonexistent",
        LD_LIBRARY_PATH=str(bare),
        LIBRARIES=str(tmp_path / "maps"),
    ) as child:
        said, complained = child.communicate(timeout=120)
    loaded = {line.split()[-1] for line in (tmp_path / "maps").read_text().splitlines()}
    graphic = [path for path in loaded if re.search(r"/lib(X|x?cb|GL|EGL|OSMesa|wayland)", path)]
    frames = decoded(str(tmp_path / "films" / "a.mp4"))

    assert child.returncode == 0, complained
    assert films.left() == set(films.names)
    assert f"{len(frames)} frames" in said
    assert frames[0].shape[1] > 900  # the panels are beside the picture of 600 pixels
    # Wheels may bring parts of their own along; the machine's are not needed.
    assert [path for path in graphic if ".libs/" not in path] == []
    assert any("libx264" in path for path in loaded)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_play(job, tmp_path):
    """After 4,000 steps hardly more than after 500; `benchmarks.play_memory` plays 100,000."""
    endless = "--conf_param=create_environment.env_name='Endless-v0'"
    limit = "--conf_param=suite_gym.load.max_episode_steps=4000"
    record = [f"--record_file={tmp_path / name}" for name in ("a.mp4", "a.html", "a.npz")]
    with start(job, endless, limit, "--num_episodes=1", *record, MEMORY=str(tmp_path)) as child:
        said, complained = child.communicate(timeout=200)
    assert child.returncode == 0, complained
    assert "4001 frames" in said
    # The highest until then, in kB.
    first, last = (
        int(re.findall(r"VmHWM:\s*(\d+)", (tmp_path / name).read_text())[0])
        for name in ("500", "4000")
    )

    assert last - first < 12_000
