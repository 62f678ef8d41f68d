"""The page in a browser, opened from disk: what is seen belongs together, and everything works."""

import html
import math
import time
from pathlib import Path

import numpy as np
import pytest

from alf.player.html.join import join_pages
from alf.player.html.writer import HtmlWriter

KEYS = {"failure": "f", "blunder": "b", "lowest value": "v", "highest entropy": "e"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, page_writer) -> Path:
    """Three episodes of 40, 25 and 60 steps; values fall by 12 after step 17."""
    path = tmp_path_factory.mktemp("page") / "three.html"
    page_writer(
        path,
        [40, 25, 60],
        value=lambda t: 50 - t / 2 - 12 * (t > 17) + math.sin(t),
        logit=lambda t: 2 + 2 * math.sin(t / 3),
    )
    return path


@pytest.fixture(scope="module")
def compared(tmp_path_factory, page_writer) -> Path:
    """Two runs of seeds 0, 1 and 2, 3: from step 20 on, the second does otherwise."""
    folder = tmp_path_factory.mktemp("compared")
    page_writer(folder / "a.html", [40, 25, 12], seeds=[0, 1, 2])
    page_writer(
        folder / "b.html",
        [30, 35, 9],
        seeds=[0, 1, 3],
        action=lambda t: t % 2 if t < 20 else 0,
    )
    join_pages(folder / "ab.html", (folder / "a.html", folder / "b.html"))
    return folder / "ab.html"


def colors(tab, chart: str) -> list[str]:
    """The colours of a chart's series."""
    return tab.page.evaluate(
        """(chart) => [...document.querySelectorAll(".plot")]
            .filter((plot) => plot.querySelector(".name").textContent === chart)
            .flatMap((plot) => [...plot.querySelectorAll(".now")].map((now) => now.style.color))""",
        chart,
    )


class TestSteps:
    def test_every_frame_is_its_step(self, tab, recorded):
        """In any order, the picture, the position and the values are those of one step."""
        tab.open(recorded)
        for step in [0, 1, 2, 11, 12, 13, 40, 39, 7, 24, 23, 0]:
            tab.page.evaluate(f"player.go({step})")
            tab.wait(step)
            shown = tab.shown()

            assert tab.pixels() == (step, 0)
            assert shown["position"] == step
            assert shown["output"] == f"{step} / 40"
            value = 50 - step / 2 - 12 * (step > 17) + math.sin(step)
            assert float(shown["charts"]["value"][0]) == pytest.approx(value, rel=1e-6)
            assert f"step {step}reward" in shown["caption"]

    def test_first_and_last_are_labelled(self, tab, recorded):
        """The reset and the end of an episode say that they are."""
        tab.open(recorded)
        assert tab.shown()["badge"] == "start"
        tab.press("End")
        assert tab.wait(40).shown()["badge"] == "end: failure"
        assert tab.pixels() == (40, 0)
        tab.press("ArrowLeft")
        assert tab.wait(39).shown()["badge"] == ""

    def test_while_playing_numbers_are_of_the_frame(self, tab, recorded):
        """At any moment of a film that plays, what is written is what is painted."""
        tab.open(recorded, "#e=3&t=0")
        tab.page.evaluate("player.setSpeed(0.5)")
        tab.press(" ")
        seen = set()
        for _ in range(12):
            tab.page.wait_for_timeout(40)
            shown, painted = tab.page.evaluate(
                """() => [Number(document.body.dataset.step), (() => {
                    const c = document.querySelector("canvas").getContext("2d");
                    return Array.from({ length: 16 }, (_, b) =>
                        c.getImageData(b * 16 + 8, 8, 1, 1).data[0] > 128 ? 1 << b : 0)
                        .reduce((x, y) => x + y);
                })()]"""
            )
            assert shown == painted
            seen.add(shown)
        tab.press(" ")

        assert len(seen) > 3
        assert tab.page.evaluate("player.playing") is False

    def test_a_film_plays_to_its_end_at_its_speed(self, tab, recorded):
        """60 steps at 30 a second and speed 4 take half a second; at the end it stops there."""
        tab.open(recorded, "#e=3&t=0")
        tab.page.select_option("#speed", "4")
        milliseconds = tab.page.evaluate(
            """() => new Promise((done) => {
                const began = performance.now();
                player.play();
                const look = () => (player.playing ? requestAnimationFrame(look)
                    : done(performance.now() - began));
                look();
            })"""
        )
        tab.wait(60)

        assert 400 < milliseconds < 3000
        assert tab.pixels() == (60, 2)
        tab.press(" ")  # from the end, it starts over
        tab.page.wait_for_timeout(300)
        assert tab.page.evaluate("player.step") < 60

    def test_keys(self, tab, recorded):
        """Arrows step, with shift by ten; Home and End; plus and minus change the speed."""
        tab.open(recorded)
        tab.press("ArrowRight", "ArrowRight")
        tab.wait(2).press("Shift+ArrowRight")
        tab.wait(12).press("ArrowLeft")
        tab.wait(11).press("Shift+ArrowLeft")
        tab.wait(1).press("End")
        tab.wait(40).press("ArrowRight")
        tab.wait(40).press("Home")
        tab.wait(0).press("+", "+")
        assert tab.page.input_value("#speed") == "4"
        tab.press("-", "-", "-", "-", "-", "-", "-")
        assert tab.page.input_value("#speed") == "0.125"
        tab.press("ArrowDown")
        tab.wait(0, episode=2)
        assert tab.pixels() == (0, 1)
        tab.press("ArrowUp")
        tab.wait(0, episode=1)
        tab.press("?")
        assert "ten steps" in tab.page.locator("#help").inner_text()
        tab.press("?")
        assert not tab.page.locator("#help").is_visible()


