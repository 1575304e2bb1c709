"""The devices stream, read from its newest entry on for who came online."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError
from redis.asyncio import Redis

from pulse_chassis.logging import get_logger
from pulse_chassis.streams import StreamReader, position
from pulse_contracts.streams import DEVICES_STREAM, DeviceChanged

NEWS_BLOCK_MS: Final = 2000
_log = get_logger("presence_news")


class RedisPresenceNews:
    """A `PresenceNews`."""

    def __init__(self, reader: StreamReader, after: str) -> None:
        self._reader = reader
        self._after = after

    @classmethod
    async def open(cls, redis: Redis) -> RedisPresenceNews:
        """Start at the end of the stream. Raises UnavailableError."""
        return cls(StreamReader(redis, DEVICES_STREAM), await position(redis, DEVICES_STREAM))

    async def arrived_devices(self) -> list[str]:
        """Wait up to two seconds for news; return who came online. Raises UnavailableError."""
        arrived: list[str] = []
        for entry_id, payload in await self._reader.read(self._after, block_ms=NEWS_BLOCK_MS):
            self._after = entry_id
            if b'"ONLINE"' not in payload:
                continue  # Most entries are sightings: parsing each would cost more than all the rest.
            try:
                change = DeviceChanged.model_validate_json(payload)
            except ValidationError:
                _log.warning("device_news_unreadable", entry=entry_id)
                continue
            if change.status is not None and change.status.status == "ONLINE":
                arrived.append(change.device_id)
        return arrived
