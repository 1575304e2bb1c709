"""Keep room for tomorrow's readings."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Protocol

from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_ingest.domain.acceptance import DeferredError

ROUND_SECONDS = 600.0
RETRY_SECONDS = 5.0

_log = get_logger("keep_partitions")


class PartitionKeeper(Protocol):
    """Whoever makes partitions."""

    async def tend(self, now: datetime) -> Any:
        """Do one round; return what was done. Raises DeferredError."""
        ...


class KeepPartitions:
    """One worker: a round at the start, then every ten minutes, sooner after one that failed."""

    def __init__(self, keeper: PartitionKeeper, clock: Clock) -> None:
        self._keeper = keeper
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        stopping = asyncio.create_task(stop.wait(), name="keep_partitions_stop")
        try:
            while not stop.is_set():
                wait = ROUND_SECONDS
                try:
                    done = await self._keeper.tend(self._clock.now())
                    if done.created:
                        _log.info("partitions_made", created=len(done.created))
                except DeferredError as error:
                    _log.warning("partitions_deferred", reason=str(error))
                    wait = RETRY_SECONDS
                await asyncio.wait({stopping}, timeout=wait)
        finally:
            stopping.cancel()
