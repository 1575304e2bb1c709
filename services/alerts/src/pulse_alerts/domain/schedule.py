"""When a rule may raise: days and hours in a time zone. Outside of them it can only clear."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_MINUTE_MS: Final = 60_000
_REMEMBERED: Final = 4_096
"""Minutes that a schedule remembers the answer for."""


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = "there is no such time zone"
        raise ValueError(message) from None
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_is_zone)]
ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="hours and minutes, `HH:MM`")]


class Schedule(BaseModel):
    """`start` is inclusive, `end` exclusive; an end that is not after the start lies on the next day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[
        list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7, description="0 is Monday")
    ] = [0, 1, 2, 3, 4, 5, 6]
    start: ClockTime = "00:00"
    end: ClockTime = "00:00"
    time_zone: Zone = "UTC"


class Hours:
    """A schedule that can be asked."""

    def __init__(self, schedule: Schedule) -> None:
        self._zone = ZoneInfo(schedule.time_zone)
        self._days = frozenset(schedule.days)
        self._start = time.fromisoformat(schedule.start)
        self._end = time.fromisoformat(schedule.end)
        self._known: dict[int, bool] = {}

    def allow(self, at_ms: int) -> bool:
        """Tell whether a moment, in Unix milliseconds, lies in the schedule."""
        minute = at_ms // _MINUTE_MS
        known = self._known.get(minute)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[minute] = self._allows(minute)
        return known

    def _allows(self, minute: int) -> bool:
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).astimezone(self._zone)
        now, today = local.time(), local.weekday()
        if self._start < self._end:
            return today in self._days and self._start <= now < self._end
        yesterday = (today - 1) % 7
        return (today in self._days and now >= self._start) or (yesterday in self._days and now < self._end)
