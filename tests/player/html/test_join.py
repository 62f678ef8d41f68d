"""Two runs in one page: which episodes belong together, and where they part."""

import json

import numpy as np
import pytest

from alf.errors import RenderError
from alf.player.html import page
from alf.player.html.join import (
    Difference,
    RecordedEpisode,
    Side,
    first_difference,
    join_pages,
    pair_up,
    read_episodes,
    write_comparison,
)


def episode(seed: int | None, **columns: list[float]) -> RecordedEpisode:
    named = {"action/action": columns.pop("action", [0.0, 0.0, 0.0]), **columns}
    numbers = {
        name.replace("__", "/"): np.array(numbers, np.float32).reshape(len(numbers), -1)
        for name, numbers in named.items()
    }
    return RecordedEpisode({"seed": seed}, numbers)


class TestDifference:
    def test_the_first_step_of_any_column(self):
        """Actions at step 2, the observation already at step 1: there they part."""
        a = episode(0, action=[0, 1, 0, 1], observation__x=[0.0, 0.5, 1.0, 1.5])
        b = episode(0, action=[0, 1, 1, 1], observation__x=[0.0, 0.25, 1.0, 1.5])

        assert first_difference(a.numbers, b.numbers) == Difference(1, "observation/x", 0.5, 0.25)

    def test_actions_are_named_first(self):
        """Of what differs at one step, the action is the cause."""
        a = episode(0, reward=[0, 1, 1], action=[0, 1, 0])
        b = episode(0, reward=[0, 2, 1], action=[0, 0, 0])

        assert first_difference(a.numbers, b.numbers) == Difference(1, "action/action", 1.0, 0.0)

    def test_the_last_action_is_not_taken(self):
        """What a policy would do after the end makes no difference."""
        a, b = episode(0, action=[0, 1, 0]), episode(0, action=[0, 1, 1])

        assert first_difference(a.numbers, b.numbers) is None

    def test_one_is_longer(self):
        """The same as far as both go: they part where one ends."""
        a, b = episode(0, action=[0, 1, 0]), episode(0, action=[0, 1, 0, 1, 1])

        assert first_difference(a.numbers, b.numbers) == Difference(2, "length", 2.0, 4.0)

    def test_a_margin_of_the_range(self):
        """Differences below a hundredth of what is seen are not visible."""
        x = np.linspace(0, 10, 11)
        a = episode(0, action=[0] * 11, observation__x=list(x))
        b = episode(0, action=[0] * 11, observation__x=list(x + 0.01 * 2.0 ** np.arange(11)))

        first = first_difference(a.numbers, b.numbers)
        assert first is not None
        assert (first.step, first.column) == (0, "observation/x")
        visibly = first_difference(a.numbers, b.numbers, 0.01)
        # The range is 20.24, a hundredth of it 0.2024; 0.01 * 2**5 is the first above.
        assert visibly is not None
        assert visibly.step == 5

    def test_gaps_are_the_same_as_gaps(self):
        """NaN on both sides is no difference; on one side it is."""
        nan = float("nan")
        a = episode(0, reward=[0, nan, 1])

        assert first_difference(a.numbers, episode(0, reward=[0, nan, 1]).numbers) is None
        found = first_difference(a.numbers, episode(0, reward=[0, 1, 1]).numbers, 0.01)
        assert found is not None
        assert found.as_dict() == {"step": 1, "column": "reward", "a": None, "b": 1.0}

    def test_values_do_not_count(self):
        """Two policies that do the same may think what they like."""
        a, b = episode(0, value=[1, 2, 3]), episode(0, value=[3, 2, 1])

        assert first_difference(a.numbers, b.numbers) is None