class TestCharts:
    def test_dragging_scrubs(self, tab, recorded):
        """Press on one chart and drag: the frame follows the pointer, and stays where it ends."""
        tab.open(recorded)
        box = tab.page.locator(".u-over").first.bounding_box()
        tab.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
        tab.page.mouse.down()
        tab.wait(10)
        tab.page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 20, steps=5)
        tab.wait(30)
        tab.page.mouse.up()

        assert tab.pixels() == (30, 0)
        tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
        tab.page.wait_for_timeout(100)
        assert tab.pixels() == (30, 0)

    def test_exact_values_under_the_cursor_in_every_chart(self, tab, recorded):
        """One cursor: over one chart, all charts tell their values of that step."""
        tab.open(recorded)
        box = tab.page.locator(".u-over").nth(1).bounding_box()
        tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
        tab.page.wait_for_timeout(100)
        told = tab.page.locator(".there").all_inner_texts()

        assert len(told) == 5
        assert all(text.startswith("step 20:") for text in told)
        value = 50 - 10 - 12 + math.sin(20)
        assert float(told[0].split()[-1]) == pytest.approx(value, rel=1e-6)
        assert tab.shown()["step"] == 0

    def test_the_playhead_stands_at_the_step_in_every_chart(self, tab, recorded):
        """Also after the theme and the size of the window changed."""
        tab.open(recorded, "#e=1&t=20")
        for change in (
            lambda: None,
            lambda: tab.page.click("#theme"),
            lambda: tab.page.set_viewport_size({"width": 1100, "height": 700}),
        ):
            change()
            tab.page.wait_for_timeout(250)
            shares = tab.page.evaluate(
                """() => [...document.querySelectorAll(".u-over")].map((over) => {
                    const area = over.getBoundingClientRect();
                    const head = over.querySelector(".playhead").getBoundingClientRect();
                    return (head.left + 1 - area.left) / area.width;
                })"""
            )
            assert shares == pytest.approx([0.5] * 5, abs=0.01)

    def test_charts_can_be_shown_and_hidden(self, tab, recorded):
        """What is not shown at first, such as the observation, is one press away."""
        tab.open(recorded)
        assert "observation" not in tab.shown()["charts"]
        tab.page.click("text=observation")
        tab.page.click(".toggle >> text=reward")
        tab.press("ArrowRight", "ArrowRight")
        charts = tab.wait(2).shown()["charts"]

        assert charts["observation"] == ["0: 1", "1: -1"]
        assert "reward" not in charts

    def test_zoom_keeps_the_playhead_in_view(self, tab, recorded):
        """Zoomed in, a step outside moves the view along."""
        tab.open(recorded)
        tab.press("z", "z")
        assert tab.page.evaluate("player.charts.view") == [0, 10]
        tab.press("End")
        assert tab.wait(40).page.evaluate("player.charts.view") == [30, 40]
        tab.press("x", "x", "x")
        assert tab.page.evaluate("player.charts.view") == [0, 40]


class TestEvents:
    @pytest.mark.parametrize("by", ["key", "press"])
    def test_jump_to_each_kind(self, tab, recorded, by):
        """Every kind is there, says what happened, and leads to its step."""
        tab.open(recorded)
        listed = tab.page.evaluate("player.events.map(({ kind, step }) => [kind, step])")
        steps = dict(listed)

        assert steps["blunder"] == 17
        assert steps["failure"] == 40
        for kind, key in {**KEYS, "near-tie": "t"}.items():
            tab.press("Home")
            tab.wait(0)
            if by == "key":
                tab.press(key)
            else:
                tab.page.click(f".event[data-kind='{kind}']")
            tab.wait(steps[kind])
            assert tab.pixels() == (steps[kind], 0)

    def test_a_blunder_tells_values_and_the_runner_up(self, tab, recorded):
        """Before, after, what was done, and what was nearly done."""
        told = tab.open(recorded).page.locator(".event.blunder .what").inner_text()

        assert "value 40.54 → 28.25" in told
        assert "action 1, runner-up 0" in told

    def test_brackets_walk_through_events(self, tab, recorded):
        """In the order of time, around the end."""
        tab.open(recorded)
        steps = sorted(set(tab.page.evaluate("player.events.map((event) => event.step)")))
        for step in [*steps, steps[0]]:
            tab.press("]")
            tab.wait(step)
        tab.press("[")
        tab.wait(steps[-1])


