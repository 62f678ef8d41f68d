"""The window's keys, its pace, and what happens without a display."""

import signal
import threading
import time
from dataclasses import replace

import av
import numpy as np
import pytest

from alf.errors import RenderError
from alf.player.controls import HELP, Controls
from alf.player.layout import Layout
from alf.player.places import has_display
from alf.player.screen import Screen, help_card
from alf.player.showing import show
from alf.player.sinks import open_sinks
from alf.player.stopping import StopPlaying
from alf.player.window import Window
from alf.summary.render.image import Image
from alf.summary.render.theme import INK

FRAME = np.zeros((40, 60, 3), np.uint8)
RED, GREEN, BLUE = (200, 30, 30), (30, 160, 60), (30, 60, 200)


def area(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    """How many pixels have exactly this colour."""
    return int((picture == np.array(color)).all(2).sum())


@pytest.fixture
def pygame(monkeypatch):
    """pygame on SDL's own display without a screen."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    module = pytest.importorskip("pygame")
    yield module
    module.quit()


def press(pygame, key: int, text: str = "", mod: int = 0) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text, mod=mod))


class TestControls:
    def test_space_pauses_and_goes_on(self):
        """One key for both."""
        controls = Controls()
        controls.press("space")
        assert not controls.goes_on
        controls.press("space")
        assert controls.goes_on

    @pytest.mark.parametrize(("shift", "steps"), [(False, 1), (True, 10)])
    def test_right_takes_steps_and_pauses(self, shift, steps):
        """Stepping is possible from a running play too; with shift, ten at once."""
        controls = Controls()
        controls.press("right", shift=shift)
        taken = 0
        while controls.goes_on:
            controls.took_step()
            taken += 1

        assert (controls.paused, taken) == (True, steps)

    def test_left_looks_back_as_far_as_frames_are_kept(self):
        """Back 10 and 10 of 12 is 12; forward 10 is 2; forward 10 more is now and 8 new steps."""
        controls = Controls(kept=12)
        seen = []
        for key in ("left", "left", "right", "right"):
            controls.press(key, shift=True)
            seen.append((controls.back, controls.steps))

        assert seen == [(10, 0), (12, 0), (2, 0), (0, 8)]

    def test_going_on_is_going_on_from_now(self):
        """Space after looking back shows the newest frame again."""
        controls = Controls(kept=5)
        controls.press("left")
        assert controls.remark == "paused, 1 back"
        controls.press("space")

        assert (controls.back, controls.goes_on, controls.remark) == (0, True, "")

    @pytest.mark.parametrize(("faster", "slower"), [("+", "-"), ("up", "down"), ("=", "-")])
    def test_speed_has_limits(self, faster, slower):
        """The speed never becomes 0 or endless, and is told."""
        controls = Controls()
        for _ in range(50):
            controls.press(faster)
        fastest, told = controls.speed, controls.remark
        for _ in range(50):
            controls.press(slower)

        assert (fastest, told, controls.speed) == (64.0, "x64", 1 / 16)

    def test_panels_are_hidden_one_by_one_and_all(self):
        """A digit toggles its panel; p hides all, or brings back all where one is hidden."""
        controls = Controls(panels=("a", "b"))
        hidden = []
        for key in ("2", "1", "2", "9", "p", "p", "p"):
            controls.press(key)
            hidden.append(sorted(controls.hidden))

        assert hidden == [["b"], ["a", "b"], ["a"], ["a"], [], ["a", "b"], []]

    @pytest.mark.parametrize("key", ["q", "escape"])
    def test_quit(self, key):
        """Both usual keys quit."""
        controls = Controls()
        controls.press(key)

        assert controls.quit


class TestScreen:
    @pytest.fixture
    def composed(self) -> tuple[Layout, np.ndarray]:
        """A green environment with a red and a blue panel beside it."""
        sizes = {"red": (100, 80), "blue": (100, 80)}
        layout = Layout((300, 400), sizes, ("step",))
        panels = {
            "red": Image(np.full((100, 80, 3), RED, np.uint8)),
            "blue": Image(np.full((100, 80, 3), BLUE, np.uint8)),
        }
        frame = np.full((300, 400, 3), GREEN, np.uint8)
        return layout, layout.compose(frame, panels, {"step": "7"})

    def draw(self, composed, *keys: str, size: tuple[int, int] | None = None) -> np.ndarray:
        layout, frame = composed
        controls = Controls(panels=("red", "blue"))
        for key in keys:
            controls.press(key)
        return Screen(layout.plan).draw(frame, controls, size or layout.size)

    def test_nothing_pressed_is_the_frame(self, composed):
        """To the pixel, where the screen has the frame's size."""
        assert np.array_equal(self.draw(composed), composed[1])

    def test_a_hidden_panel_is_gone_and_the_others_stay(self, composed):
        """Number 1 is the first panel; the frame that was given is not changed."""
        before = composed[1].copy()
        picture = self.draw(composed, "1")

        assert (area(picture, RED), area(composed[1], RED)) == (0, 8000)
        assert area(picture, BLUE) >= 8000
        assert np.array_equal(composed[1], before)

    def test_without_panels_the_environment_is_larger(self, composed):
        """p gives their room to the environment's picture."""
        screen = (900, composed[0].size[1])
        all_seen, picture = self.draw(composed, size=screen), self.draw(composed, "p", size=screen)

        assert area(picture, RED) == area(picture, BLUE) == 0
        assert area(all_seen, GREEN) == 300 * 400
        assert area(picture, GREEN) > 1.3 * 300 * 400

    @pytest.mark.parametrize("size", [(100, 90), (40, 700), (900, 1400)])
    def test_it_fits_any_screen(self, composed, size):
        """Whole and in its own shape: the area of the environment stays 4:3."""
        picture = self.draw(composed, size=size)
        rows, columns = np.where((np.abs(picture.astype(int) - GREEN) < 9).all(2))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1

        assert picture.shape == (*size, 3)
        assert width / height == pytest.approx(4 / 3, rel=0.08)

    def test_help_tells_all_keys_and_lists_the_panels(self, composed):
        """The card stands on the darkened picture; it grows with the panels that it lists."""
        plain, helped = self.draw(composed), self.draw(composed, "?")
        alone, listed = (help_card(Controls(panels=names)) for names in ((), ("red", "blue")))

        assert helped[4, 4].tolist() == (plain[4, 4] // 2).tolist()
        assert (helped == np.array(INK)).all(2).sum() > 20_000
        assert listed.shape[0] >= alone.shape[0] + 48
        keys = " ".join(key for key, _ in HELP)
        assert all(key in keys for key in ("space", "right", "left", "+", "-", "p", "?", "q"))


class TestWindow:
    def test_no_display_is_said(self, monkeypatch):
        """The message says what is missing and what to do instead."""
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("sys.platform", "linux")

        assert not has_display()
        with pytest.raises(RenderError, match="--record_file"):
            Window()

    def test_it_keeps_the_pace(self, pygame):
        """20 frames at 100 frames per second take about 0.2 s."""
        window = Window(fps=100)
        window.write(FRAME)
        start = time.monotonic()
        for _ in range(20):
            window.write(FRAME)
        took = time.monotonic() - start
        window.close()

        assert 0.1 < took < 1.0

    def test_as_fast_as_possible_can_be_slowed_down(self, pygame):
        """Half as fast is half of the usual rate: 4 frames of 1/20 s, twice as long."""
        window = Window(fps=20, sleep_time_per_step=0)
        start = time.monotonic()
        window.write(FRAME)
        fast = time.monotonic() - start
        window.controls.press("-")
        for _ in range(5):
            window.write(FRAME)
        slow = time.monotonic() - start - fast
        window.close()

        assert slow > 0.35

    def test_it_shows_the_frame(self, pygame):
        """What is written is on the screen, to the pixel."""
        frame = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
        window = Window(sleep_time_per_step=0)
        window.write(frame)
        shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        window.close()

        assert np.array_equal(shown, frame)

    def test_q_stops(self, pygame):
        """The play ends, without an error."""
        window = Window(sleep_time_per_step=0)
        window.write(FRAME)
        press(pygame, pygame.K_q, "q")

        with pytest.raises(StopPlaying):
            window.write(FRAME)
        window.close()

    def test_paused_it_takes_one_step_a_key(self, pygame):
        """While paused, each right arrow lets one frame through, and only a key does."""
        window = Window(sleep_time_per_step=0)
        window.write(FRAME)
        press(pygame, pygame.K_SPACE, " ")
        press(pygame, pygame.K_RIGHT)
        window.write(FRAME)
        threading.Timer(0.2, press, (pygame, pygame.K_RIGHT)).start()
        start = time.monotonic()
        window.write(FRAME)
        waited = time.monotonic() - start
        window.close()

        assert window.controls.paused
        assert waited > 0.15

    def test_keys_reach_what_is_seen(self, pygame):
        """Keys that type a character, keys with a name, and shift, as a keyboard sends them."""
        window = Window(sleep_time_per_step=0)
        for _ in range(4):
            window.write(FRAME)
        press(pygame, pygame.K_SLASH, "?")
        press(pygame, pygame.K_PLUS, "+")
        press(pygame, pygame.K_UP)
        press(pygame, pygame.K_RIGHT, mod=pygame.KMOD_LSHIFT)
        window.write(FRAME)
        shown = pygame.surfarray.array3d(pygame.display.get_surface())
        left = window.controls.steps
        window.close()

        assert window.controls.speed == 4.0
        assert (window.controls.help, window.controls.paused, left) == (True, True, 10)
        assert shown.max() > 0

    def test_left_shows_earlier_frames(self, pygame):
        """Two frames back while paused; the next step shows the new one."""
        window = Window(sleep_time_per_step=0)
        frames = [np.full((40, 60, 3), 20 * i, np.uint8) for i in range(1, 6)]
        memory = np.empty_like(frames[0])
        seen = []

        def look() -> int:
            # The lower left corner: what keys say stands above.
            return int(pygame.surfarray.array3d(pygame.display.get_surface())[0, -1, 0])

        def go_on() -> None:
            seen.append(look())
            for _ in range(3):
                press(pygame, pygame.K_RIGHT)

        for frame in frames[:3]:
            memory[:] = frame  # the same memory each time, as the layout draws
            window.write(memory)
        press(pygame, pygame.K_LEFT)
        press(pygame, pygame.K_LEFT)
        threading.Timer(0.2, go_on).start()
        memory[:] = frames[3]
        window.write(memory)
        memory[:] = frames[4]
        threading.Timer(0.2, press, (pygame, pygame.K_SPACE, " ")).start()
        window.write(memory)
        seen.append(look())
        window.close()

        assert seen == [40, 100]

    def test_what_is_kept_is_bounded(self, pygame, monkeypatch):
        """Of many frames only the last ones stay, as many as the memory for them holds."""
        monkeypatch.setattr("alf.player.window._KEPT_BYTES", 5 * FRAME.nbytes + 1)
        window = Window(sleep_time_per_step=0)
        for _ in range(20):
            window.write(FRAME)
        kept = window.controls.kept
        window.close()

        assert kept == 4

    def test_ctrl_c_reaches_a_paused_window(self, pygame, painted_env, played):
        """A watcher who paused can still end the play from the terminal."""
        window = Window(sleep_time_per_step=0)
        window.controls.press("space")
        threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            show(played(painted_env([[500]]), 1, render=True), [window])
        window.close()

        assert time.monotonic() - start < 5

    def test_panels_of_a_play_can_be_hidden(self, pygame, painted_env, played):
        """The window knows the panels of what is shown, and where they stand."""
        window = Window(sleep_time_per_step=0)
        image = Image(np.full((100, 100, 3), RED, np.uint8))
        moments = (
            replace(moment, panels={"a": image})
            for moment in played(painted_env([[3]]), 1, render=True)
        )
        seen = []

        def watch():
            for moment in moments:
                yield moment
                shown = pygame.surfarray.array3d(pygame.display.get_surface())
                seen.append(area(shown, RED) > 0)
                press(pygame, pygame.K_1, "1")

        show(watch(), [window])
        window.close()

        assert window.controls.panels == ("a",)
        assert seen == [True, False, True, False]

    def test_what_is_hidden_is_recorded(self, pygame, painted_env, played, tmp_path):
        """A window and a film at once: keys change one and not the other; q ends both."""
        image = Image(np.full((100, 100, 3), RED, np.uint8))

        def watch():
            for moment in played(painted_env([[50]]), 1, render=True):
                yield replace(moment, panels={"a": image})
                if moment.step == 1:
                    press(pygame, pygame.K_p, "p")
                if moment.step == 6:
                    press(pygame, pygame.K_q, "q")

        with open_sinks([str(tmp_path / "a.mp4")], window=True, sleep_time_per_step=0) as sinks:
            show(watch(), sinks)
            (window,) = (sink for sink in sinks if isinstance(sink, Window))
            hidden = window.controls.hidden
        with av.open(str(tmp_path / "a.mp4"), "r") as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]

        assert hidden == {"a"}
        assert len(frames) == 8
        red = [(np.abs(frame.astype(int) - RED) < 12).all(2).sum() for frame in frames]
        assert min(red) > 9000
