"""A window that shows a play, with keys to pause, step and change the speed.

pygame is imported only when a window is opened: recording needs neither it nor a display.
"""

import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from alf.errors import RenderError
from alf.player.episodes import Moment
from alf.player.stopping import StopPlaying

HELP = (
    ("space", "pause, go on"),
    ("right arrow", "one step"),
    ("+  -", "faster, slower"),
    ("?", "this help"),
    ("q  Esc", "quit"),
)
_MIN_SPEED, _MAX_SPEED = 1 / 16, 64.0
# While paused, how often a closed window or a key is looked for, in seconds.
_POLL_S = 0.02


def has_display() -> bool:
    """Whether a window could be opened here."""
    if sys.platform in ("win32", "darwin") or os.environ.get("SDL_VIDEODRIVER"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@dataclass
class Controls:
    """What the keys have set; knows nothing of the window.

    Attributes:
        paused: no step is taken.
        single: one step is taken although paused.
        speed: factor on the frame rate, between 1/16 and 64.
        help: the help is shown.
        quit: the watcher has seen enough.
    """

    paused: bool = False
    single: bool = False
    speed: float = 1.0
    help: bool = False
    quit: bool = False

    def press(self, key: str) -> None:
        """Follows a key, by pygame's name of it or the character that it types."""
        if key == "space":
            self.paused = not self.paused
        elif key == "right":
            self.paused, self.single = True, True
        elif key in ("+", "="):
            self.speed = min(self.speed * 2, _MAX_SPEED)
        elif key == "-":
            self.speed = max(self.speed / 2, _MIN_SPEED)
        elif key in ("?", "h"):
            self.help = not self.help
        elif key in ("q", "escape"):
            self.quit = True


class Window:
    """Shows each frame and waits until it is time for the next.

    Args:
        fps: frames per second at speed 1.
        sleep_time_per_step: seconds between frames at speed 1, instead of `1 / fps`; 0 plays as
            fast as the policy decides.
        title: of the window.

    Raises:
        RenderError: there is no display, or pygame is missing.
    """

    def __init__(
        self, fps: float = 30.0, sleep_time_per_step: float | None = None, title: str = "alf play"
    ):
        if not has_display():
            raise RenderError(
                "There is no display here (DISPLAY and WAYLAND_DISPLAY are not set), so a window "
                "cannot be opened. Record instead: --record_file play.mp4"
            )
        self._pygame = _import_pygame()
        self.controls = Controls()
        self.interval = 1 / fps if sleep_time_per_step is None else sleep_time_per_step
        self._title = title
        self._screen: Any = None
        self._due = 0.0

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Shows a frame; uint8 `[H, W, 3]`, RGB. Returns when the next one is due.

        Raises:
            StopPlaying: q or Esc was pressed, or the window was closed.
            RenderError: the display refuses a window.
        """
        if self._screen is None:
            self._screen = self._open(frame)
        self._show(frame)
        self._wait(frame)

    def close(self) -> str:
        """Closes the window."""
        if self._screen is not None:
            self._pygame.display.quit()
            self._screen = None
        return ""

    def _open(self, frame: np.ndarray) -> Any:
        pygame = self._pygame
        try:
            pygame.display.init()
            screen = pygame.display.set_mode((frame.shape[1], frame.shape[0]), pygame.RESIZABLE)
        except pygame.error as error:
            raise RenderError(
                f"The display refuses a window: {error}. Record instead: --record_file play.mp4"
            ) from error
        pygame.display.set_caption(f"{self._title}  -  ? for keys")
        return screen

    def _show(self, frame: np.ndarray) -> None:
        pygame = self._pygame
        size = (frame.shape[1], frame.shape[0])
        picture = pygame.image.frombuffer(np.ascontiguousarray(frame), size, "RGB")
        available = self._screen.get_size()
        if available != size:
            scale = min(available[0] / size[0], available[1] / size[1])
            fitted = (max(int(size[0] * scale), 1), max(int(size[1] * scale), 1))
            picture = pygame.transform.smoothscale(picture, fitted)
        self._screen.fill((255, 255, 255))
        self._screen.blit(
            picture,
            ((available[0] - picture.get_width()) // 2, (available[1] - picture.get_height()) // 2),
        )
        if self.controls.help:
            self._draw_help()
        pygame.display.flip()

    def _draw_help(self) -> None:
        # Here and not at the top: whoever only records needs no panel drawing for it.
        from alf.summary.render.canvas import Canvas
        from alf.summary.render.theme import INK, PAPER

        lines = [*HELP, ("speed", f"x{self.controls.speed:g}")]
        card = Canvas.blank(280, 26 * len(lines) + 16, INK)
        for i, (key, meaning) in enumerate(lines):
            card.text(16, 29 + 26 * i, key, 14, PAPER, bold=True)
            card.text(132, 29 + 26 * i, meaning, 14, PAPER)
        picture = self._pygame.image.frombuffer(card.pixels, (card.width, card.height), "RGB")
        picture.set_alpha(235)
        self._screen.blit(picture, (12, 12))

    def _listen(self, frame: np.ndarray) -> None:
        pygame = self._pygame
        changed = False
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self.controls.quit = True
            elif event.type == pygame.KEYDOWN:
                self.controls.press(
                    event.unicode
                    if event.unicode in "+-=?" and event.unicode
                    else pygame.key.name(event.key)
                )
                changed = True
            elif event.type in (pygame.VIDEORESIZE, pygame.VIDEOEXPOSE):
                changed = True
        if self.controls.quit:
            raise StopPlaying
        if changed:
            self._show(frame)

    def _wait(self, frame: np.ndarray) -> None:
        """Until the next frame is due; while paused, until a key says go on."""
        self._due = max(self._due + self.interval / self.controls.speed, time.monotonic() - 0.1)
        while True:
            self._listen(frame)
            left = self._due - time.monotonic()
            if self.controls.single:
                self.controls.single = False
                return
            if not self.controls.paused and left <= 0:
                return
            time.sleep(_POLL_S if self.controls.paused else min(left, _POLL_S))


def _import_pygame() -> Any:
    # pygame greets on stdout when it is imported; the commands' output is ours.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise RenderError(
            "A window needs pygame: pip install pygame. Without it, record: --record_file play.mp4"
        ) from error
    return pygame
