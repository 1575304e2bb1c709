"""Measure every ten minutes how full the database's volume is, and say so long before it is full."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from pulse_chassis.logging import get_logger
from pulse_ingest.domain.acceptance import DeferredError
from pulse_ingest.domain.storage_use import StorageDay, StorageOutlook, StorageState, outlook

ROUND_SECONDS = 600.0
RETRY_SECONDS = 30.0

_log = get_logger("watch_storage")


class Meter(Protocol):
    """Whoever measures and remembers."""

    async def measure(self) -> None:
        """Replace today's measurement. Raises DeferredError."""
        ...

    async def days(self) -> Sequence[StorageDay]:
        """Return the measurements of the last months, oldest first. Raises DeferredError."""
        ...

    async def keep(self, found: StorageOutlook) -> None:
        """Keep beside the newest measurement what it means, for others to read. Raises DeferredError."""
        ...


class WatchStorage:
    """One worker; `latest` is what it found last."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.latest: StorageOutlook | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        stopping = asyncio.create_task(stop.wait(), name="watch_storage_stop")
        try:
            while not stop.is_set():
                wait = ROUND_SECONDS
                try:
                    await self._meter.measure()
                    found = outlook(await self._meter.days())
                    self._note(found)
                    if found is not None:
                        await self._meter.keep(found)
                except DeferredError as error:
                    _log.warning("storage_not_measured", reason=str(error))
                    wait = RETRY_SECONDS
                await asyncio.wait({stopping}, timeout=wait)
        finally:
            stopping.cancel()

    async def look(self) -> tuple[StorageOutlook | None, Sequence[StorageDay]]:
        """Return how it stands, and the measurements behind it. Raises DeferredError."""
        days = await self._meter.days()
        return outlook(days), days

    def _note(self, found: StorageOutlook | None) -> None:
        before, self.latest = self.latest, found
        if found is None or (before is not None and before.state is found.state):
            return
        fields = {
            "state": found.state.value,
            "share": None if found.share is None else round(found.share, 3),
            "days_left": None if found.days_left is None else round(found.days_left, 1),
        }
        if found.state in (StorageState.WARNING, StorageState.CRITICAL):
            _log.warning("storage_fills_up", **fields)
        else:
            _log.info("storage_measured", **fields)
