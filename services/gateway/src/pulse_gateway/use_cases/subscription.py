"""One subscription of one socket: its name, its offset, and what it still has to be told, in order.

Order: pages of a snapshot, then what is pending, then ticks as they come. A tick goes straight to the socket as the
text that all members share, unless something of this subscription is still waiting; then it is merged with that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from typing import Any, Final, Protocol

import orjson

from pulse_contracts.frames import GapReason, Topic
from pulse_gateway.domain.events import EventTick
from pulse_gateway.domain.late import gap_body
from pulse_gateway.domain.pending import Pending
from pulse_gateway.domain.selection import Selection
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.ticks import Parcel, RawTick
from pulse_gateway.use_cases.outbox import HIGH_BYTES, Outbox


class Tick(Protocol):
    """What a channel has to say at once."""

    @property
    def offset(self) -> StreamId:
        """The position that holds once it was applied."""
        ...

    def parcels(self) -> list[Parcel] | None:
        """Return the frames, or None when it is more than one frame's worth."""
        ...


class Snapshot:
    """A state at a position, told page by page at the socket's pace. `field` is `rows` or `set`."""

    def __init__(self, epoch: str, offset: StreamId, field: str, pages: Iterator[str]) -> None:
        self.offset = offset
        self._head = f'"epoch":{orjson.dumps(epoch).decode()},"offset":"{offset}"'
        self._field = field
        self._pages = pages
        self._next: str | None = next(pages)
        self._number = 0

    def next_body(self) -> tuple[str, bool]:
        """Return the next page without its head, and whether it is the last one."""
        page, self._next = self._next, next(self._pages, None)
        is_last = self._next is None
        opening, closing = ("[", "]") if self._field == "rows" else ("{", "}")
        body = (
            f'{self._head},"page":{self._number},"last":{"true" if is_last else "false"},'
            f'"{self._field}":{opening}{page}{closing}}}'
        )
        self._number += 1
        return body, is_last


class Subscription:
    """A member of a channel (or of none, while it is paused)."""

    def __init__(self, name: str, topic: Topic, selection: Selection, pending: Pending[Any], outbox: Outbox) -> None:
        self.name: Final = name
        self.topic: Final = topic
        self.selection: Final = selection
        self.interval_ms = 0
        self.in_flight = 0
        self.offset = StreamId(0, 0)
        """Of the last frame that was queued: what the client has applied once that frame arrived."""
        self.joined_at = StreamId(0, 0)
        """Entries up to here were told by a snapshot or a replay."""
        self.is_paused = False
        self.must_renew = False
        """Set while paused when a replay alone would not bring the client up to date."""
        self._pending = pending
        self._outbox = outbox
        self._snapshot: Snapshot | None = None
        self._gaps: deque[str] = deque()
        self._heads: dict[str, str] = {}
        self._sub_json = orjson.dumps(name).decode()

    @property
    def pending(self) -> Pending[Any]:
        """What waits for the socket; a replay is put there."""
        return self._pending

    @property
    def is_idle(self) -> bool:
        """Whether everything that this subscription was given is in the socket's queue."""
        return self._snapshot is None and not self._pending and not self._gaps

    @property
    def is_in_snapshot(self) -> bool:
        """Whether pages of a snapshot are still to be told."""
        return self._snapshot is not None

    def deliver(self, tick: Tick) -> None:
        """Take a tick: send it as it is, or merge it with what still waits."""
        if self.is_idle and self._has_room() and tick.offset > self.joined_at and not self._overlaps(tick):
            parcels = tick.parcels()
            if parcels is not None:
                for parcel in parcels:
                    self._send(parcel)
                return
        self._pending.absorb(tick, self.joined_at)
        if self._pending.is_overfull:
            self._outbox.overflow()
            return
        self.wake()

    def tell_snapshot(self, snapshot: Snapshot) -> None:
        """Tell a state before anything else."""
        self._snapshot = snapshot
        self.wake()

    def tell_gap(self, reason: GapReason, from_ts: int, to_ts: int) -> None:
        """Tell of a span that is missing, before what is pending."""
        self._gaps.append(gap_body(reason, from_ts, to_ts))
        self.wake()

    def wake(self) -> None:
        """Ask for room when there is something to tell."""
        if not self.is_idle:
            self._outbox.wait_for_room(self)

    def refill(self) -> bool:
        """Queue the next frame; return whether more is pending."""
        if self._gaps:
            self._send(Parcel("gap", self._gaps.popleft(), None))
        elif self._snapshot is not None:
            offset = self._snapshot.offset
            body, is_last = self._snapshot.next_body()
            if is_last:
                self._snapshot = None
            self._send(Parcel("snapshot", body, offset if is_last else None))
        else:
            parcel = self._pending.take(self.offset)
            if parcel is not None:
                self._send(parcel)
        return not self.is_idle

    def drop_devices(self, device_ids: Container[str]) -> None:
        """Forget pending news of devices that may not be seen any more."""
        self._pending.drop(device_ids)

    def forget_pending(self) -> None:
        """Forget everything that was not queued yet."""
        self._pending.clear()
        self._snapshot = None
        self._gaps.clear()
        self._outbox.forget(self)

    def _has_room(self) -> bool:
        if self._pending.conflates and self.in_flight:
            return False
        return self._outbox.bytes < HIGH_BYTES

    def _overlaps(self, tick: Tick) -> bool:
        """Tell whether an ordered tick begins before this subscription joined: only a part of it is news then."""
        return isinstance(tick, RawTick | EventTick) and tick.first is not None and tick.first <= self.joined_at

    def _send(self, parcel: Parcel) -> None:
        head = self._heads.get(parcel.kind)
        if head is None:
            head = self._heads[parcel.kind] = f'{{"type":"{parcel.kind}","sub":{self._sub_json},'
        if parcel.offset is not None:
            self.offset = parcel.offset
        self._outbox.put(parcel.kind, head + parcel.body, self)
