"""The commands of the tutorial's chapter on snapshots and rendering, verbatim and in order.

`<ALF_ROOT>` stands for a copy of the checkout and `/tmp` for a folder of the test's own. Behind
the commands that train stands one more override, so that they do not train for long.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

COMMANDS = {
    "train": (
        "python -m alf.bin.train --root_dir /tmp/alf_tutorial1"
        " --conf <ALF_ROOT>/alf/examples/tutorial/minimal_example_conf.py"
    ),
    "train again": "python -m alf.bin.train --root_dir /tmp/alf_tutorial1",
    "play": "python -m alf.bin.play --root_dir /tmp/alf_tutorial1 --use_alf_snapshot",
    "remove": "rm -rf /tmp/alf_tutorial1",
    "train with an override": (
        "python -m alf.bin.train --root_dir /tmp/alf_tutorial1"
        " --conf <ALF_ROOT>/alf/examples/tutorial/minimal_example_conf.py"
        ' --conf_param="TrainerConfig.summary_interval=100"'
    ),
    "train to render": (
        "python -m alf.bin.train --root_dir /tmp/ac_render"
        " --conf <ALF_ROOT>/alf/examples/tutorial/ac_render_conf.py"
    ),
    "record": (
        "python -m alf.bin.play --root_dir /tmp/ac_render --num_episodes 1"
        " --record_file /tmp/tmp.mp4 --alg_render"
    ),
}
SHORTENED = "--conf_param=TrainerConfig.num_iterations=3"
FRAME_WIDTH, FRAME_HEIGHT = 600, 400  # of CartPole's own picture


class Done(NamedTuple):
    """A command that has run, and the files of the job that it left."""

    code: int
    said: str
    told: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def tmp(tmp_path_factory) -> Path:
    """Stands for `/tmp`."""
    return tmp_path_factory.mktemp("tmp")


@pytest.fixture(scope="module")
def chapter(checkout, tmp) -> dict[str, Done]:
    """What each command did, by its title."""
    done: dict[str, Done] = {}
    for title, command in COMMANDS.items():
        line = command.replace("/tmp/", f"{tmp}/").replace("<ALF_ROOT>", str(checkout.folder))
        shortened = [SHORTENED] if "--conf " in line else []
        ran = checkout.run(*shlex.split(line), *shortened)
        files = files_of(tmp / ("ac_render" if "ac_render" in line else "alf_tutorial1"))
        done[title] = Done(ran.returncode, ran.stdout, ran.stderr, files)
    return done


def files_of(folder: Path) -> dict[str, bytes]:
    """Path below the folder -> content, of the Python files there."""
    found = sorted(folder.rglob("*.py")) if folder.exists() else []
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("title", COMMANDS)
def test_each_command_is_done(chapter, title):
    """Exit code 0, and nothing that looks like a failure."""
    done = chapter[title]

    assert done.code == 0, done.told
    assert "Traceback" not in done.told
    assert "Error" not in done.told


@pytest.mark.parametrize("title", ["train", "train again", "train with an override"])
def test_the_snapshot_is_a_clone(chapter, checkout, title):
    """`R/alf` has exactly the structure of the package, file by file."""
    cloned = {name: data for name, data in chapter[title].files.items() if name.startswith("alf/")}
    original = files_of(checkout.folder)

    assert cloned == original
    assert "alf/examples/tutorial/minimal_example_conf.py" in cloned


def test_training_again_takes_a_new_snapshot(chapter):
    """The finished job has nothing left to train, and its code is taken all the same."""
    first, second = (
        re.search(r"^snapshot\s+(\w+): alf \(\d+ files\)", chapter[title].said, re.M)
        for title in ("train", "train again")
    )

    assert first is not None
    assert second is not None
    assert first[1] != second[1]
    assert "Nothing is left to train: 3 iterations are done" in chapter["train again"].said


def test_play_says_that_it_uses_the_snapshot(chapter, tmp):
    """The line of the chapter, from play.py, and ten episodes."""
    done = chapter["play"]
    line = rf"play\.py:\d+\] === Using an ALF snapshot at '{tmp}/alf_tutorial1/alf' ===$"

    assert re.search(line, done.told, re.M)
    assert len(re.findall(r"^episode ", done.said, re.M)) == 10
    assert f"code      the snapshot's, from {tmp}/alf_tutorial1/alf" in done.said


def test_the_conf_is_recorded_with_its_overrides(chapter, checkout):
    """The block is on the very top; below it stands the conf, as does its copy in the snapshot."""
    files = chapter["train with an override"].files
    text = files["alf_config.py"].decode()
    conf = checkout.folder / "alf" / "examples" / "tutorial" / "minimal_example_conf.py"
    lines = [line.strip() for line in text.splitlines() if line.strip()]

    assert lines[:6] == [
        "########### pre-configs ###########",
        "import alf",
        "alf.pre_config({",
        "'TrainerConfig.summary_interval': 100,",
        "'TrainerConfig.num_iterations': 3,",
        "})",
    ]
    assert lines[6] == "########### end pre-configs ###########"
    assert text.endswith(conf.read_text())
    assert files["alf/examples/tutorial/minimal_example_conf.py"] == conf.read_bytes()


def test_nothing_of_an_earlier_job_is_left(chapter):
    """After `rm -rf` the same folder starts from nothing."""
    assert chapter["remove"].files == {}
    assert "resume" not in chapter["train with an override"].said


@pytest.fixture(scope="module")
def frames(chapter, tmp) -> np.ndarray:
    """The film, uint8 `[N, H, W, 3]`."""
    assert chapter["record"].code == 0
    with av.open(str(tmp / "tmp.mp4")) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])


class TestFilm:
    def test_any_player_can_show_it(self, chapter, tmp):
        """H.264 in yuv420p, with the index in front of the pictures."""
        path = tmp / "tmp.mp4"
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            facts = (stream.codec_context.name, stream.codec_context.pix_fmt)
        data = path.read_bytes()

        assert facts == ("h264", "yuv420p")
        assert data.index(b"moov") < data.index(b"mdat")

    def test_a_frame_for_each_step_and_the_first(self, chapter, frames):
        """Steps + 1 frames."""
        match = re.search(r"^episode .* (\d+) steps", chapter["record"].said, re.M)

        assert match is not None
        assert len(frames) == int(match[1]) + 1

    def test_the_environment_is_shown(self, frames):
        """CartPole's picture stands there at its own size: a white area with a moving cart."""
        whole = (frames[0] > 250).all(-1)
        places = [
            (y, x)
            for y in range(0, whole.shape[0] - FRAME_HEIGHT + 1, 2)
            for x in range(0, whole.shape[1] - FRAME_WIDTH + 1, 2)
            if whole[y + 4 : y + 100, x + 4 : x + FRAME_WIDTH - 4].all()
        ]

        assert places

    def test_both_panels_stand_beside_it(self, frames):
        """Two drawings with a gap between them, to the right of the environment's picture."""
        _, height, width, _ = frames.shape
        assert width > FRAME_WIDTH + 100
        assert height >= FRAME_HEIGHT
        beside = frames[-1, :, FRAME_WIDTH + 40 :].astype(int)
        background = beside[0, -1]
        drawn = (abs(beside - background).max(-1) > 12).any(1)
        starts = np.flatnonzero(drawn[1:] & ~drawn[:-1]) + 1
        ends = np.flatnonzero(~drawn[1:] & drawn[:-1]) + 1

        heights = sorted(int(e - s) for s, e in zip(starts, ends, strict=False))
        assert len([h for h in heights if h > 50]) == 2, heights

    def test_the_panels_follow_the_policy(self, frames):
        """What stands beside the environment changes from step to step."""
        beside = frames[:, :, FRAME_WIDTH + 40 :].astype(int)
        changes = abs(beside[1:] - beside[:-1]).reshape(len(frames) - 1, -1).max(-1)

        assert (changes > 12).any()
