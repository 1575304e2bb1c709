"""Time as a dependency: what the wall says, how long something took, and waiting.

Everything that waits or looks at the time takes a `Clock`, so that tests move time by hand and never sleep.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC. It may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for this long by the monotonic time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait by the event loop's timer."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until a test moves it; `sleep` wakes when time passed its end."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            message = "start must be an aware datetime"
            raise ValueError(message)
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @property
    def sleepers(self) -> int:
        """How many tasks are waiting: a test waits for this before it moves time."""
        return sum(1 for _, _, future in self._sleepers if not future.done())

    def now(self) -> datetime:
        """Return the wall time that was set."""
        return self._now

    def monotonic(self) -> float:
        """Return how many seconds were advanced so far."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved time by this much; not positive: only yield."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    def advance(self, seconds: float) -> None:
        """Move both times forward and wake whoever waited no longer than this, in the order of their ends."""
        if seconds < 0:
            message = "monotonic time does not go back; use step_wall to make the wall clock jump"
            raise ValueError(message)
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    def step_wall(self, seconds: float) -> None:
        """Make the wall clock jump, as NTP or a person does; monotonic time and sleepers do not notice."""
        self._now += timedelta(seconds=seconds)
