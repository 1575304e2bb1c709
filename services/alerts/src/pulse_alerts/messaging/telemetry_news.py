"""The telemetry stream, as evaluation reads it: typed decoding, because parsing is most of what a reading costs."""

from __future__ import annotations

from typing import Final

import msgspec
from redis.asyncio import Redis

from pulse_alerts.use_cases.ports import Announcement
from pulse_chassis.logging import get_logger
from pulse_chassis.streams import StreamReader, entry_exists, epoch, position
from pulse_contracts.streams import TELEMETRY_STREAM

_log = get_logger("telemetry_news")


class _Span(msgspec.Struct):
    device_id: str
    from_ms: int
    to_ms: int


class _Entry(msgspec.Struct):
    """`pulse_contracts.streams.TelemetryAnnounced`, as far as it is needed here."""

    at: int
    rows: list[tuple[str, int, str, dict[str, bool | int | float | str]]] = []
    late: list[_Span] = []


_DECODER: Final = msgspec.json.Decoder(_Entry)


def decode(entry_id: str, payload: bytes) -> Announcement | None:
    """Return an entry; None when it cannot be read."""
    try:
        entry = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        _log.warning("telemetry_entry_unreadable", entry=entry_id)
        return None
    return Announcement(
        entry_id, entry.at, entry.rows, [(span.device_id, span.from_ms, span.to_ms) for span in entry.late]
    )


class RedisTelemetryNews:
    """A `TelemetryNews`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reader = StreamReader(redis, TELEMETRY_STREAM)

    async def epoch(self) -> str:
        """Return the stream's epoch."""
        return await epoch(self._redis, TELEMETRY_STREAM)

    async def end(self) -> str:
        """Return the position of its newest entry."""
        return await position(self._redis, TELEMETRY_STREAM)

    async def is_there(self, position: str) -> bool:
        """Tell whether an entry is still in the stream."""
        return await entry_exists(self._redis, TELEMETRY_STREAM, position)

    async def read(self, after: str, count: int, block_ms: int | None) -> list[Announcement]:
        """Return what follows; an entry that cannot be read is passed over."""
        entries = await self._reader.read(after, count, block_ms)
        decoded = [decode(entry_id, payload) for entry_id, payload in entries]
        return [entry for entry in decoded if entry is not None]
