"""Remove what its rule no longer keeps, a second of work at a time, and tell what was removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_ingest.domain.acceptance import DeferredError

ROUND_SECONDS = 60.0
STEP_REST_SECONDS = 0.5
RETRY_SECONDS = 5.0

_log = get_logger("keep_retention")


class SweepStep(Protocol):
    """What one step removed."""

    rows: dict[str, int]
    """Rows by kind: readings, minutes, hours."""
    partitions: list[str]
    is_behind: bool


class Sweeper(Protocol):
    """Whoever removes what has expired."""

    async def step(self, now: datetime) -> SweepStep:
        """Work for about a second. Raises DeferredError."""
        ...


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed since the audit log was told last."""

    rows: Mapping[str, int]
    partitions: Sequence[str]


class RemovedNews(Protocol):
    """Whoever tells the audit log."""

    async def tell(self) -> Removed | None:
        """Tell what was removed and not told yet, by this process or one before it. Raises UnavailableError."""
        ...


class KeepRetention:
    """One worker: step after step while something has expired, then a look a minute.

    What a whole run of steps removed is told at its end, as one event of the audit log; what there is to tell adds up
    beside the data, so that it outlives whoever removed it.
    """

    def __init__(
        self,
        sweeper: Sweeper,
        clock: Clock,
        count: Callable[[SweepStep], None],
        news: RemovedNews,
    ) -> None:
        self._sweeper = sweeper
        self._clock = clock
        self._count = count
        self._news = news
        self._is_failing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        stopping = asyncio.create_task(stop.wait(), name="keep_retention_stop")
        try:
            while not stop.is_set():
                await asyncio.wait({stopping}, timeout=await self._round())
        finally:
            stopping.cancel()

    async def _round(self) -> float:
        """Do one step; return how long to wait for the next."""
        try:
            done = await self._sweeper.step(self._clock.now())
            self._count(done)
            if not done.is_behind and (told := await self._news.tell()) is not None:
                _log.info("retention_applied", **told.rows, partitions=told.partitions)
            self._is_failing = False
        except (DeferredError, UnavailableError) as error:
            if not self._is_failing:
                _log.warning("retention_deferred", reason=str(error))
            self._is_failing = True
            return RETRY_SECONDS
        return STEP_REST_SECONDS if done.is_behind else ROUND_SECONDS
