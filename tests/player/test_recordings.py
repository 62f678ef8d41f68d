"""Films, GIFs and PNG folders: read back what was written."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from alf.errors import RenderError, UsageError
from alf.player.gif import GifWriter
from alf.player.pictures import PictureFolder
from alf.player.sinks import open_sinks
from alf.player.video import ENCODERS, VideoWriter, available_encoder, even

RED, BLUE = (220, 30, 40), (31, 119, 180)


def painted(i: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Left half as bright as `i`, right half in two known colours."""
    frame = np.full((height, width, 3), 20 + 7 * i, np.uint8)
    frame[: height // 2, width // 2 :] = RED
    frame[height // 2 :, width // 2 :] = BLUE
    return frame


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def write_all(sink, count: int, **size: int) -> str:
    for i in range(count):
        sink.write(painted(i, **size))
    return sink.close()


class TestVideo:
    def test_frame_i_is_step_i(self, tmp_path):
        """As many frames as were written, in order, each with its own content."""
        write_all(VideoWriter(tmp_path / "a.mp4", 30), 31)
        frames = decoded(tmp_path / "a.mp4")

        assert len(frames) == 31
        for i, frame in enumerate(frames):
            assert frame.shape == (48, 64, 3)
            assert abs(float(frame[:, :24].mean()) - (20 + 7 * i)) < 2.5

    def test_colours_come_back(self, tmp_path):
        """The film says how its colours are coded, so that reds stay red."""
        write_all(VideoWriter(tmp_path / "a.mp4", 30), 2)
        frame = decoded(tmp_path / "a.mp4")[1]

        np.testing.assert_allclose(frame[8:16, 40:56].mean((0, 1)), RED, atol=4)
        np.testing.assert_allclose(frame[32:40, 40:56].mean((0, 1)), BLUE, atol=4)

    @pytest.mark.parametrize("size", [(122, 100), (478, 640), (480, 66), (50, 48), (64, 130)])
    def test_colours_come_back_at_every_size(self, tmp_path, size):
        """However the planes of a film lie in memory, its corners keep their colours."""
        height, width = size
        picture = np.full((height, width, 3), 255, np.uint8)
        picture[: height // 2, : width // 2] = RED
        picture[height // 2 :, width // 2 :] = BLUE
        with VideoWriter(tmp_path / "a.mp4") as film:
            for _ in range(3):
                film.write(picture)
        frame = decoded(tmp_path / "a.mp4")[2].astype(int)

        corner = (slice(4, height // 2 - 4), slice(4, width // 2 - 4))
        assert np.abs(frame[corner] - RED).max() < 12
        other = (slice(height // 2 + 4, height - 4), slice(width // 2 + 4, width - 4))
        assert np.abs(frame[other] - BLUE).max() < 12

    @pytest.mark.parametrize("fps", [30, 12.5, 50, 29.97])
    def test_it_plays_everywhere_at_its_rate(self, tmp_path, fps):
        """H.264, 4:2:0, the rate that was asked for."""
        write_all(VideoWriter(tmp_path / "a.mp4", fps), 10)

        with av.open(str(tmp_path / "a.mp4")) as film:
            stream = film.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert float(stream.average_rate or 0) == pytest.approx(fps, rel=1e-3)
            assert stream.frames == 10

    def test_index_stands_first(self, tmp_path):
        """A browser can start before it has the whole file."""
        write_all(VideoWriter(tmp_path / "a.mp4"), 5)
        data = (tmp_path / "a.mp4").read_bytes()

        assert data.index(b"moov") < data.index(b"mdat")

    @pytest.mark.parametrize(("height", "width"), [(47, 64), (48, 63), (1, 1), (211, 161)])
    def test_odd_sizes_are_padded_not_rescaled(self, tmp_path, height, width):
        """The picture keeps its pixels; the edge is repeated once."""
        frame = np.full((height, width, 3), 90, np.uint8)
        with VideoWriter(tmp_path / "a.mp4") as film:
            film.write(frame)
        (back,) = decoded(tmp_path / "a.mp4")

        assert back.shape == (height + height % 2, width + width % 2, 3)
        assert np.array_equal(even(painted(3, height, width))[:height, :width],
                              painted(3, height, width))  # fmt: skip

    def test_another_size_is_refused(self, tmp_path):
        """A film has one size; the message gives both and says what to do."""
        with VideoWriter(tmp_path / "a.mp4") as film:
            film.write(painted(0))
            with pytest.raises(RenderError, match=r"65x48.*64x48.*resized"):
                film.write(painted(1, width=65))

        assert len(decoded(tmp_path / "a.mp4")) == 1

    @pytest.mark.parametrize(
        "wrong", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)]
    )
    def test_what_is_no_frame_is_refused(self, tmp_path, wrong):
        """Type and shape that came are in the message."""
        with VideoWriter(tmp_path / "a.mp4") as film, pytest.raises(RenderError, match="uint8"):
            film.write(wrong)

    def test_an_exception_leaves_a_valid_film(self, tmp_path):
        """What was played until something broke can be watched; no other file is left."""

        class BrokeError(Exception):
            pass

        def play() -> None:
            with VideoWriter(tmp_path / "a.mp4") as film:
                for i in range(7):
                    film.write(painted(i))
                raise BrokeError

        with pytest.raises(BrokeError):
            play()

        assert len(decoded(tmp_path / "a.mp4")) == 7
        assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]

    def test_the_earlier_film_stays_until_the_new_one_is_whole(self, tmp_path):
        """Recording to an existing name replaces it only when closed."""
        target = tmp_path / "a.mp4"
        write_all(VideoWriter(target), 3)
        again = VideoWriter(target)
        again.write(painted(0))

        assert len(decoded(target)) == 3
        again.close()
        assert len(decoded(target)) == 1

    def test_without_a_frame_there_is_no_file(self, tmp_path):
        """Nothing played, nothing written, and the user is told."""
        line = VideoWriter(tmp_path / "a.mp4").close()

        assert "not written" in line
        assert list(tmp_path.iterdir()) == []

    def test_closing_twice_is_one_close(self, tmp_path):
        """The second close says nothing and changes nothing."""
        film = VideoWriter(tmp_path / "a.mp4")
        first = write_all(film, 4)

        assert "4 frames" in first
        assert film.close() == ""

    def test_a_folder_that_is_not_there(self, tmp_path):
        """The message names the file and what to look at."""
        with pytest.raises(RenderError, match="folder is there"):
            VideoWriter(tmp_path / "nowhere" / "a.mp4")

    def test_the_preferred_encoder_is_used(self):
        """PyAV's wheels carry x264, and it is what encodes."""
        assert available_encoder() == next(iter(ENCODERS)) == "libx264"


class TestGif:
    def test_frame_i_is_step_i(self, tmp_path):
        """Each frame has its own palette, so few colours come back nearly exact."""
        write_all(GifWriter(tmp_path / "a.gif", 25), 12)

        with PillowImage.open(tmp_path / "a.gif") as film:
            assert getattr(film, "n_frames", 1) == 12
            assert film.info["loop"] == 0
            for i in range(12):
                film.seek(i)
                assert film.info["duration"] == 40
                frame = np.asarray(film.convert("RGB")).astype(int)
                assert np.abs(frame - painted(i)).max() <= 3

    def test_odd_sizes_stay(self, tmp_path):
        """A GIF may be odd."""
        write_all(GifWriter(tmp_path / "a.gif"), 2, height=47, width=63)

        assert decoded(tmp_path / "a.gif")[1].shape == (47, 63, 3)

    def test_it_is_never_faster_than_browsers_play(self, tmp_path):
        """Browsers slow a frame of less than 2/100 s down to 10/100 s."""
        write_all(GifWriter(tmp_path / "a.gif", 120), 4)

        with PillowImage.open(tmp_path / "a.gif") as film:
            film.seek(1)
            assert film.info["duration"] == 20

    def test_gradients_survive_256_colours(self, tmp_path):
        """The palette is chosen for the frame."""
        ramp = np.linspace(0, 255, 256).astype(np.uint8)
        frame = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, ::-1], 128), 2)
        frame = frame.astype(np.uint8)
        with GifWriter(tmp_path / "a.gif") as film:
            film.write(frame)
            film.write(frame[::-1].copy())
        back = decoded(tmp_path / "a.gif")

        assert np.abs(back[0].astype(int) - frame).mean() < 8
        assert np.abs(back[1].astype(int) - frame[::-1]).mean() < 8


class TestPictures:
    def test_frames_come_back_exactly(self, tmp_path):
        """PNG loses nothing, and the names sort in order."""
        line = write_all(PictureFolder(tmp_path / "frames"), 11, height=7, width=9)
        names = sorted(p.name for p in (tmp_path / "frames").iterdir())

        assert "11 PNG" in line
        assert names[0] == "frame_000000.png"
        for i, name in enumerate(names):
            back = cv2.imread(str(tmp_path / "frames" / name))
            assert back is not None
            assert np.array_equal(back[:, :, ::-1], painted(i, 7, 9))

    def test_a_full_disk_leaves_whole_pictures(self, tmp_path):
        """The picture that did not fit is not there, and the one before it is."""
        if not Path("/dev/full").exists():
            pytest.skip("no device that is always full here")
        pictures = PictureFolder(tmp_path / "frames")
        pictures.write(painted(0))
        (tmp_path / "frames" / "frame_000001.png").symlink_to("/dev/full")

        with pytest.raises(RenderError, match="space left"):
            pictures.write(painted(1))
        assert [p.name for p in (tmp_path / "frames").iterdir()] == ["frame_000000.png"]

    def test_frames_of_two_plays_are_not_mixed(self, tmp_path):
        """A folder with frames is refused before anything is played."""
        write_all(PictureFolder(tmp_path / "frames"), 1)

        with pytest.raises(UsageError, match="earlier recording"):
            PictureFolder(tmp_path / "frames")


class TestOpenSinks:
    def test_each_kind_by_its_name(self, tmp_path):
        """One play, three recordings, one line for each."""
        names = [str(tmp_path / n) for n in ("a.mp4", "B.GIF", "new/frames")]
        lines: list[str] = []
        with open_sinks(names, fps=10, report=lines.append) as sinks:
            for sink in sinks:
                sink.write(painted(1))

        assert len(lines) == 3
        assert len(decoded(tmp_path / "a.mp4")) == 1
        assert (tmp_path / "B.GIF").read_bytes()[:6] == b"GIF89a"
        assert (tmp_path / "new" / "frames" / "frame_000000.png").is_file()

    @pytest.mark.parametrize("name", ["a.avi", "frames.png", "dir.x/a.mkv"])
    def test_an_unknown_suffix_names_the_known_ones(self, tmp_path, name):
        """The message lists what can be given."""
        with pytest.raises(UsageError, match=r"(?s)\.mp4, \.gif, \.html .*\.npz .* folder"):
            open_sinks([str(tmp_path / name)]).__enter__()

        assert list(tmp_path.iterdir()) == []

    def test_a_name_given_twice_is_refused(self, tmp_path):
        """Two writers of one file would destroy each other's."""
        name = str(tmp_path / "a.mp4")
        with pytest.raises(UsageError, match="twice"):
            open_sinks([name, name]).__enter__()

    def test_all_are_closed_when_one_breaks(self, tmp_path):
        """A failure while playing leaves every recording whole."""

        def play() -> None:
            with open_sinks([str(tmp_path / "a.mp4"), str(tmp_path / "a.gif")]) as sinks:
                for sink in sinks:
                    sink.write(painted(1))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            play()

        assert len(decoded(tmp_path / "a.mp4")) == 1
        assert len(decoded(tmp_path / "a.gif")) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_valid_recordings(tmp_path, number, code):
    """Ctrl-C, or kill, in a real process: the film until then is there and whole."""
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent("""
            import sys, time
            import numpy as np
            from absl import flags
            from alf.bin import command
            from alf.player.sinks import open_sinks

            def play(values):
                with command.terminable(), open_sinks(sys.argv[1:]) as sinks:
                    for i in range(10_000):
                        for sink in sinks:
                            sink.write(np.full((48, 64, 3), 20 + i % 200, np.uint8))
                        if i == 5:
                            print("playing", flush=True)
                        time.sleep(0.005)
                return 0

            sys.exit(command.main(play, flags.FlagValues(), "", []))
        """)
    )
    films = [tmp_path / "a.mp4", tmp_path / "a.gif"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, script, *films],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"playing\n"
        time.sleep(0.1)
        child.send_signal(number)
        assert child.wait(30) == code

    assert [len(decoded(film)) >= 6 for film in films] == [True, True]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gif", "a.mp4", "job.py"]


def test_no_frame_is_held(tmp_path):
    """Memory does not grow with the length of a film."""
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent("""
            import resource, sys
            from pathlib import Path
            import numpy as np
            from alf.player.sinks import open_sinks

            frame = np.zeros((240, 320, 3), np.uint8)
            frame[:, :, 1] = np.arange(320) // 4
            with open_sinks(sys.argv[1:]) as sinks:
                for i in range(300):
                    frame[:, :40] = i % 256
                    for sink in sinks:
                        sink.write(frame)
                    if i == 100:
                        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        """)
    )
    done = subprocess.run(
        [sys.executable, script, tmp_path / "a.mp4", tmp_path / "a.gif"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    # 200 frames of 230 kB would be 46 MB; the unit is kilobytes on Linux.
    assert int(done.stdout) < 15_000
