"""Events of a log topic on their way to a socket: each is told once and in order; none is conflated, none is dropped.

What a slow socket has not taken is queued up to 1 MiB; above it `is_overfull`, and the socket is ended (4202) to resume.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Sequence
from typing import Final, NamedTuple

from typing_extensions import override

from pulse_gateway.domain.pending import FRAME_BYTES, FRAME_ROWS, Pending
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.ticks import Parcel

EVENT_QUEUE_BYTES: Final = 1024 * 1024


class Event(NamedTuple):
    """One stream entry of a log, as it is told: `item` is JSON of `{id, ts, kind, data}`, `size` its stream entry's.

    What belongs to no device (`device_id` None) is for everybody who may have the topic.
    """

    id: StreamId
    size: int
    device_id: str | None
    item: str
    severity: str | None = None

    def is_of(self, device_ids: Container[str]) -> bool:
        """Tell whether it belongs to one of these devices."""
        return self.device_id is not None and self.device_id in device_ids


class EventTick:
    """Every event since the last tick."""

    def __init__(self, offset: StreamId, events: Sequence[Event]) -> None:
        self.offset = offset
        self.events = events
        self._parcels: list[Parcel] | None = None

    @property
    def first(self) -> StreamId | None:
        """Where the oldest event stands in the stream."""
        return self.events[0].id if self.events else None

    def parcels(self) -> list[Parcel] | None:
        """Return the frames to send, or None when that is more than one frame's worth."""
        if self._parcels is None:
            if len(self.events) > FRAME_ROWS or sum(len(event.item) for event in self.events) > FRAME_BYTES:
                return None
            self._parcels = [event_parcel(self.offset, self.events)]
        return self._parcels


class EventPending(Pending[EventTick]):
    """The events that one subscription still has to be told."""

    conflates = False

    def __init__(self) -> None:
        self._queue: deque[tuple[Event, int]] = deque()
        self._queued_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._queue)

    @property
    @override
    def is_overfull(self) -> bool:
        return self._queued_bytes > EVENT_QUEUE_BYTES

    def replay(self, events: Iterable[Event]) -> None:
        """Queue what a resumed client missed; the limits of a resume bound it."""
        self._queue.extend((event, 0) for event in events)

    @override
    def absorb(self, tick: EventTick, after: StreamId) -> None:
        for event in tick.events:
            if event.id > after:
                self._queue.append((event, len(event.item)))
                self._queued_bytes += len(event.item)

    @override
    def take(self, current: StreamId) -> Parcel | None:
        if not self._queue:
            return None
        taken: list[Event] = []
        room = FRAME_BYTES
        while self._queue and len(taken) < FRAME_ROWS:
            event, size = self._queue[0]
            room -= len(event.item) + 1
            if taken and room < 0:
                break
            self._queue.popleft()
            self._queued_bytes -= size
            taken.append(event)
        return event_parcel(taken[-1].id, taken)

    @override
    def drop(self, device_ids: Container[str]) -> None:
        kept = [(event, size) for event, size in self._queue if not event.is_of(device_ids)]
        self._queue = deque(kept)
        self._queued_bytes = sum(size for _, size in kept)

    @override
    def clear(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0


def event_parcel(offset: StreamId, events: Iterable[Event]) -> Parcel:
    """Return an event frame without its head."""
    items = ",".join(event.item for event in events)
    return Parcel("event", f'"offset":"{offset}","items":[{items}]}}', offset)
