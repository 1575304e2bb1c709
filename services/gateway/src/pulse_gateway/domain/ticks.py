"""What one tick of a channel says, serialised once for everybody who gets it.

A frame is `{"type":…,"sub":…,` and a body. The head is a subscription's own; the body is shared by all members of a
channel, as long as it fits into one frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import orjson

from pulse_contracts.frames import TelemetryRow
from pulse_gateway.domain.late import LateSpans
from pulse_gateway.domain.stream_id import StreamId
from pulse_gateway.domain.telemetry import Key

MAX_FRAME_CHARS: Final = 64 * 1024
"""A tick above this is told in several frames, each at the pace of the socket that it goes to."""

Batch = tuple[StreamId, Sequence[TelemetryRow]]
"""The rows of one stream entry: never split over two frames, so that an offset always means whole entries."""


class Parcel(NamedTuple):
    """A frame without its head, and the offset that holds once it was applied (None: unchanged)."""

    kind: str
    body: str
    offset: StreamId | None


def data_body(offset: StreamId, rows: Sequence[TelemetryRow], n: int) -> str:
    """Return a data frame without its head."""
    return f'"offset":"{offset}","rows":{orjson.dumps(rows).decode()},"n":{n}}}'


def state_body(offset: StreamId, changes: Iterable[tuple[str, str | None]]) -> str:
    """Return a state frame without its head; a change is a key with its object as JSON, or None for gone."""
    sets = []
    gone = []
    for key, value in changes:
        if value is None:
            gone.append(key)
        else:
            sets.append(f"{orjson.dumps(key).decode()}:{value}")
    return f'"offset":"{offset}","set":{{{",".join(sets)}}},"del":{orjson.dumps(gone).decode()}}}'


class LatestTick:
    """The newest row of each key that changed since the last tick; `n` counts all that came."""

    def __init__(self, offset: StreamId, rows: dict[Key, TelemetryRow], n: int, late: LateSpans) -> None:
        self.offset = offset
        self.rows = rows
        self.n = n
        self.late = late
        self._parcels: list[Parcel] | None = None

    def parcels(self) -> list[Parcel] | None:
        """Return the frames to send, or None when that is more than one frame's worth."""
        if self._parcels is None:
            if len(self.rows) > 2_000:
                return None
            data = data_body(self.offset, list(self.rows.values()), self.n) if self.rows else None
            if data is not None and len(data) > MAX_FRAME_CHARS:
                return None
            self._parcels = _with_gaps(self.late, "data", data, self.offset)
        return self._parcels


class RawTick:
    """Every row since the last tick, entry by entry."""

    def __init__(self, offset: StreamId, batches: list[Batch], late: LateSpans) -> None:
        self.offset = offset
        self.batches = batches
        self.late = late
        self._parcels: list[Parcel] | None = None

    @property
    def first(self) -> StreamId | None:
        """Where the oldest row's entry stands in the stream."""
        return self.batches[0][0] if self.batches else None

    def parcels(self) -> list[Parcel] | None:
        """Return the frames to send, or None when that is more than one frame's worth."""
        if self._parcels is None:
            rows = [row for _, batch in self.batches for row in batch]
            if len(rows) > 2_000 and len(self.batches) > 1:
                return None
            data = data_body(self.offset, rows, len(rows)) if rows else None
            if data is not None and len(data) > MAX_FRAME_CHARS and len(self.batches) > 1:
                return None
            self._parcels = _with_gaps(self.late, "data", data, self.offset)
        return self._parcels


class StateTick:
    """The keys that changed, each with its object as JSON, or None when it is gone."""

    def __init__(self, offset: StreamId, changes: dict[str, str | None]) -> None:
        self.offset = offset
        self.changes = changes
        self._parcels: list[Parcel] | None = None

    def parcels(self) -> list[Parcel] | None:
        """Return the frames to send, or None when that is more than one frame's worth."""
        if self._parcels is None:
            body = state_body(self.offset, self.changes.items())
            if len(body) > MAX_FRAME_CHARS:
                return None
            self._parcels = [Parcel("state", body, self.offset)]
        return self._parcels


def _with_gaps(late: LateSpans, kind: str, body: str | None, offset: StreamId) -> list[Parcel]:
    # Gaps go first: once an offset is applied, everything up to it has been told.
    parcels = [Parcel("gap", gap, None) for gap in late.bodies()]
    if body is not None:
        parcels.append(Parcel(kind, body, offset))
    return parcels
