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
    """

    def __init__(self) -> None:
        self.stop: signal.Signals | None = None
        self._save = False
        self._before: dict[int, object] = {}

    def take_save_request(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""
        asked, self._save = self._save, False
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
        if self.stop is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stop = signal.Signals(number)
        # A signal that comes while a line is being written cannot write one: Python's streams
        # refuse, and training would end by that error without having saved.
        with contextlib.suppress(RuntimeError):
            logging.info("%s: finishing the iteration, then saving.", self.stop.name)

    def _on_save(self, number: int, frame: FrameType | None) -> None:
        self._save = True