class TestEpisodes:
    def test_sort_and_open(self, tab, recorded):
        """By length downwards, the longest stands first; a press opens it."""
        tab.open(recorded)
        tab.page.click("[data-column='length']")
        tab.page.click("[data-column='length']")
        rows = tab.page.locator("tbody tr")

        assert [row.split()[0] for row in rows.all_inner_texts()] == ["3", "1", "2"]
        rows.nth(0).click()
        tab.wait(0, episode=3)
        assert tab.pixels() == (0, 2)

    def test_filter(self, tab, recorded):
        """By length and by how they ended."""
        tab.open(recorded)
        rows = tab.page.locator("tbody tr")
        tab.page.fill("[aria-label='length from']", "30")
        assert rows.count() == 2
        tab.page.fill("[aria-label='return to']", "45")
        assert [row.split()[0] for row in rows.all_inner_texts()] == ["1"]
        tab.page.fill("[aria-label='length from']", "")
        tab.page.fill("[aria-label='return to']", "")
        tab.page.select_option("[aria-label='ended']", "failure")
        assert rows.count() == 3
        assert "3 episodes, mean return 41.67" in tab.page.locator(".count").inner_text()

    def test_many_openings_at_once(self, tab, recorded):
        """Whoever hurries through the table ends at what was pressed last."""
        tab.open(recorded)
        for _ in range(5):
            for number in (2, 3, 1, 3):
                tab.page.evaluate(f"player.open(player.entries[{number - 1}], 0)")
                tab.page.evaluate("player.go(7)")
        tab.wait(7, episode=3)
        assert tab.pixels() == (7, 2)
        tab.press("ArrowRight")
        tab.wait(8, episode=3)


class TestLinks:
    def test_a_link_opens_an_episode_and_step(self, tab, recorded):
        """And the address follows what is shown."""
        tab.open(recorded, "#e=3&t=41")
        tab.wait(41, episode=3)
        assert tab.pixels() == (41, 2)
        tab.press("ArrowRight")
        tab.wait(42).page.wait_for_timeout(500)
        assert tab.page.url.endswith("three.html#e=3&t=42")

    def test_a_link_changed_by_hand(self, tab, recorded):
        """The page follows without loading again; what does not exist is the nearest that does."""
        tab.open(recorded)
        tab.page.evaluate("location.hash = '#e=2&t=999'")
        tab.wait(25, episode=2)
        assert tab.pixels() == (25, 1)


class TestCompared:
    def test_colours_of_runs_are_theirs_alone(self, tab, recorded, compared):
        """What has parts has other colours than the runs, and the same ones in both."""
        tab.open(compared)
        runs, parts = colors(tab, "value"), colors(tab, "probabilities")
        assert len(set(runs)) == 2
        assert parts[:2] == parts[2:]
        assert len(set(parts)) == 2
        assert not set(runs) & set(parts)
        tab.open(recorded)
        assert len(set(colors(tab, "probabilities"))) == 2

    def test_two_runs_in_step(self, tab, compared):
        """Both pictures are of one step, also while they play; a shorter run waits at its end."""
        tab.open(compared)
        for step in (0, 13, 29, 30):
            tab.page.evaluate(f"player.go({step})")
            tab.wait(step)
            assert (tab.pixels(0), tab.pixels(1)) == ((step, 0), (step, 0))
        tab.page.evaluate("player.go(37)")
        tab.wait(37)
        assert (tab.pixels(0), tab.pixels(1)) == ((37, 0), (30, 0))
        assert "ended at step 30" in tab.page.locator(".badge").nth(1).inner_text()
        tab.page.evaluate("player.go(0)")
        tab.wait(0)
        tab.press(" ")
        first = 0
        for _ in range(8):
            tab.page.wait_for_timeout(60)
            first, second = tab.page.evaluate(
                """() => [...document.querySelectorAll("canvas")].slice(0, 2).map((canvas) =>
                    Array.from({ length: 16 }, (_, b) => canvas.getContext("2d")
                        .getImageData(b * 16 + 8, 8, 1, 1).data[0] > 128 ? 1 << b : 0)
                        .reduce((x, y) => x + y))"""
            )
            assert second == min(first, 30)
        assert first > 3

    def test_where_they_part_is_marked(self, tab, compared):
        """As an event, on the pictures from then on, and in the table."""
        tab.open(compared)
        tab.press("d")
        tab.wait(21)
        assert "action: 1 and 0" in tab.page.locator(".event.divergence").inner_text()
        assert tab.page.locator(".badge").nth(0).inner_text() == "apart since step 21"
        tab.press("ArrowLeft")
        tab.wait(20)
        assert tab.page.locator(".badge").nth(0).inner_text() == ""
        rows = tab.page.locator("tbody tr").all_inner_texts()
        assert rows[0].split()[-1] == "21"

    def test_what_happens_to_both_alike_is_listed_once(self, tab, compared):
        """With the letters of both; what happens to one has its letter."""
        tab.open(compared)
        listed = tab.page.locator(".event").all_inner_texts()
        assert len(listed) == len(set(listed))
        letters = tab.page.evaluate("player.events.map(({ sides }) => sides.length)")
        assert max(letters) == 2
        kinds = tab.page.locator(".event .kind").all_inner_texts()
        assert any(kind.startswith("A B ") for kind in kinds)
        assert not any(kind.startswith("divergence ") for kind in kinds)

    def test_an_episode_of_one_run_is_shown_alone(self, tab, compared):
        """A seed that only one run played."""
        tab.open(compared)
        assert tab.page.locator("tbody tr").count() == 4
        tab.page.locator("tbody tr").nth(3).click()
        tab.wait(0, episode=4)
        assert tab.pixels(1) == (0, 2)
        assert tab.page.locator(".badge").nth(0).inner_text() == "not played in this run"


