"""How a device did in a range of time: how much of it it was there, how complete and how fast its readings came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

BATTERY_PREFIX: Final = "battery"
"""Metrics whose names begin so tell how full a battery is."""
LATENCY_ROWS: Final = 200
"""Newest readings of each metric that the latency is told from."""


@dataclass(frozen=True, slots=True)
class OfflineTime:
    """A device was away; without an end it still is."""

    device_id: str
    started_at: datetime
    ended_at: datetime | None
    reason: str

    def within(self, start: datetime, end: datetime) -> timedelta:
        """Return how much of a range it covers."""
        return max(timedelta(0), min(self.ended_at or end, end) - max(self.started_at, start))


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery's last value, and by how much it changes a day (None: too little is known)."""

    metric: str
    last: float | None
    change_per_day: float | None


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the services publish of one device for a range of time. Counts are of all readings there ever were."""

    device_id: str
    name: str
    status: str | None = None
    last_seen: datetime | None = None
    first_reading: datetime | None = None
    buffered: int | None = None
    clock_offset_ms: float | None = None
    agent_version: str | None = None
    received: int = 0
    missing: int = 0
    lost: int = 0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_rows: int = 0
    battery: Battery | None = None

    @property
    def completeness_percent(self) -> float | None:
        """How much of what the device numbered is here; None for a device that numbers nothing."""
        expected = self.received + self.missing + self.lost
        return 100.0 * self.received / expected if expected else None


@dataclass(frozen=True, slots=True)
class Availability:
    """From when on a device is judged in a range, and how it did; `percent` None: it was never there."""

    observed_from: datetime
    percent: float | None
    offline: timedelta
    times: int


def availability(facts: DeviceFacts, offline: Iterable[OfflineTime], start: datetime, end: datetime) -> Availability:
    """Return how much of a range a device was online.

    A device is judged from its first reading on: nobody is absent before they existed.
    """
    observed = max(start, facts.first_reading or start)
    times = [away for away in offline if away.within(observed, end) > timedelta(0)]
    away = sum((time.within(observed, end) for time in times), timedelta(0))
    span = end - observed
    if facts.last_seen is None or span <= timedelta(0):
        return Availability(observed, None, away, len(times))
    return Availability(observed, 100.0 * max(0.0, 1.0 - away / span), away, len(times))
