"""How fast the outbox empties, and how long that will take: for people who watch. Pure; moments in seconds are passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 10.0
"""The rate is that of the last seconds: long enough to be calm, short enough to follow a server that slows down."""
SHORTEST_SECONDS: Final = 0.9


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """One drain so far; `rate` in readings a second as the count goes down, None while it is not known or not positive."""

    started_at: float
    started_with: int
    left: int
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        """How long it takes at this rate."""
        return None if self.rate is None else self.left / self.rate


class DrainMeter:
    """Watches one outbox from `start` to `stop`."""

    def __init__(self) -> None:
        self._started: tuple[float, int] | None = None
        self._points: deque[tuple[float, int]] = deque()

    def start(self, wall: float, rows: int) -> None:
        """Note that catching up begins, at Unix second `wall`, with so many rows; while it goes on, nothing changes."""
        if self._started is None:
            self._started = (wall, rows)
            self._points.clear()

    def stop(self) -> None:
        """It is over, or was cut."""
        self._started = None
        self._points.clear()

    def progress(self, now: float, rows: int) -> DrainProgress | None:
        """Return how it stands at the monotonic second `now`; None when nothing is being caught up on."""
        if self._started is None:
            return None
        self._points.append((now, rows))
        while len(self._points) > 2 and now - self._points[0][0] > WINDOW_SECONDS:
            self._points.popleft()
        then, before = self._points[0]
        gone, seconds = before - rows, now - then
        rate = gone / seconds if seconds >= SHORTEST_SECONDS and gone > 0 else None
        at, with_rows = self._started
        return DrainProgress(at, max(with_rows, rows), rows, rate)
