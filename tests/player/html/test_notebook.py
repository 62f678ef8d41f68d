"""`alf.player.show` in a cell: a frame that holds the whole player."""

import html
import subprocess
import sys
from pathlib import Path

import pytest

import alf
from alf.errors import RenderError
from alf.player.notebook import Player


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    examples = Path(alf.__file__ or "").parent / "examples"
    command = [sys.executable, "-m", "alf.bin.train", "--root_dir", str(folder / "job")]
    command += ["--conf", str(examples / "tutorial" / "ac_render_conf.py"), "--nostore_snapshot"]
    command += ["--conf_param=TrainerConfig.num_iterations=1"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "job"


def test_a_cell_shows_the_player(job, tab, tmp_path):
    """The page is played inside the notebook's page, with values, from the first step on."""
    shown = alf.player.show(job, num_episodes=1, random_seed=3, height=500)
    cell = shown._repr_html_()
    outer = tmp_path / "cell.html"
    outer.write_text(f"<!doctype html><p>a notebook</p>{cell}")
    tab.page.goto(outer.as_uri())
    frame = tab.page.frame_locator("iframe")
    frame.locator("body[data-step='0'][data-episode='1']").wait_for(state="attached")

    assert 'height="500"' in cell
    assert "ckpt-1," in frame.locator("#facts").inner_text()
    assert "value" in frame.locator("#plots").inner_text()
    frame.locator("#end").click()
    assert "step" in frame.locator("figcaption").inner_text()


def test_saving(tmp_path):
    """What a cell shows can be kept as a file; the frame holds it as text."""
    player = Player("<p>a & b</p>")

    assert html.escape("<p>a & b</p>") in player._repr_html_()
    assert player.save(tmp_path / "a.html").read_text() == "<p>a & b</p>"
    with pytest.raises(RenderError, match="cannot be written"):
        player.save(tmp_path / "nowhere" / "a.html")


def test_what_cannot_be_played_says_why(tmp_path):
    """The command's own words, and how to try it in a terminal."""
    with pytest.raises(RenderError, match=r"(?s)there is no job in .*--norender"):
        alf.player.show(tmp_path)
