"""How full the database's volume is, how fast it fills, and for how many days there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

WARNING_DAYS = 30.0
WARNING_SHARE = 0.80
CRITICAL_SHARE = 0.95
FITTED_DAYS = 30
"""Growth is fitted over this many days: long enough to even out a weekend, short enough to notice new devices."""


class StorageState(StrEnum):
    """How worried to be. Unknown: the volume's size can neither be seen nor was it configured."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StorageDay:
    """What was measured last on a day (UTC), in bytes. `used` is of the volume, by whomever."""

    day: date
    measured_at: datetime
    raw: int
    minute: int
    hour: int
    other: int
    used: int | None
    capacity: int | None

    @property
    def database(self) -> int:
        """The whole database."""
        return self.raw + self.minute + self.hour + self.other


@dataclass(frozen=True, slots=True)
class StorageGrowth:
    """Bytes a day, fitted over the last days; negative when data goes faster than it comes."""

    raw: float
    minute: float
    hour: float
    other: float
    used: float

    @property
    def database(self) -> float:
        """Of the whole database."""
        return self.raw + self.minute + self.hour + self.other


@dataclass(frozen=True, slots=True)
class StorageOutlook:
    """The newest measurement and what it means."""

    now: StorageDay
    growth: StorageGrowth | None
    """None until there are measurements of two days."""
    share: float | None
    """Used of the capacity, 0 to 1."""
    days_left: float | None
    """None when nothing grows, or nobody knows."""
    state: StorageState


def outlook(days: Sequence[StorageDay]) -> StorageOutlook | None:
    """Judge by measurements in order of days; None when there is none."""
    if not days:
        return None
    now = days[-1]
    growth = _growth([day for day in days if (now.day - day.day).days < FITTED_DAYS])
    if not now.capacity or now.used is None:
        return StorageOutlook(now, growth, None, None, StorageState.UNKNOWN)
    share = now.used / now.capacity
    days_left = None
    if growth is not None and growth.used > 0:
        days_left = max(0.0, (now.capacity - now.used) / growth.used)
    state = StorageState.OK
    if share >= CRITICAL_SHARE:
        state = StorageState.CRITICAL
    elif share >= WARNING_SHARE or (days_left is not None and days_left <= WARNING_DAYS):
        state = StorageState.WARNING
    return StorageOutlook(now, growth, share, days_left, state)


def _growth(days: Sequence[StorageDay]) -> StorageGrowth | None:
    if len(days) < 2:
        return None
    at = [day.measured_at.timestamp() / 86_400 for day in days]
    used = [(day.measured_at.timestamp() / 86_400, day.used) for day in days if day.used is not None]
    return StorageGrowth(
        raw=_slope(at, [day.raw for day in days]),
        minute=_slope(at, [day.minute for day in days]),
        hour=_slope(at, [day.hour for day in days]),
        other=_slope(at, [day.other for day in days]),
        used=_slope([moment for moment, _ in used], [count for _, count in used]),
    )


def _slope(moments: Sequence[float], counts: Sequence[int]) -> float:
    """Return the slope of the straight line nearest to the points (least squares); 0 for a single moment."""
    if len(moments) < 2:
        return 0.0
    middle, mean = sum(moments) / len(moments), sum(counts) / len(counts)
    spread = sum((moment - middle) ** 2 for moment in moments)
    if spread == 0:
        return 0.0
    return sum((moment - middle) * (count - mean) for moment, count in zip(moments, counts, strict=True)) / spread