class TestPlaces:
    def test_a_phone(self, tab, recorded):
        """390 pixels: nothing stands out of the screen, a finger scrubs."""
        tab.page.set_viewport_size({"width": 390, "height": 844})
        tab.open(recorded)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        outside = tab.page.evaluate(
            """() => [...document.querySelectorAll("main *")].filter((element) => {
                const box = element.getBoundingClientRect();
                return box.width && (box.left < -0.5 || box.right > 390.5);
            }).map((element) => element.className || element.tagName)"""
        )
        assert [] == outside
        over = tab.page.locator(".u-over").first
        over.scroll_into_view_if_needed()
        over.click(position={"x": over.bounding_box()["width"] / 2, "y": 20})
        tab.wait(20)
        assert tab.pixels() == (20, 0)

    def test_ten_thousand_steps_open_at_once(self, tab, tmp_path):
        """Within three seconds, and any of them is there soon."""
        writer = HtmlWriter(tmp_path / "long.html", 50.0)
        frame = np.zeros((32, 32, 3), np.uint8)
        for step in range(10_001):
            frame[:] = step % 200
            row = {name: np.array([np.sin(step / 50)]) for name in ("reward", "return", "value")}
            row |= {"step": np.array([step]), "seed": np.array([0])}
            row |= {"ended": np.array([2.0 * (step == 10_000)]), "action/a": np.zeros(3)}
            writer.add(frame, row)
        writer.close()
        began = time.perf_counter()
        tab.open(tmp_path / "long.html")
        took = time.perf_counter() - began
        tab.page.evaluate("player.go(7777)")
        tab.wait(7777)
        shade = tab.page.evaluate(
            """() => document.querySelector("canvas").getContext("2d")
                .getImageData(16, 16, 1, 1).data[0]"""
        )

        assert took < 3
        assert shade == pytest.approx(7777 % 200, abs=3)

    def test_a_frame_inside_another_page(self, tab, recorded, tmp_path):
        """As notebooks show it, where a page has no address of its own."""
        outer = tmp_path / "notebook.html"
        outer.write_text(
            f'<iframe width="1200" height="800" srcdoc="{html.escape(recorded.read_text())}">'
        )
        tab.page.goto(f"file://{outer}")
        frame = tab.page.frame_locator("iframe")
        frame.locator("body[data-step='0']").wait_for(state="attached")
        frame.locator("#next").click()
        frame.locator("body[data-step='1']").wait_for(state="attached")

    def test_names_are_never_code(self, tab, tmp_path, page_writer):
        """A name that would end a script or start one is shown as it is, and does nothing."""
        hostile = "</script><img src=x onerror=\"document.title='broken'\"><!--{{style}}"
        path = tmp_path / "<img src=x onerror=alert(1)>.html"
        page_writer(path, [3], header={hostile: hostile, "fingerprint": hostile}, names=hostile)
        tab.page.goto(path.as_uri())
        tab.page.locator("body[data-step]").wait_for(state="attached")

        assert tab.page.title() == "<img src=x onerror=alert(1)>"
        assert tab.page.locator("img").count() == 0
        assert hostile in tab.page.locator("#facts").inner_text()
        assert any("<img" in name for name in tab.page.locator(".toggle").all_inner_texts())
