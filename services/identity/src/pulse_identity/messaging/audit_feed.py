"""From `pulse:audit` into the audit log: every service's events, each once, acknowledged only after the commit.

What is read and not committed is read again, after a crash as after an outage. An entry that is no event is written to
the log as one that could not be read: nothing on the stream goes by without a trace.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from redis.asyncio import Redis

from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.run import Worker
from pulse_chassis.streams import StreamGroup
from pulse_contracts.audit import AuditActor, AuditEvent, AuditOutcome, AuditResource
from pulse_contracts.streams import AUDIT_STREAM
from pulse_identity.use_cases.audit_ports import AuditLog

GROUP: Final = "identity"
BATCH: Final = 500
BLOCK_MS: Final = 1_000
GATHER_SECONDS: Final = 0.25
"""A write takes ten round trips and a signature, however many events it has: a crowd's are written together."""
_log = get_logger("audit_feed")


class AuditFeed:
    """Moves audit events from the stream into the log."""

    def __init__(self, redis: Redis, log: AuditLog, clock: Clock) -> None:
        self._group = StreamGroup(redis, AUDIT_STREAM, GROUP)
        self._audit_log = log
        self._clock = clock

    def worker(self) -> Worker:
        """Return the worker; asked to stop, it ends the batch at hand."""
        return Worker("audit_feed", self._run)

    async def drain(self) -> int:
        """Write what is on the stream now; return how many events were new."""
        await self._group.open()
        written = 0
        for read in (self._group.read_unacknowledged, self._group.read):
            while entries := await read(BATCH):
                written += await self._write(entries)
        return written

    async def _run(self, stop: asyncio.Event) -> None:
        backoff = Backoff(0.2, 5.0)
        is_down = False
        while not stop.is_set():
            try:
                await self.drain()
                if is_down:
                    _log.info("audit_feed_resumed")
                is_down = False
                backoff.reset()
                await self._follow(stop)
            except UnavailableError as error:
                if not is_down:
                    _log.warning("audit_feed_paused", reason=error.message)
                is_down = True
                await _pause(stop, backoff.next_delay())

    async def _follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            entries = await self._group.read(BATCH, BLOCK_MS)
            await self._write(entries)
            if 0 < len(entries) < BATCH:
                await _pause(stop, GATHER_SECONDS)

    async def _write(self, entries: Sequence[tuple[str, bytes]]) -> int:
        written = await self._audit_log.append([self._event(entry) for _, entry in entries])
        await self._group.acknowledge([entry_id for entry_id, _ in entries])
        return written

    def _event(self, entry: bytes) -> AuditEvent:
        try:
            return AuditEvent.model_validate_json(entry)
        except ValidationError:
            digest = hashlib.sha256(entry).digest()
            _log.error("audit_entry_unreadable", sha256=digest.hex())
            return AuditEvent(
                id=UUID(bytes=digest[:16]),  # The same entry again is the same event.
                at=self._clock.now(),
                service=GROUP,
                actor=AuditActor(kind="service", id=GROUP, name=GROUP),
                action="audit.entry_unreadable",
                resource=AuditResource(type="stream", id=AUDIT_STREAM),
                outcome=AuditOutcome.FAILED,
                after={"sha256": digest.hex(), "bytes": len(entry)},
            )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
