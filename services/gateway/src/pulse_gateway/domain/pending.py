"""What one subscription still has to be told: bounded, and never at the price of the newest.

State and latest keep one value per key however slow the socket is. Raw rows queue up to 256 KiB; above that the rest
is reduced to the latest per key, and a `gap{slow}` says which span is thinned out (gateway.md, backpressure).
Each `take` gives one frame of at most 64 KiB, so a large backlog goes out at the socket's pace. An offset is raised
only with the last frame of what it covers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

import orjson
from typing_extensions import override

from pulse_contracts.frames import MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_ROWS, GapReason, TelemetryRow
from pulse_gateway.domain.late import MAX_NAMED_DEVICES, LateSpans, gap_body
from pulse_gateway.domain.stream_id import START, StreamId
from pulse_gateway.domain.telemetry import Key
from pulse_gateway.domain.ticks import Batch, LatestTick, Parcel, RawTick, StateTick, data_body, state_body

RAW_QUEUE_BYTES: Final = 256 * 1024
FRAME_ROWS: Final = MAX_SNAPSHOT_ROWS
FRAME_BYTES: Final = MAX_SNAPSHOT_BYTES - 1024
"""Room for the rest of the frame around its rows."""

TickT = TypeVar("TickT")


class Pending(ABC, Generic[TickT]):
    """The pending news of one subscription."""

    conflates = True
    """Whether at most one frame of it may wait in the socket's queue."""

    @property
    def is_overfull(self) -> bool:
        """Whether more waits than may, and nothing of it can be left out: the socket is to be ended."""
        return False

    @abstractmethod
    def __bool__(self) -> bool: ...

    @abstractmethod
    def absorb(self, tick: TickT, after: StreamId) -> None:
        """Take a tick; rows of entries up to `after` are known to the client already."""

    @abstractmethod
    def take(self, current: StreamId) -> Parcel | None:
        """Give the next frame; `current` is the offset that holds until everything pending was told."""

    @abstractmethod
    def drop(self, device_ids: Container[str]) -> None:
        """Forget what may not be seen any more."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything."""


class LatestPending(Pending[LatestTick]):
    """One row per device and metric."""

    def __init__(self) -> None:
        self._rows: dict[Key, TelemetryRow] = {}
        self._n = 0
        self._offset = START
        self._late = LateSpans()

    def __bool__(self) -> bool:
        return bool(self._rows) or bool(self._late)

    @override
    def absorb(self, tick: LatestTick, after: StreamId) -> None:
        del after  # Rows that come twice are harmless here: the newest wins.
        self._rows.update(tick.rows)
        self._n += tick.n
        self._offset = tick.offset
        self._late.absorb(tick.late)

    @override
    def take(self, current: StreamId) -> Parcel | None:
        if self._late:
            return take_gap(self._late)
        if not self._rows:
            return None
        keys = list(islice(self._rows, FRAME_ROWS))
        body_rows, used = _fitting(self._rows[key] for key in keys)
        for key in keys[:used]:
            del self._rows[key]
        is_last = not self._rows
        n = max(used, self._n) if is_last else used
        self._n = 0 if is_last else self._n - used
        offset = self._offset if is_last else current
        return Parcel("data", f'"offset":"{offset}","rows":[{body_rows}],"n":{n}}}', offset)

    @override
    def drop(self, device_ids: Container[str]) -> None:
        self._rows = {key: row for key, row in self._rows.items() if key[0] not in device_ids}
        self._late.drop(device_ids)

    @override
    def clear(self) -> None:
        self._rows, self._n = {}, 0
        self._late.clear()


class StatePending(Pending[StateTick]):
    """One object per key; `device_of` tells which device a key belongs to, None for what is everybody's."""

    def __init__(self, device_of: Callable[[str], str | None] = lambda key: key) -> None:
        self._device_of = device_of
        self._changes: dict[str, str | None] = {}
        self._offset = START

    def __bool__(self) -> bool:
        return bool(self._changes)

    @override
    def absorb(self, tick: StateTick, after: StreamId) -> None:
        del after
        self._changes.update(tick.changes)
        self._offset = tick.offset

    @override
    def take(self, current: StreamId) -> Parcel | None:
        if not self._changes:
            return None
        taken: dict[str, str | None] = {}
        size = 0
        for key in list(islice(self._changes, FRAME_ROWS)):
            size += len(key) + len(self._changes[key] or "") + 8
            if taken and size > FRAME_BYTES:
                break
            taken[key] = self._changes.pop(key)
        offset = current if self._changes else self._offset
        return Parcel("state", state_body(offset, taken.items()), offset)

    @override
    def drop(self, device_ids: Container[str]) -> None:
        # That an object is gone from here is news itself, and the key was known to the client.
        for key in self._changes:
            device_id = self._device_of(key)
            if device_id is not None and device_id in device_ids:
                self._changes[key] = None

    @override
    def clear(self) -> None:
        self._changes = {}


