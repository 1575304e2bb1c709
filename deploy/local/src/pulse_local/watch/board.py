"""What the screen knows: the latest value of each device and metric, and how each device is doing.

`apply` takes frames in their order and is idempotent: rows go by newest timestamp, devices by key, a fresh snapshot
replaces what was there. Times are Unix milliseconds by the server's clock, given from outside; nothing here draws or
waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pulse_contracts.frames import (
    AckFrame,
    DataFrame,
    ErrorFrame,
    GapFrame,
    GapReason,
    SnapshotFrame,
    StateFrame,
    TelemetryRow,
    UnsubscribedFrame,
)
from pulse_contracts.telemetry import MetricValue
from pulse_local.watch.live_types import AppliedFrame

LATEST_SUB: Final = "latest"
DEVICES_SUB: Final = "devices"

_FRESH_INTERVALS: Final = 2.0
"""A value is fresh for less than two of its expected intervals (dashboard.md)."""
_FRESH_LEAST_MS: Final = 2_000
_STALE_INTERVALS: Final = 10.0
_STALE_LEAST_MS: Final = 30_000
_LEARNING: Final = 0.2
_LONGEST_STEP: Final = 4.0
"""A pause counts as at most this many intervals: one outage must not teach that the device is slow."""
_DRIFT: Final = 0.05
_LATE_NOTE_MS: Final = 60_000


class Freshness(StrEnum):
    """Whether a device's values can be believed to be of now."""

    FRESH = "fresh"
    AGEING = "ageing"
    STALE = "stale"
    OFFLINE = "offline"
    SILENT = "no data"


class Sort(StrEnum):
    """In which order devices are shown."""

    NAME = "name"
    AGE = "age"
    BUFFERED = "buffered"

    def next(self) -> Sort:
        """Return the order after this one."""
        orders = list(Sort)
        return orders[(orders.index(self) + 1) % len(orders)]


@dataclass(slots=True)
class Value:
    """The newest value of one metric."""

    ts: int
    value: MetricValue
    quality: str


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device as the screen shows it, at one moment."""

    device_id: str
    name: str
    freshness: Freshness
    age_ms: int | None
    """Since the newest value was measured, as far as the device's clock can be believed."""
    offline_ms: int | None
    buffered: int | None
    completeness: dict[str, int] | None
    values: dict[str, Value]
    late_note: bool
    """Late data came within the last minute: history changed behind the screen."""


@dataclass(slots=True)
class _Device:
    values: dict[str, Value] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    newest_ts: int | None = None
    interval_ms: float | None = None
    skew_ms: float | None = None
    late_at: int | None = None

    def take(self, row: TelemetryRow, now_ms: int, *, is_live: bool) -> None:
        _, metric, ts, value, quality = row
        known = self.values.get(metric)
        if known is not None and ts < known.ts:
            return
        self.values[metric] = Value(ts, value, quality)
        if self.newest_ts is None or ts > self.newest_ts:
            if is_live:
                self._learn_interval(ts)
            self.newest_ts = ts
        if is_live:
            self._learn_skew(now_ms - ts)

    def _learn_interval(self, ts: int) -> None:
        if self.newest_ts is None:
            return
        step = float(ts - self.newest_ts)
        if self.interval_ms is None:
            self.interval_ms = step
        else:
            step = min(step, _LONGEST_STEP * self.interval_ms)
            self.interval_ms += _LEARNING * (step - self.interval_ms)

    def _learn_skew(self, delay_ms: int) -> None:
        # The smallest delay seen is what the device's clock is behind; a replay after a cut only looks slower.
        if self.skew_ms is None or delay_ms < self.skew_ms:
            self.skew_ms = float(delay_ms)
        else:
            self.skew_ms += _DRIFT * (delay_ms - self.skew_ms)

    @property
    def is_offline(self) -> bool:
        # Without a `since` nobody ever saw it come or go: then its values say more than its status.
        is_known = self.status.get("since") is not None or not self.values
        return is_known and self.status.get("status") == "OFFLINE"

    def age_ms(self, now_ms: int) -> int | None:
        if self.newest_ts is None:
            return None
        return max(0, int(now_ms - self.newest_ts - (self.skew_ms or 0.0)))

    def freshness(self, now_ms: int) -> Freshness:
        age, interval = self.age_ms(now_ms), self.interval_ms or 0.0
        if self.is_offline:
            return Freshness.OFFLINE
        if age is None:
            return Freshness.SILENT
        if age < max(_FRESH_LEAST_MS, _FRESH_INTERVALS * interval):
            return Freshness.FRESH
        return Freshness.AGEING if age < max(_STALE_LEAST_MS, _STALE_INTERVALS * interval) else Freshness.STALE


