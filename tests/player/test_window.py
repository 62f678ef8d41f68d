"""The window's keys, its pace, and what happens without a display."""

import threading
import time

import numpy as np
import pytest

from alf.errors import RenderError
from alf.player.stopping import StopPlaying
from alf.player.window import Controls, Window, has_display

FRAME = np.zeros((40, 60, 3), np.uint8)


@pytest.fixture
def pygame(monkeypatch):
    """pygame on SDL's own display without a screen."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    module = pytest.importorskip("pygame")
    yield module
    module.quit()


def press(pygame, key: int, text: str = "") -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text))


class TestControls:
    def test_space_pauses_and_goes_on(self):
        """One key for both."""
        controls = Controls()
        controls.press("space")
        assert controls.paused
        controls.press("space")
        assert not controls.paused

    def test_right_arrow_takes_one_step_and_pauses(self):
        """Stepping is possible from a running play too."""
        controls = Controls()
        controls.press("right")

        assert (controls.paused, controls.single) == (True, True)

    def test_speed_has_limits(self):
        """The speed never becomes 0 or endless."""
        controls = Controls()
        for _ in range(50):
            controls.press("+")
        fastest = controls.speed
        for _ in range(50):
            controls.press("-")

        assert (fastest, controls.speed) == (64.0, 1 / 16)

    @pytest.mark.parametrize("key", ["q", "escape"])
    def test_quit(self, key):
        """Both usual keys quit."""
        controls = Controls()
        controls.press(key)

        assert controls.quit


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

    def test_help_and_plus(self, pygame):
        """? draws the keys over the frame; + doubles the speed."""
        window = Window(sleep_time_per_step=0)
        window.write(FRAME)
        press(pygame, pygame.K_SLASH, "?")
        press(pygame, pygame.K_PLUS, "+")
        window.write(FRAME)
        shown = pygame.surfarray.array3d(pygame.display.get_surface())
        window.close()

        assert window.controls.speed == 2.0
        assert shown.max() > 0
