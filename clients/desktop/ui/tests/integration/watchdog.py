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
"""What a person does not notice: the limit of the window's thread."""
BUSY_LIMIT_SECONDS: Final = 0.100
"""The same on cores that other tests use too: processor time is longer where caches and cores are shared."""


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

    @property
    def verdict(self) -> str:
        """What was found, in words."""
        return f"the window's thread worked {self.worst * 1000:.0f} ms without a pause"

    def leave_out(self, why: str) -> None:
        """Do not count what was done since the last turn of the loop, because it is the test's work or cannot be divided."""
        assert why
        self._last = time.thread_time()

    def stop(self) -> None:
        """Watch no more."""
        self._clock.stop()
        gc.unfreeze()

    def _turn(self) -> None:
        now = time.thread_time()
        self.worst = max(self.worst, now - self._last)
        self._last = now
        self.turns += 1
