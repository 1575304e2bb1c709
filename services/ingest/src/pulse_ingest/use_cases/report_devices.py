"""Tell the other services how devices are doing: status and completeness, at most once a second for each device.

A change after a quiet second goes out at once; during a busy one the newest state waits. What could not be sent
(Redis away) waits too, conflated: bounded by the number of devices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pulse_chassis.clock import Clock
from pulse_contracts.ids import ClientId
from pulse_contracts.streams import DeviceStatus
from pulse_ingest.domain.acceptance import DeferredError
from pulse_ingest.domain.presence import Sighting, StatusChange
from pulse_ingest.use_cases.ports import LiveStream, PresenceStore

INTERVAL_SECONDS = 1.0
TICK_SECONDS = 0.2
MAX_AT_ONCE = 2000


class ReportDevices:
    """Collects what changed and sends it."""

    def __init__(self, live: LiveStream, store: PresenceStore, clock: Clock) -> None:
        self._live = live
        self._store = store
        self._clock = clock
        self._pending: dict[ClientId, DeviceStatus] = {}
        self._ledgers: set[ClientId] = set()
        self._sent_at: dict[ClientId, float] = {}
        self._changed = asyncio.Event()

    def ledgers_changed(self, client_ids: Iterable[ClientId]) -> None:
        """Note that the ledgers of these clients moved."""
        self._ledgers.update(client_ids)
        self._changed.set()

    def status_changed(self, change: StatusChange) -> None:
        """Note that a client came or went."""
        status = DeviceStatus(
            status=change.status,
            since=change.since_us // 1000,
            last_seen=change.last_seen_us // 1000,
            reason=change.reason,
        )
        self._merge(change.client_id, status)

    def was_seen(self, line: Sighting) -> None:
        """Note what a client said of itself."""
        status = DeviceStatus(
            last_seen=line.seen_us // 1000,
            buffered=line.buffered,
            clock_offset_ms=line.clock_offset_ms,
            agent_version=line.agent_version,
        )
        self._merge(line.client_id, status)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, and what is left then."""
        stopping = asyncio.create_task(stop.wait(), name="report_devices_stop")
        try:
            while not stop.is_set():
                changed = asyncio.create_task(self._changed.wait(), name="report_devices_changed")
                await asyncio.wait({stopping, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                self._changed.clear()
                await self.flush()
                await asyncio.wait({stopping}, timeout=TICK_SECONDS)
                if self._pending or self._ledgers:
                    self._changed.set()
            self._sent_at.clear()
            await self.flush()
        finally:
            stopping.cancel()

    async def flush(self) -> None:
        """Send what is due now."""
        now = self._clock.monotonic()
        due = [client for client in self._pending.keys() | self._ledgers if self._is_due(client, now)][:MAX_AT_ONCE]
        if not due:
            return
        await self._add_completeness([client for client in due if client in self._ledgers])
        changes = [(client, self._pending[client]) for client in due if client in self._pending]
        if changes and await self._live.announce_devices(changes):
            for client, sent in changes:
                if self._pending.get(client) is sent:
                    del self._pending[client]
                self._sent_at[client] = now
        if len(self._sent_at) > 2 * MAX_AT_ONCE:
            self._sent_at = {client: at for client, at in self._sent_at.items() if now - at < INTERVAL_SECONDS}

    def _is_due(self, client_id: ClientId, now: float) -> bool:
        return now - self._sent_at.get(client_id, float("-inf")) >= INTERVAL_SECONDS

    async def _add_completeness(self, client_ids: list[ClientId]) -> None:
        if not client_ids:
            return
        try:
            reports = await self._store.completeness(client_ids)
        except DeferredError:
            return  # They stay noted, and are read when the database is back.
        self._ledgers.difference_update(client_ids)
        for client_id, report in reports.items():
            self._merge(client_id, DeviceStatus(completeness=report))

    def _merge(self, client_id: ClientId, status: DeviceStatus) -> None:
        held = self._pending.get(client_id)
        if held is not None:
            status = held.model_copy(update=status.model_dump(exclude_none=True) | _completeness(status))
        self._pending[client_id] = status
        self._changed.set()


def _completeness(status: DeviceStatus) -> dict[str, object]:
    return {} if status.completeness is None else {"completeness": status.completeness}
