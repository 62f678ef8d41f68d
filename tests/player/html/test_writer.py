"""The file: what stands in it, and that it is whole whatever happens to the play."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import av
import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alf.errors import RenderError, UsageError
from alf.player.html import page
from alf.player.html.join import read_episodes
from alf.player.html.writer import HtmlWriter
from alf.player.places import check_record_files
from alf.player.sinks import describe_run, open_sinks


def lines(path: Path) -> list[tuple[str, bytes]]:
    found = map(page.line_kind, path.read_bytes().splitlines(keepends=True))
    return [one for one in found if one is not None]


def films(path: Path) -> list[list[np.ndarray]]:
    read = []
    for kind, content in lines(path):
        if kind == "video":
            with av.open(io.BytesIO(base64.b64decode(content)), "r") as film:
                read.append([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    return read


def painted_steps(film: list[np.ndarray]) -> list[int]:
    bits = np.array([frame[8, 8:256:16, 0] > 128 for frame in film])
    return (bits @ (1 << np.arange(16))).tolist()


class TestContent:
    def test_frames_and_rows_are_the_steps(self, tmp_path, page_writer):
        """An episode of n steps has n + 1 frames and rows, the first and the last among them."""
        path = tmp_path / "a.html"
        page_writer(path, [30, 0, 12])
        read = read_episodes(path)

        assert [painted_steps(film) for film in films(path)] == [
            list(range(31)),
            [0],
            list(range(13)),
        ]
        assert [len(episode.numbers["value"]) for episode in read] == [31, 1, 13]
        np.testing.assert_array_equal(read[0].numbers["value"][:, 0], 50.0 - np.arange(31))
        np.testing.assert_array_equal(
            read[2].numbers["observation/observation"][:, 0], 0.5 * np.arange(13)
        )

    def test_facts_of_an_episode(self, tmp_path, page_writer):
        """Seed, return, length and end stand beside what the charts show."""
        path = tmp_path / "a.html"
        page_writer(path, [5], seeds=[17], ended="truncated")
        facts = read_episodes(path)[0].facts

        assert facts["seed"] == 17
        assert facts["return"] == 5.0
        assert facts["length"] == 5
        assert facts["ended"] == "truncated"
        assert (facts["width"], facts["height"]) == (257, 121)
        assert "entropy" in facts["told"]
        assert "action_values" not in facts["told"]

    def test_the_header_may_come_late(self, tmp_path, episode_moments, paint):
        """What is known only after the file was opened is in it, if told before the first step."""
        with open_sinks([str(tmp_path / "a.html")], report=lambda line: None) as sinks:
            describe_run(sinks, {"checkpoint": "ckpt-7", "fingerprint": "exact"})
            for moment in episode_moments(3):
                sinks[0].write(paint(moment.step), moment)
                sinks[0].write(paint(moment.step))  # a repeated frame is none of the page
        run = json.loads(dict(lines(tmp_path / "a.html"))["run"])

        assert run["header"] == {"checkpoint": "ckpt-7", "fingerprint": "exact"}
        assert painted_steps(films(tmp_path / "a.html")[0]) == [0, 1, 2, 3]

    def test_nothing_is_fetched(self, tmp_path, page_writer):
        """No address stands in the page but in comments, and the policy allows none."""
        path = tmp_path / "a.html"
        page_writer(path, [3])
        text = path.read_text()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)

        assert policy is not None
        assert "default-src &#x27;none&#x27;" in policy[1]
        assert "unsafe" not in policy[1]
        assert "connect-src" not in policy[1]
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
        assert "Leon Sorokin" in text  # the licence of the charts goes with them

    def test_infinite_and_missing_numbers_are_gaps(self, tmp_path, page_writer):
        """A value that is no number breaks neither the file nor its events."""
        path = tmp_path / "a.html"
        page_writer(path, [3], value=lambda t: [1.0, float("inf"), float("-inf"), 0.0][t])

        assert len(read_episodes(path)) == 1
        assert b"Infinity" not in b"".join(content for _, content in lines(path))

    @given(name=st.text(max_size=40), told=st.text(max_size=40))
    def test_any_text_stays_text(self, name, told):
        """Whatever a header says comes back, and its line holds one element."""
        file = io.BytesIO()
        page.put_json(file, "run", {"header": {name: told}})
        found = page.line_kind(file.getvalue())

        assert found is not None
        assert json.loads(found[1]) == {"header": {name: told}}
        assert file.getvalue().count(b"<") == 2


class TestPlaces:
    def test_the_earlier_file_stays_until_the_new_one_is_whole(
        self, tmp_path, episode_moments, paint
    ):
        """Nothing is at the target while it is written, and nothing else is left after."""
        path = tmp_path / "a.html"
        path.write_text("earlier")
        writer = HtmlWriter(path)
        for moment in episode_moments(3):
            writer.write(paint(moment.step), moment)
        assert path.read_text() == "earlier"
        assert "1 episode, 4 frames" in writer.close()
        assert writer.close() == ""
        assert [file.name for file in tmp_path.iterdir()] == ["a.html"]

    def test_no_step_no_file(self, tmp_path):
        """A play that showed nothing leaves nothing."""
        assert "not written" in HtmlWriter(tmp_path / "a.html").close()
        assert not list(tmp_path.iterdir())

    def test_what_cannot_be_written_is_told_first(self, tmp_path):
        """A folder that is not there, a frame rate that is none."""
        with pytest.raises(RenderError, match="cannot be started"):
            HtmlWriter(tmp_path / "nowhere" / "a.html")
        with pytest.raises(RenderError, match="frames per second"):
            HtmlWriter(tmp_path / "a.html", fps=0)
        (tmp_path / "b.html").mkdir()
        with pytest.raises(UsageError, match="is a folder"):
            check_record_files([str(tmp_path / "b.html")])

    def test_frames_of_two_sizes(self, tmp_path, episode_moments, paint):
        """The error says so, and the file holds what came before."""
        path = tmp_path / "a.html"
        writer = HtmlWriter(path)
        first, second, *_ = episode_moments(3)
        writer.write(paint(0), first)
        with pytest.raises(RenderError, match="one size"):
            writer.write(paint(1)[:50], second)
        writer.close()
        with pytest.raises(RenderError, match="closed already"):
            writer.write(paint(1), second)

        assert painted_steps(films(path)[0]) == [0]
        assert read_episodes(path)[0].facts["ended"] == "interrupted"


class TestInterruptions:
    def test_an_episode_that_was_left(self, tmp_path, episode_moments, paint):
        """The one before is whole, the last one ends where it was left, and says so."""
        path = tmp_path / "a.html"
        writer = HtmlWriter(path)
        for moment in [*episode_moments(4), *episode_moments(9, episode=1, stop_at=5)]:
            writer.write(paint(moment.step, moment.episode), moment)
        writer.close()
        whole, left = read_episodes(path)

        assert whole.facts["ended"] == "terminated"
        assert (left.facts["ended"], left.facts["length"]) == ("interrupted", 5)
        assert not any(event["kind"] == "failure" for event in left.facts["events"])
        assert painted_steps(films(path)[1]) == [0, 1, 2, 3, 4, 5]

    def test_ctrl_c_while_an_episode_is_moved_into_the_page(
        self, tmp_path, monkeypatch, episode_moments, paint
    ):
        """Half an episode in the page is taken back, and moved again when it is closed."""
        path = tmp_path / "a.html"
        writer = HtmlWriter(path)
        *moments, last = episode_moments(4)
        for moment in moments:
            writer.write(paint(moment.step), moment)
        put_json = page.put_json

        def interrupted(file, kind, data):
            put_json(file, kind, data)
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(page, "put_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.write(paint(4), last)
        writer.close()

        assert [kind for kind, _ in lines(path)] == ["run", "video", "numbers", "episode"]
        assert painted_steps(films(path)[0]) == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "raise"])
    def test_a_play_that_is_stopped(self, tmp_path, how):
        """By Ctrl-C, kill, or an environment that raises at step 100: the frames are there."""
        job = self._job(tmp_path)
        process = subprocess.Popen(
            [sys.executable, str(job), str(tmp_path / "a.html"), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        if how != "raise":
            for line in process.stdout:
                if line.strip() == "step 100":
                    time.sleep(0.05)
                    process.send_signal(getattr(signal, how))
                    break
        _, errors = process.communicate(timeout=60)
        read = read_episodes(tmp_path / "a.html")

        assert process.returncode == {"SIGINT": 130, "SIGTERM": 143, "raise": 1}[how], errors
        assert [file.name for file in tmp_path.iterdir() if file.suffix == ".html"] == ["a.html"]
        assert not list(tmp_path.glob(".*"))
        film = films(tmp_path / "a.html")[-1]
        assert read[-1].facts["ended"] == "interrupted"
        assert len(film) >= 100
        assert read[-1].facts["length"] >= 99
        brightness = [int(frame[200, 150, 0]) for frame in film[:100]]
        assert brightness == pytest.approx([20 + 2 * step for step in range(100)], abs=2.5)

    @staticmethod
    def _job(folder: Path) -> Path:
        job = folder / "job.py"
        job.write_text(
            textwrap.dedent(
                """
                import sys
                from typing import Any

                import numpy as np
                import torch
                from absl import flags

                from alf.bin import command
                from alf.data_structures import AlgStep, StepType, TimeStep
                from alf.environments.alf_environment import AlfEnvironment
                from alf.player.episodes import episodes
                from alf.player.showing import show
                from alf.player.sinks import open_sinks
                from alf.tensor_specs import BoundedTensorSpec, TensorSpec

                PATH, HOW = sys.argv[1:]

                class Endless(AlfEnvironment):
                    def __init__(self):
                        spec = BoundedTensorSpec((), torch.int64, 0, 1)
                        super().__init__(1, TensorSpec((1,)), spec, name="Endless")
                        self.steps = 0

                    def _reset(self, seed):
                        return self._now(StepType.FIRST)

                    def _step(self, action: Any):
                        self.steps += 1
                        print("step", self.steps, flush=True)
                        if HOW == "raise" and self.steps == 100:
                            raise ZeroDivisionError("the simulator broke")
                        return self._now(StepType.MID)

                    def _now(self, kind):
                        return TimeStep(
                            step_type=torch.tensor([int(kind)], dtype=torch.int32),
                            reward=torch.ones(1),
                            discount=torch.ones(1),
                            observation=torch.full((1, 1), float(self.steps)),
                            prev_action=torch.zeros(1, dtype=torch.int64),
                            env_id=torch.zeros(1, dtype=torch.int32),
                        )

                    def render(self):
                        return np.full((320, 320, 3), min(20 + 2 * self.steps, 255), np.uint8)

                def policy(time_step, state):
                    return AlgStep(output=torch.zeros(1, dtype=torch.int64), state=(), info=())

                def play(flag_values):
                    with command.terminable(), open_sinks([PATH], report=print) as sinks:
                        show(episodes(Endless(), policy, (), 1, seed=0, render=True), sinks)
                    return 0

                if __name__ == "__main__":
                    sys.exit(command.main(play, flags.FlagValues(), None, []))
                """
            )
        )
        return job


class TestCost:
    def test_memory_does_not_grow_with_the_episode(self, tmp_path):
        """Ten times the steps take as much memory, but for what an encoder's index needs."""
        grown = [self._memory(tmp_path, steps) for steps in (500, 5_000)]

        assert grown[1] - grown[0] < 10

    def test_twenty_episodes_of_a_pole_take_ten_megabytes(self, tmp_path):
        """The page's own size, and a share of 20 episodes of 500 steps as they are filmed."""
        writer = HtmlWriter(tmp_path / "pole.html", 50.0)
        env = gymnasium.make("CartPole-v1", render_mode="rgb_array")
        seen, _ = env.reset(seed=0)
        for step in range(251):
            picture = np.asarray(env.render(), np.uint8)
            row = {"step": step, "seed": 0, "reward": 1.0, "return": step, "ended": step == 250}
            row |= {"value": 3.0 * seen[2], "entropy": 0.5, "runner_up": 0, "lead": 0.3}
            columns = {name: np.array([float(number)]) for name, number in row.items()}
            columns |= {"observation/observation": seen, "probabilities": seen[:2]}
            writer.add(picture, columns)
            seen, *_ = env.step(int(seen[2] + seen[3] > 0))
        env.close()
        writer.close()
        size = (tmp_path / "pole.html").stat().st_size

        assert size < 300_000
        assert size * 20 * 501 / 251 < 10e6

    @staticmethod
    def _memory(folder: Path, steps: int) -> float:
        """The most memory of a process that records so many steps, in megabytes."""
        code = textwrap.dedent(
            """
            import resource, sys
            from pathlib import Path
            import numpy as np
            from alf.player.html.writer import HtmlWriter

            path, steps = Path(sys.argv[1]), int(sys.argv[2])
            writer = HtmlWriter(path)
            frame = np.zeros((32, 32, 3), np.uint8)
            names = ("reward", "return", "value", "entropy", "runner_up", "lead", "action/action")
            for step in range(steps + 1):
                frame[:] = step % 200
                row = {name: np.array([0.5 * step]) for name in names}
                row |= {"observation/observation": np.arange(8.0) + step}
                row |= {"step": np.array([step]), "seed": np.array([0])}
                row |= {"ended": np.array([float(step == steps)])}
                writer.add(frame, row)
            writer.close()
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
            """
        )
        command = [sys.executable, "-c", code, str(folder / f"{steps}.html"), str(steps)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
