"""The Redis streams, as a role that ingest can do without: storing and acking never wait for them.

After a failure nothing is tried until Redis answers again (asked each half second). What was not announced meanwhile is
kept as one late span for each device and told on recovery, so that open charts fetch the stretch from the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pydantic import ValidationError
from redis.asyncio import Redis

from pulse_chassis.clock import Clock
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.streams import StreamReader, StreamWriter, ping, position
from pulse_contracts.ids import ClientId
from pulse_contracts.streams import (
    DEVICES_STREAM,
    STREAM_MAXLEN,
    TELEMETRY_STREAM,
    DeviceChanged,
    DeviceStatus,
    LateSpan,
)
from pulse_ingest.messaging.wire import encode_announcement
from pulse_ingest.use_cases.ports import AnnouncedRows

ANSWER_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 0.5
MAX_MISSED_DEVICES: Final = 20_000
NEWS_BLOCK_MS: Final = 2000
NEWS_PAUSE_SECONDS: Final = 0.1

_log = get_logger("redis_live_stream")


class RedisLiveStream:
    """The `LiveStream` of production; `run` is the worker that notices when Redis is back."""

    def __init__(
        self, redis: Redis, clock: Clock, count_unannounced: Callable[[int], None], now_us: Callable[[], int]
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._count_unannounced = count_unannounced
        self._now_us = now_us
        self._telemetry = StreamWriter(redis, TELEMETRY_STREAM, STREAM_MAXLEN[TELEMETRY_STREAM])
        self._devices = StreamWriter(redis, DEVICES_STREAM, STREAM_MAXLEN[DEVICES_STREAM])
        self._missed: dict[str, LateSpan] = {}
        self._is_down = asyncio.Event()

    async def announce(self, rows: AnnouncedRows, traceparents: Sequence[str] = ()) -> None:
        """Append rows and late spans, or remember that they were not."""
        entries = encode_announcement(rows, self._now_us() // 1000)
        if self._is_down.is_set() or not await self._try(self._telemetry.append_many(entries, traceparents)):
            self._miss(rows)

    async def announce_devices(self, changes: Sequence[tuple[ClientId, DeviceStatus]]) -> bool:
        """Append status changes."""
        if self._is_down.is_set():
            return False
        entries = [
            DeviceChanged(device_id=client_id, status=status).model_dump_json(exclude_none=True).encode()
            for client_id, status in changes
        ]
        return await self._try(self._devices.append_many(entries))

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for Redis to go, then for it to come back, until `stop`."""
        while not stop.is_set():
            if not self._is_down.is_set():
                await _first(self._is_down.wait(), stop.wait())
                continue
            await _first(self._clock.sleep(PROBE_SECONDS), stop.wait())
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await ping(self._redis)
            except (UnavailableError, TimeoutError):
                continue
            self._is_down.clear()
            _log.info("live_stream_recovered", missed_devices=len(self._missed))
            missed, self._missed = self._missed, {}
            if missed:
                await self.announce(AnnouncedRows([], list(missed.values())))

    async def _try(self, appending: Awaitable[list[str]]) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await appending
        except (UnavailableError, TimeoutError) as error:
            if not self._is_down.is_set():
                _log.warning("live_stream_lost", reason=str(error) or type(error).__name__)
            self._is_down.set()
            return False
        return True

    def _miss(self, rows: AnnouncedRows) -> None:
        self._count_unannounced(len(rows.live))
        for client_id, recorded, _, _ in rows.live:
            at = recorded // 1000
            self._remember(LateSpan(device_id=client_id, from_ms=at, to_ms=at, count=1))
        for span in rows.late:
            self._remember(span)

    def _remember(self, span: LateSpan) -> None:
        held = self._missed.get(span.device_id)
        if held is None and len(self._missed) >= MAX_MISSED_DEVICES:
            return
        if held is not None:
            span = LateSpan(
                device_id=span.device_id,
                from_ms=min(held.from_ms, span.from_ms),
                to_ms=max(held.to_ms, span.to_ms),
                count=held.count + span.count,
            )
        self._missed[span.device_id] = span


class RedisDeviceNews:
    """The devices stream, read from its newest entry on for what identity says."""

    def __init__(self, reader: StreamReader, after: str) -> None:
        self._reader = reader
        self._after = after

    @classmethod
    async def open(cls, redis: Redis) -> RedisDeviceNews:
        """Start at the end of the stream. Raises UnavailableError."""
        return cls(StreamReader(redis, DEVICES_STREAM), await position(redis, DEVICES_STREAM))

    async def changed_devices(self) -> list[ClientId]:
        """Wait up to two seconds for news; return whose registration changed. Raises UnavailableError."""
        entries = await self._reader.read(self._after, block_ms=NEWS_BLOCK_MS)
        if entries:
            # Most of them are our own status reports: reading them by the tenth of a second costs a tenth.
            await asyncio.sleep(NEWS_PAUSE_SECONDS)
        changed = []
        for entry_id, payload in entries:
            self._after = entry_id
            if b'"registration":{' not in payload and b'"is_deleted":true' not in payload:
                continue  # one of our own; parsing each would cost more than all the rest
            try:
                event = DeviceChanged.model_validate_json(payload)
            except ValidationError:
                _log.warning("device_news_unreadable", entry=entry_id)
                continue
            if event.registration is not None or event.is_deleted:
                changed.append(ClientId(event.device_id))
        return changed


async def _first(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
