"""Keep minutes and hours of every series up to date, some seconds after they have ended."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from pulse_chassis.logging import get_logger
from pulse_ingest.domain.acceptance import DeferredError

ROUND_SECONDS = 10.0
RETRY_SECONDS = 5.0

_log = get_logger("keep_rollups")


class RollupKeeper(Protocol):
    """Whoever computes the roll-ups that are due."""

    async def advance(self, stop: asyncio.Event) -> Any:
        """Do one round, or what of it is done when `stop` is set; return what was done. Raises DeferredError."""
        ...


class KeepRollups:
    """One worker: round after round while it is behind, else every ten seconds."""

    def __init__(self, keeper: RollupKeeper) -> None:
        self._keeper = keeper

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        stopping = asyncio.create_task(stop.wait(), name="keep_rollups_stop")
        is_failing = False
        try:
            while not stop.is_set():
                try:
                    done = await self._keeper.advance(stop)
                    wait = 0.0 if done.is_behind else ROUND_SECONDS
                    is_failing = False
                except DeferredError as error:
                    if not is_failing:
                        _log.warning("rollups_deferred", reason=str(error))
                    is_failing, wait = True, RETRY_SECONDS
                await asyncio.wait({stopping}, timeout=wait)
        finally:
            stopping.cancel()
