"""Where a live stream is: taken before a query, so that a socket can go on from what was read."""

from __future__ import annotations

from redis.asyncio import Redis

from pulse_chassis.errors import UnavailableError
from pulse_chassis.streams import epoch, position
from pulse_contracts.frames import LivePosition, Topic


class StreamPosition:
    """Tells the position of one topic's stream."""

    def __init__(self, redis: Redis, stream: str, topic: Topic) -> None:
        self._redis = redis
        self._stream = stream
        self._topic = topic

    async def __call__(self) -> LivePosition | None:
        """Return the position; None while Redis is away: what was read is right without it."""
        try:
            found = await epoch(self._redis, self._stream)
            return LivePosition(topic=self._topic, epoch=found, offset=await position(self._redis, self._stream))
        except UnavailableError:
            return None
