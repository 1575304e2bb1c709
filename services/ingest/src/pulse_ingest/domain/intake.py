"""What waits between the broker and the database, bounded in both of its queues.

`certain` messages (QoS 1, HTTP) are bounded by who brings them: the broker by Receive Maximum, HTTP by its number of
open requests. `live` ones (QoS 0) go into a ring that drops the oldest and counts: their sender still has them, or
chose not to care. Neither queue can starve the other.
"""

from __future__ import annotations

from collections import deque

from pulse_ingest.domain.batch import Message


class Intake:
    """Two queues of messages."""

    def __init__(self, *, live_messages: int, live_bytes: int) -> None:
        self._certain: deque[Message] = deque()
        self._live: deque[Message] = deque()
        self._live_messages = live_messages
        self._live_bytes_limit = live_bytes
        self._live_bytes = 0
        self.live_dropped = 0
        """Live messages that were dropped to make room, ever."""

    def __len__(self) -> int:
        return len(self._certain) + len(self._live)

    def add_certain(self, message: Message) -> None:
        """Append a message that must not be dropped."""
        self._certain.append(message)

    def add_live(self, message: Message) -> None:
        """Append a live message; the oldest ones make room for it."""
        live = self._live
        live.append(message)
        self._live_bytes += len(message.payload)
        while len(live) > self._live_messages or (self._live_bytes > self._live_bytes_limit and len(live) > 1):
            self._live_bytes -= len(live.popleft().payload)
            self.live_dropped += 1

    def take(self, limit: int, max_bytes: int = 1 << 60) -> list[Message]:
        """Take up to `limit` messages, oldest first within each queue; a full queue never takes the other's half.

        Ends earlier once `max_bytes` are reached; a single message may be larger.
        """
        live, certain = self._live, self._certain
        from_live = min(len(live), max(limit // 2, limit - len(certain)))
        taken = _take(live, from_live, max_bytes // 2 if certain else max_bytes)
        live_bytes = sum([len(message.payload) for message in taken])
        self._live_bytes -= live_bytes
        taken += _take(certain, min(len(certain), limit - len(taken)), max_bytes - live_bytes)
        return taken


def _take(queue: deque[Message], most: int, max_bytes: int) -> list[Message]:
    taken: list[Message] = []
    size = 0
    while len(taken) < most and size < max_bytes:
        message = queue.popleft()
        size += len(message.payload)
        taken.append(message)
    return taken
