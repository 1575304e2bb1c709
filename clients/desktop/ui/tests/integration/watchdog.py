"""Watches that the window's thread is never away from its event loop for long: 50 ms is what a person does not notice.

Both clocks are read in every turn of the loop. The thread's own processor time says how long it worked, whatever else the
machine does, so that its limit can be the strict one wherever the tests run. The clock on the wall says how long it was
away: that is longer where others have the core, but it is the only one that sees a thread that waits (for a lock, a
file, a socket), which takes no processor time; its limit leaves room for a machine with much to do. On a machine with
nothing else to do the two are the same to a few milliseconds, and both are within 50 ms.

Processor time depends on the machine too: where both threads of a core are busy, or a guest's processor is taken from
it, the same work was seen to take twice its time. So a test that found too much work in a turn is run again, twice at most,
and fails if every run finds it: the least of several measurements is the work, the rest is the machine. A turn that was
away too long by the clock on the wall fails at once.
"""

from __future__ import annotations

import gc
import time
from typing import Final

from PySide6.QtCore import QObject, QTimer

WORK_SECONDS: Final = 0.050
"""The longest piece of work between two turns, in processor time of the window's thread."""
AWAY_SECONDS: Final = 30.0
"""The longest time between two turns on the wall's clock. A busy machine was seen to take 7 s for 24 ms of work; a thread
that waits for something that does not come is away for longer still."""


RUNS_AGAIN: Final = 2
"""How often a test that found too much work in a turn is run again."""


class LongTurnError(AssertionError):
    """The window's thread worked for longer than it may without a turn of its event loop."""


class Watchdog(QObject):
    """Starts at once; `worst` and `longest` are the most work, and the most time, without a turn of the loop, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        gc.collect()
        gc.freeze()  # as the program does; the test's own objects are not the window's
        self.worst = 0.0
        self.longest = 0.0
        self.turns = 0
        self._worked, self._at = time.thread_time(), time.perf_counter()
        self._clock = QTimer(self, interval=0)
        self._clock.timeout.connect(self._turn)
        self._clock.start()

    def check(self) -> None:
        """Say whether every turn was short enough. Raises LongTurnError; a plain AssertionError for one that waited."""
        worst, longest = self.worst * 1000, self.longest * 1000
        assert self.longest <= AWAY_SECONDS, f"the window's thread was away for {longest:.0f} ms, worked {worst:.0f} ms"
        if self.worst > WORK_SECONDS:
            message = f"the window's thread worked {worst:.0f} ms without a pause, was away for {longest:.0f} ms"
            raise LongTurnError(message)

    def stop(self) -> None:
        """Watch no more."""
        self._clock.stop()
        gc.unfreeze()

    def _turn(self) -> None:
        worked, at = time.thread_time(), time.perf_counter()
        self.worst = max(self.worst, worked - self._worked)
        self.longest = max(self.longest, at - self._at)
        self._worked, self._at = worked, at
        self.turns += 1
