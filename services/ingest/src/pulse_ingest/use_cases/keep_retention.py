"""Remove what its rule no longer keeps, a second of work at a time, and tell what was removed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Removed:
    """What was removed and not told yet."""

    rows: dict[str, int] = field(default_factory=dict)
    partitions: list[str] = field(default_factory=list)

    def add(self, rows: Mapping[str, int], partitions: list[str]) -> None:
        """Take in what one step removed."""
        for kind, count in rows.items():
            if count:
                self.rows[kind] = self.rows.get(kind, 0) + count
        self.partitions += partitions


class KeepRetention:
    """One worker: step after step while something has expired, then a look a minute.

    `tell` writes what a whole run of steps removed into the audit log; while it cannot, what there is to tell adds up.
    """

    def __init__(
        self,
        sweeper: Sweeper,
        clock: Clock,
        count: Callable[[SweepStep], None],
        tell: Callable[[Removed], Awaitable[None]],
    ) -> None:
        self._sweeper = sweeper
        self._clock = clock
        self._count = count
        self._tell = tell
        self._removed = Removed()
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
            self._removed.add(done.rows, done.partitions)
            if not done.is_behind and (self._removed.rows or self._removed.partitions):
                removed, self._removed = self._removed, Removed()
                await self._tell_or_keep(removed)
            self._is_failing = False
        except (DeferredError, UnavailableError) as error:
            if not self._is_failing:
                _log.warning("retention_deferred", reason=str(error))
            self._is_failing = True
            return RETRY_SECONDS
        return STEP_REST_SECONDS if done.is_behind else ROUND_SECONDS

    async def _tell_or_keep(self, removed: Removed) -> None:
        _log.info("retention_applied", **removed.rows, partitions=removed.partitions)
        try:
            await self._tell(removed)
        except UnavailableError:
            self._removed.add(removed.rows, removed.partitions)
            raise