class RawPending(Pending[RawTick]):
    """Every row in order, as long as there is room; then the latest of each key, and a gap that says so."""

    conflates = False

    def __init__(self) -> None:
        self._queue: deque[tuple[StreamId, list[TelemetryRow], int]] = deque()
        self._queued_bytes = 0
        self._thinned: dict[Key, TelemetryRow] = {}
        self._lost = 0
        self._lost_span = (0, 0)
        self._offset = START
        self._late = LateSpans()

    def __bool__(self) -> bool:
        return bool(self._queue) or bool(self._thinned) or bool(self._late)

    def replay(self, batches: Iterable[Batch], late: LateSpans) -> None:
        """Queue what a resumed client missed: within the limits of a resume, never thinned out."""
        self._late.absorb(late)
        for offset, rows in batches:
            self._queue.append((offset, list(rows), 0))

    @override
    def absorb(self, tick: RawTick, after: StreamId) -> None:
        self._late.absorb(tick.late)
        for offset, rows in tick.batches:
            if offset <= after:
                continue
            size = _estimate(rows)
            if self._thinned or self._queued_bytes + size > RAW_QUEUE_BYTES:
                self._thin(offset, rows)
            else:
                self._queue.append((offset, list(rows), size))
                self._queued_bytes += size

    @override
    def take(self, current: StreamId) -> Parcel | None:
        if self._late:
            return take_gap(self._late)
        if self._queue:
            return self._take_queued()
        if not self._thinned:
            return None
        if self._lost:
            return self._take_slow_gap()
        keys = list(islice(self._thinned, FRAME_ROWS))
        rows = [self._thinned.pop(key) for key in keys]
        offset = current if self._thinned else self._offset
        return Parcel("data", data_body(offset, rows, len(rows)), offset)

    @override
    def drop(self, device_ids: Container[str]) -> None:
        self._queue = deque(
            (offset, [row for row in rows if row[0] not in device_ids], size) for offset, rows, size in self._queue
        )
        self._thinned = {key: row for key, row in self._thinned.items() if key[0] not in device_ids}
        self._late.drop(device_ids)

    @override
    def clear(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0
        self._thinned, self._lost = {}, 0
        self._late.clear()

    def _thin(self, offset: StreamId, rows: Iterable[TelemetryRow]) -> None:
        for row in rows:
            key = (row[0], row[1])
            lost = self._thinned.get(key)
            if lost is not None:
                low, high = self._lost_span if self._lost else (lost[2], lost[2])
                self._lost_span = (min(low, lost[2]), max(high, lost[2]))
                self._lost += 1
            self._thinned[key] = row
        self._offset = offset

    def _take_queued(self) -> Parcel:
        offset, rows, size = self._queue.popleft()
        room = FRAME_BYTES - _estimate(rows)
        self._queued_bytes -= size
        while self._queue and (room := room - _estimate(self._queue[0][1])) > 0:
            offset, more, size = self._queue.popleft()
            rows = [*rows, *more]
            self._queued_bytes -= size
        return Parcel("data", data_body(offset, rows, len(rows)), offset)

    def _take_slow_gap(self) -> Parcel:
        count, self._lost = self._lost, 0
        devices = sorted({key[0] for key in self._thinned})
        names = devices if len(devices) <= MAX_NAMED_DEVICES else None
        return Parcel("gap", gap_body(GapReason.SLOW, *self._lost_span, names, count), None)


def take_gap(late: LateSpans) -> Parcel:
    """Give the first late gap as a frame of its own, and keep the others."""
    return Parcel("gap", late.pop_body(), None)


def rows_pages(rows: Iterable[TelemetryRow]) -> Iterator[str]:
    """Cut rows into pages of a snapshot: JSON of their elements, within the limits of rows and bytes."""
    page: list[str] = []
    size = 0
    for row in rows:
        text = orjson.dumps(row).decode()
        length = len(text.encode()) + 1
        if page and (len(page) == MAX_SNAPSHOT_ROWS or size + length > FRAME_BYTES):
            yield ",".join(page)
            page, size = [], 0
        page.append(text)
        size += length
    yield ",".join(page)


def set_pages(objects: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Cut keyed objects (as JSON) into pages of a snapshot, within the limits of rows and bytes."""
    page: list[str] = []
    size = 0
    for key, value in objects:
        text = f"{orjson.dumps(key).decode()}:{value}"
        length = len(text.encode()) + 1
        if page and (len(page) == MAX_SNAPSHOT_ROWS or size + length > FRAME_BYTES):
            yield ",".join(page)
            page, size = [], 0
        page.append(text)
        size += length
    yield ",".join(page)


def _fitting(rows: Iterable[TelemetryRow]) -> tuple[str, int]:
    texts: list[str] = []
    size = 0
    for row in rows:
        text = orjson.dumps(row).decode()
        size += len(text) + 1
        if texts and size > FRAME_BYTES:
            break
        texts.append(text)
    return ",".join(texts), len(texts)


def _estimate(rows: Iterable[TelemetryRow]) -> int:
    """Return about how many bytes these rows take as JSON."""
    return sum(len(row[0]) + len(row[1]) + (len(row[3]) if isinstance(row[3], str) else 18) + 40 for row in rows)