class TestPairs:
    def test_by_seed(self):
        """In whatever order they were played; what only one run has stands alone."""
        pairs = pair_up([episode(3), episode(4), episode(5)], [episode(4), episode(6), episode(3)])

        assert [pair["episodes"] for pair in pairs] == [[0, 2], [1, 0], [2, None], [None, 1]]

    def test_a_seed_twice(self):
        """Its first episodes belong together, and its second ones."""
        pairs = pair_up([episode(3), episode(3)], [episode(3), episode(3), episode(3)])

        assert [pair["episodes"] for pair in pairs] == [[0, 0], [1, 1], [None, 2]]

    def test_without_seeds(self):
        """By their number."""
        pairs = pair_up([episode(None), episode(None)], [episode(None)])

        assert [pair["episodes"] for pair in pairs] == [[0, 0], [1, None]]


class TestFiles:
    def test_both_runs_are_whole(self, tmp_path, page_writer):
        """Every data line of both is in it, in order, and then the pairs."""
        for name, lengths in (("a", [4, 3]), ("b", [5])):
            page_writer(tmp_path / f"{name}.html", lengths)
        told = join_pages(tmp_path / "ab.html", (tmp_path / "a.html", tmp_path / "b.html"))
        lines = (tmp_path / "ab.html").read_bytes().splitlines(keepends=True)
        kinds = [found[0] for found in map(page.line_kind, lines) if found]
        pairs = json.loads([f for f in map(page.line_kind, lines) if f][-1][1])["pairs"]

        one = ["video", "numbers", "episode"]
        assert kinds == ["run", *one, *one, "run", *one, "pairs"]
        assert pairs[0]["differs"]["step"] == 4
        assert pairs[0]["differs"]["column"] == "length"
        assert "two runs, 2 episodes" in told

    def test_from_frames_and_columns(self, tmp_path, paint):
        """As a comparison records them: a row a step, of several episodes."""
        columns = {
            "episode": np.array([0, 0, 0, 1, 1]),
            "seed": np.array([7, 7, 7, 8, 8]),
            "step": np.array([0, 1, 2, 0, 1]),
            "reward": np.array([0.0, 1, 1, 0, 1]),
            "return": np.array([0.0, 1, 2, 0, 1]),
            "ended": np.array([0, 0, 1, 0, 2]),
            "action/action": np.array([[0.0], [1], [0], [1], [1]]),
        }
        other = columns | {"action/action": np.array([[0.0], [0], [0], [1], [1]])}
        frames = [paint(step) for step in columns["step"]]
        path = tmp_path / "ab.html"
        sides = (Side({"code": "now"}, frames, columns), Side({"code": "then"}, frames, other))
        write_comparison(path, sides, 30.0)
        lines = path.read_bytes().splitlines(keepends=True)
        pairs = json.loads([f for f in map(page.line_kind, lines) if f][-1][1])["pairs"]

        assert [pair["episodes"] for pair in pairs] == [[0, 0], [1, 1]]
        assert pairs[0]["differs"] == {"step": 1, "column": "action/action", "a": 1.0, "b": 0.0}
        assert pairs[1]["differs"] is None
        assert [file.name for file in tmp_path.iterdir()] == ["ab.html"]

    def test_what_is_no_recording_is_refused(self, tmp_path, page_writer):
        """Some other page, a page of two runs, a page that was cut or changed."""
        good, bad = tmp_path / "a.html", tmp_path / "b.html"
        page_writer(good, [3])
        bad.write_text("<p>Hello</p>")
        with pytest.raises(RenderError, match="no recording of one run"):
            join_pages(tmp_path / "ab.html", (good, bad))
        join_pages(tmp_path / "two.html", (good, good))
        with pytest.raises(RenderError, match="no recording of one run"):
            read_episodes(tmp_path / "two.html")
        with pytest.raises(RenderError, match="cannot be read"):
            read_episodes(tmp_path / "nowhere.html")
        bad.write_bytes(
            good.read_bytes().replace(b'data-kind="numbers">', b'data-kind="numbers">%')
        )
        with pytest.raises(RenderError, match="damaged"):
            read_episodes(bad)
        bad.write_bytes(good.read_bytes().replace(b'<script type="application', b"<b>", 1))
        with pytest.raises(RenderError, match="damaged"):
            read_episodes(bad)
        assert not (tmp_path / "ab.html").exists()
