"""Committed readings as they fan out, and the latest value of every device and metric.

Latest means: newest by min(recorded_at, received_at), so that a device whose clock runs ahead cannot freeze its own
value in the future; of two with the same time the one stored later wins. Late readings never come this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pulse_contracts.frames import TelemetryRow
from pulse_contracts.streams import LateSpan
from pulse_gateway.domain.stream_id import StreamId

Key = tuple[str, str]
"""Device id and metric."""


class Reading(NamedTuple):
    """One reading of one device: a row for each of its metrics."""

    device_id: str
    order: int
    """min(recorded_at, received_at) in milliseconds."""
    rows: tuple[TelemetryRow, ...]


@dataclass(frozen=True, slots=True)
class TelemetryEntry:
    """One entry of the telemetry stream, decoded."""

    id: StreamId
    size: int
    readings: tuple[Reading, ...]
    late: tuple[LateSpan, ...]


class LatestValues:
    """The newest row of every device and metric."""

    def __init__(self) -> None:
        self._devices: dict[str, dict[str, tuple[int, TelemetryRow]]] = {}

    def apply(self, reading: Reading) -> tuple[TelemetryRow, ...]:
        """Take a reading and return those of its rows that are now the latest."""
        known = self._devices.get(reading.device_id)
        if known is None:
            known = self._devices[reading.device_id] = {}
        order = reading.order
        rows = reading.rows
        stale = None
        for index, row in enumerate(rows):
            before = known.get(row[1])
            if before is not None and before[0] > order:
                stale = [index] if stale is None else [*stale, index]
            else:
                known[row[1]] = (order, row)
        if stale is None:
            return rows
        return tuple(row for index, row in enumerate(rows) if index not in stale)

    def rows_of(self, device_id: str) -> Iterator[TelemetryRow]:
        """Give the latest rows of one device."""
        for _, row in self._devices.get(device_id, {}).values():
            yield row

    def device_ids(self) -> Iterable[str]:
        """Give the devices that have values."""
        return self._devices.keys()

    def forget(self, device_id: str) -> None:
        """Drop a device that is no more."""
        self._devices.pop(device_id, None)

    def replace(self, readings: Iterable[Reading]) -> None:
        """Start again from what the database holds."""
        self._devices = {}
        for reading in readings:
            self.apply(reading)
