"""Signals during training: finish the iteration, then save and stop; or save and go on."""

import contextlib
import signal
import threading
from types import FrameType
from typing import Self

from absl import logging

_STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM]


class StopSignals:
    """While entered, SIGINT and SIGTERM ask for a stop, and SIGUSR2 for a checkpoint.

    A second SIGINT stops at once, the way Python does by default. Signals can be handled on the
    main thread only; on another one this does nothing.

    Args:
        together: whether several processes stop and save together: then what came here counts when
            all have been told of it, see `take` and `heed`.
    """

    def __init__(self, together: bool = False) -> None:
        self._together = together
        self._asked: signal.Signals | None = None
        self._heeded: signal.Signals | None = None
        self._save_asked = self._save_heeded = False
        self._before: dict[int, object] = {}

    @property
    def stop(self) -> signal.Signals | None:
        """The signal to stop for, or `None`."""
        return self._heeded if self._together else self._asked

    def take_save_request(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""
        if not self._together:
            return self._take_asked()
        asked, self._save_heeded = self._save_heeded, False
        return asked

    def take(self) -> tuple[int, bool]:
        """What came to this process: the number to stop for, or 0, and whether to save."""
        return self._asked or 0, self._take_asked()

    def heed(self, stop: int, save: bool) -> None:
        """Do what came to any of the processes.

        Args:
            stop: number of the signal to stop for, or 0.
            save: whether to save a checkpoint.
        """
        if stop:
            self._heeded = signal.Signals(stop)
        self._save_heeded = self._save_heeded or save

    def _take_asked(self) -> bool:
        asked, self._save_asked = self._save_asked, False
        return asked

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _STOP_SIGNALS:
                self._before[number] = signal.signal(number, self._on_stop)
            if hasattr(signal, "SIGUSR2"):  # not on Windows
                self._before[signal.SIGUSR2] = signal.signal(signal.SIGUSR2, self._on_save)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = signal.Signals(number)
        # A signal that comes while a line is being written cannot write one: Python's streams
        # refuse, and training would end by that error without having saved.
        with contextlib.suppress(RuntimeError):
            logging.info("%s: finishing the iteration, then saving.", self._asked.name)

    def _on_save(self, number: int, frame: FrameType | None) -> None:
        self._save_asked = True