@dataclass(slots=True)
class Board:
    """All devices in view."""

    refusals: dict[str, str] = field(default_factory=dict)
    """By subscription: why the server does not give it."""
    gaps: int = 0
    last_gap: GapReason | None = None
    complete: set[str] = field(default_factory=set)
    """Subscriptions whose snapshot has come in full."""
    _devices: dict[str, _Device] = field(default_factory=dict)

    def apply(self, frame: AppliedFrame, now_ms: int) -> None:
        """Take one frame."""
        match frame:
            case AckFrame(sub=str(name), recovered=recovered):
                self.refusals.pop(name, None)
                if not recovered:
                    self._clear(name)
            case SnapshotFrame():
                self._take_rows(frame.rows or (), now_ms, is_live=False)
                self._take_devices(frame.set or {})
                if frame.last:
                    self.complete.add(frame.sub)
            case DataFrame():
                self._take_rows(frame.rows, now_ms, is_live=True)
            case StateFrame():
                self._take_devices(frame.set)
                self._remove_devices(frame.del_)
            case GapFrame():
                self._note_gap(frame, now_ms)
            case ErrorFrame(sub=str(name)):
                self.refusals[name] = frame.message
            case UnsubscribedFrame():
                self.refusals[frame.sub] = f"ended by the server: {frame.code.value}"
                self._clear(frame.sub)
            case _:
                pass

    def is_answered(self, *names: str) -> bool:
        """Tell whether each of these subscriptions has its snapshot, or was refused."""
        return all(name in self.complete or name in self.refusals for name in names)

    def rows(self, now_ms: int, order: Sort = Sort.NAME) -> list[DeviceRow]:
        """Return all devices as they are at this moment, in order."""
        rows = [self._row(device_id, device, now_ms) for device_id, device in self._devices.items()]
        match order:
            case Sort.NAME:
                return sorted(rows, key=lambda row: (row.name.casefold(), row.device_id))
            case Sort.AGE:
                return sorted(rows, key=lambda row: (-1 if row.age_ms is None else -row.age_ms, row.device_id))
            case Sort.BUFFERED:
                return sorted(rows, key=lambda row: (-(row.buffered or 0), row.device_id))

    def metrics(self) -> list[str]:
        """Return the names of all metrics, sorted."""
        return sorted({metric for device in self._devices.values() for metric in device.values})

    def _row(self, device_id: str, device: _Device, now_ms: int) -> DeviceRow:
        status = device.status
        since = status.get("since")
        return DeviceRow(
            device_id=device_id,
            name=str(status.get("name") or device_id),
            freshness=device.freshness(now_ms),
            age_ms=device.age_ms(now_ms),
            offline_ms=max(0, now_ms - since) if device.is_offline and since is not None else None,
            buffered=status.get("buffered"),
            completeness=status.get("completeness"),
            values=dict(sorted(device.values.items())),
            late_note=device.late_at is not None and now_ms - device.late_at < _LATE_NOTE_MS,
        )

    def _clear(self, name: str) -> None:
        self.complete.discard(name)
        for device_id, device in list(self._devices.items()):
            if name == LATEST_SUB:
                device.values.clear()
                device.newest_ts = None
            elif name == DEVICES_SUB:
                device.status.clear()
            self._drop_if_empty(device_id)

    def _take_rows(self, rows: Iterable[TelemetryRow], now_ms: int, *, is_live: bool) -> None:
        for row in rows:
            self._devices.setdefault(row[0], _Device()).take(row, now_ms, is_live=is_live)

    def _take_devices(self, changes: dict[str, dict[str, Any]]) -> None:
        for device_id, status in changes.items():
            self._devices.setdefault(device_id, _Device()).status = dict(status)

    def _remove_devices(self, device_ids: Iterable[str]) -> None:
        for device_id in device_ids:
            # A device that is gone, or no longer ours to see, takes its values with it.
            self._devices.pop(device_id, None)

    def _drop_if_empty(self, device_id: str) -> None:
        device = self._devices[device_id]
        if not device.values and not device.status:
            del self._devices[device_id]

    def _note_gap(self, gap: GapFrame, now_ms: int) -> None:
        if gap.reason is not GapReason.LATE:
            self.gaps += 1
            self.last_gap = gap.reason
            return
        for device_id in gap.device_ids or ():
            if device_id in self._devices:
                self._devices[device_id].late_at = now_ms
