"""When a report is due, on the clock of a time zone, and which time each one covers.

Guaranteed: the times that consecutive reports cover neither overlap nor leave anything out. A local time that a day does
not have (clocks go forward) is due an hour later on that day; one that a day has twice is due the first time only.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

Every = Literal["day", "week", "month"]
_REACH: Final = timedelta(days=33)
"""Within so many days before and behind any moment there is a due time of every rhythm."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`weekday` (1: Monday) counts for weeks; `day` for months, and is the last one in those that are shorter."""

    every: Every
    at: time
    zone: str
    weekday: int = 1
    day: int = 1

    def next_after(self, moment: datetime) -> datetime:
        """Return the first due time behind a moment, in UTC."""
        return next(due for due in self._around(moment) if due > moment)

    def last_until(self, moment: datetime) -> datetime:
        """Return the newest due time that is not behind a moment, in UTC."""
        return max(due for due in self._around(moment) if due <= moment)

    def covers(self, due: datetime) -> tuple[datetime, datetime]:
        """Return the time that a due report covers: from the day of the one before to its own, at midnight each."""
        return self._midnight(self.last_until(due - timedelta(microseconds=1))), self._midnight(due)

    def _around(self, moment: datetime) -> Iterator[datetime]:
        zone = ZoneInfo(self.zone)
        day = moment.astimezone(zone).date() - _REACH
        for number in range(2 * _REACH.days + 1):
            candidate = day + timedelta(days=number)
            if self._is_on(candidate):
                yield datetime.combine(candidate, self.at, zone).astimezone(UTC)

    def _is_on(self, day: date) -> bool:
        if self.every == "week":
            return day.isoweekday() == self.weekday
        if self.every == "month":
            return day.day == min(self.day, calendar.monthrange(day.year, day.month)[1])
        return True

    def _midnight(self, moment: datetime) -> datetime:
        zone = ZoneInfo(self.zone)
        return datetime.combine(moment.astimezone(zone).date(), time(), zone).astimezone(UTC)
