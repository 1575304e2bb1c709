"""Running a source: what it emits goes to the outbox, what it raises never ends the agent.

A flapping source is logged once when it starts to fail and once when it works again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pulse_agent.domain.reading import InvalidReadingError, Reading, Value
from pulse_agent.outbox.outbox import Outbox, ReadingRefusedError
from pulse_agent.outbox.writer import OutboxUnavailableError
from pulse_agent.sources.source import HasInterval, Source, TakesConfiguration
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger

RESTART_CEILING_SECONDS: Final = 60.0

_log = get_logger("source")


class SourceSupervisor:
    """Keeps one source running."""

    def __init__(self, source: Source, outbox: Outbox, clock: Clock) -> None:
        self._source = source
        self._outbox = outbox
        self._clock = clock
        self._backoff = Backoff(1.0, RESTART_CEILING_SECONDS)
        self._fault: str | None = None
        self.refused = 0

    @property
    def name(self) -> str:
        """The source's name."""
        return self._source.name

    def change_interval(self, seconds: float) -> bool:
        """Change the source's timer; False when it has none."""
        if not isinstance(self._source, HasInterval):
            return False
        self._source.change_interval(seconds)
        return True

    def configure(self, values: Mapping[str, Any]) -> str | None:
        """Hand the source the `custom.` keys if it asks for them; return why it did not take them."""
        if not isinstance(self._source, TakesConfiguration):
            return None
        try:
            self._source.configure(values)
        except Exception as error:  # noqa: BLE001 # the boundary to plug-ins: theirs may raise anything
            return f"{self.name}: {str(error) or type(error).__name__}"
        return None

    async def run(self, stop: asyncio.Event) -> None:
        """Run the source until `stop`, starting it again when it fails."""
        while not stop.is_set():
            try:
                await self._source.run(self._emit, stop)
                if stop.is_set():
                    return
                self._note_fault("the source ended by itself")
            except Exception as error:  # noqa: BLE001 # the supervisor of plug-ins: theirs may raise anything
                self._note_fault(f"{type(error).__name__}: {error}")
            await self._pause(stop)

    async def _pause(self, stop: asyncio.Event) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(self._backoff.next_delay()))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()

    async def _emit(self, metrics: Mapping[str, Value], recorded_at: datetime | None = None) -> bool:
        moment = recorded_at or self._clock.now()
        reading = Reading(int(moment.timestamp() * 1_000_000), metrics, self.name)
        try:
            await self._outbox.put(reading)
        except (InvalidReadingError, ReadingRefusedError, OutboxUnavailableError) as error:
            self.refused += 1
            self._note_fault(type(error).__name__, str(error))
            return False
        if self._fault is not None:
            _log.info("source_recovered", source=self.name, refused=self.refused)
            self._fault = None
            self._backoff.reset()
        return True

    def _note_fault(self, fault: str, detail: str = "") -> None:
        if fault != self._fault:
            _log.warning("source_failing", source=self.name, reason=fault, detail=detail)
            self._fault = fault
