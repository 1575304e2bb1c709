"""Watches whether the window's thread is ever away from its event loop for long.

What counts is the thread's own processor time between two turns of the loop: a machine that is busy with other things
takes the thread away without its fault, and that is not counted.
"""

from __future__ import annotations

import gc
import time
from typing import Final

from PySide6.QtCore import QObject, QTimer

LIMIT_SECONDS: Final = 0.050


class Watchdog(QObject):
    """Starts at once; `worst` is the longest piece of work without a turn of the loop, in seconds of processor time."""

    def __init__(self) -> None:
        super().__init__()
        gc.collect()
        gc.freeze()  # as the program does; the test's own objects are not the window's
        self.worst = 0.0
        self.turns = 0
        self._last = time.thread_time()
        self._clock = QTimer(self, interval=0)
        self._clock.timeout.connect(self._turn)
        self._clock.start()

    def stop(self) -> None:
        """Watch no more."""
        self._clock.stop()
        gc.unfreeze()

    def _turn(self) -> None:
        now = time.thread_time()
        self.worst = max(self.worst, now - self._last)
        self._last = now
        self.turns += 1
