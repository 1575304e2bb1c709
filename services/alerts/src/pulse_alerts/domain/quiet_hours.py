"""Hours in which a channel is not disturbed, by the clock on the wall of a place.

Clocks that change are followed: quiet is what the wall says. In the night in which an hour is left out an end inside of
that hour is taken an hour later; when an hour comes twice, the first end is the end, and the second start a start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EVERY_DAY: Final = frozenset(range(7))
_DAYS_TO_LOOK: Final = 9
"""A week, and a day on each side of it."""


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{name[:64]!r} is no time zone of the IANA database"
        raise ValueError(message) from None


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end`, on the next day where that is not later; `days` are those it starts on, Monday is 0.

    What is critical is told all the same when `critical_passes`.
    """

    start: time
    end: time
    time_zone: str
    days: frozenset[int] = EVERY_DAY
    critical_passes: bool = True

    def __post_init__(self) -> None:
        if self.start == self.end:
            message = "quiet hours that end when they start would never end"
            raise ValueError(message)

    def are_on(self, now: datetime) -> bool:
        """Say whether it is quiet now."""
        wall = now.astimezone(zone(self.time_zone))
        clock = wall.time()
        if self.start < self.end:
            return wall.weekday() in self.days and self.start <= clock < self.end
        began_today = wall.weekday() in self.days and clock >= self.start
        return began_today or ((wall.weekday() - 1) % 7 in self.days and clock < self.end)

    def end_after(self, now: datetime) -> datetime:
        """Return the first moment after `now`, in UTC, at which quiet hours end and others do not go on."""
        place = zone(self.time_zone)
        today = now.astimezone(place).date()
        ends = sorted(
            datetime.combine(today + timedelta(days=day), self.end, place).replace(fold=fold).astimezone(UTC)
            for day in range(_DAYS_TO_LOOK)
            for fold in (0, 1)
        )
        return next(end for end in ends if end > now and not self.are_on(end))
