"""A window that shows a play, with keys to pause, step, look back, hurry, and hide panels.

pygame is imported only when a window is opened: recording needs neither it nor a display.
"""

import os
import time
from collections import deque
from typing import Any

import numpy as np

from alf.errors import RenderError
from alf.player.controls import Controls
from alf.player.episodes import Moment
from alf.player.places import has_display
from alf.player.plan import Plan
from alf.player.screen import Screen
from alf.player.stopping import StopPlaying

# While paused, how often a closed window or a key is looked for, in seconds.
_POLL_S = 0.02
# Frames that can be looked back at: as many as fit into this memory, and no more than these.
_KEPT_BYTES, _MOST_KEPT = 192_000_000, 600


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
        self._usual = 1 / fps
        self._title = title
        self._surface: Any = None
        self._screen = Screen()
        self._frames: deque[np.ndarray] = deque()
        self._due = 0.0

    def arrange(self, plan: Plan) -> None:
        """Takes in where panels stand in the frames that come, so that they can be hidden."""
        self._screen = Screen(plan)
        self.controls.panels = tuple(plan.panels)

    def write(self, frame: np.ndarray, moment: Moment | None = None) -> None:
        """Shows a frame; uint8 `[H, W, 3]`, RGB. Returns when the next one is due.

        Raises:
            StopPlaying: q or Esc was pressed, or the window was closed.
            RenderError: the display refuses a window.
        """
        if self._surface is None:
            self._surface = self._open(frame)
        self._keep(frame)
        self.controls.took_step()
        self._show()
        self._wait()

    def close(self) -> str:
        """Closes the window."""
        if self._surface is not None:
            self._pygame.display.quit()
            self._surface = None
        self._frames.clear()
        return ""

    def _open(self, frame: np.ndarray) -> Any:
        pygame = self._pygame
        try:
            pygame.display.init()
            surface = pygame.display.set_mode((frame.shape[1], frame.shape[0]), pygame.RESIZABLE)
        except pygame.error as error:
            raise RenderError(
                f"The display refuses a window: {error}. Record instead: --record_file play.mp4"
            ) from error
        pygame.display.set_caption(f"{self._title}  -  ? for keys")
        # A key that is held goes on: through the steps one by one, or back.
        pygame.key.set_repeat(350, 40)
        return surface

    def _keep(self, frame: np.ndarray) -> None:
        """Copies the frame, as its memory is drawn on again; into that of the oldest one."""
        most = max(min(_KEPT_BYTES // max(frame.nbytes, 1), _MOST_KEPT), 1)
        copy = self._frames.popleft() if len(self._frames) >= most else np.empty_like(frame)
        np.copyto(copy, frame)
        self._frames.append(copy)
        self.controls.kept = len(self._frames) - 1

    def _show(self) -> None:
        pygame = self._pygame
        frame = self._frames[-1 - self.controls.back]
        width, height = self._surface.get_size()
        picture = self._screen.draw(frame, self.controls, (height, width))
        shown = pygame.image.frombuffer(picture, (width, height), "RGB")
        self._surface.blit(shown, (0, 0))
        pygame.display.flip()

    def _listen(self) -> None:
        """Follows the keys that were pressed; draws again where they change what is seen."""
        pygame = self._pygame
        changed = False
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self.controls.quit = True
            elif event.type == pygame.KEYDOWN:
                typed = event.unicode and event.unicode in "+-=?123456789"
                key = event.unicode if typed else pygame.key.name(event.key)
                shift = bool(getattr(event, "mod", 0) & pygame.KMOD_SHIFT)
                self.controls.press(key, shift=shift)
                changed = True
            elif event.type in (pygame.VIDEORESIZE, pygame.VIDEOEXPOSE):
                changed = True
        if self.controls.quit:
            raise StopPlaying
        if changed:
            self._show()

    def _pause_s(self) -> float:
        """Seconds between frames at the speed that is set."""
        speed = self.controls.speed
        # As fast as possible has no half; slower than that is slower than usual.
        return (self.interval or (self._usual if speed < 1 else 0.0)) / speed

    def _wait(self) -> None:
        """Until the next frame is due; while paused, until a key asks for one."""
        shown = time.monotonic()
        # What was late by a little is caught up with; what was late by much is not.
        self._due = max(self._due, shown - 0.1)
        while True:
            self._listen()
            if self.controls.steps:
                return
            due = self._due + self._pause_s()
            left = due - time.monotonic()
            if self.controls.goes_on and left <= 0:
                self._due = due
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
