"""Intervals as people write them (10s, 5m, 1h, 1d, 1w, 1mo), and the slots that a range of time is cut into.

Seconds, minutes and hours are lengths; days, weeks (from Monday) and months are of the calendar of a time zone. Hours
that divide a day keep to its clock: `6h` starts at 0, 6, 12 and 18 o'clock, also on a day of 23 or 25 hours. All
moments are whole microseconds since 1970, UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final, Literal

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
MAX_SLOTS: Final = 100_000

Unit = Literal["s", "m", "h", "d", "w", "mo"]
_TEXT: Final = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w|mo)")
_UNITS: Final[dict[str, Unit]] = {"s": "s", "m": "m", "h": "h", "d": "d", "w": "w", "mo": "mo"}
_LENGTHS: Final[dict[Unit, int]] = {
    "s": SECOND_US,
    "m": MINUTE_US,
    "h": HOUR_US,
    "d": DAY_US,
    "w": 7 * DAY_US,
    "mo": 30 * DAY_US,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_NICE: Final = (
    "1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m",
    "1h", "2h", "3h", "6h", "12h", "1d", "1w", "1mo",
)  # fmt: skip


class BadIntervalError(ValueError):
    """The text is not an interval."""


class TooManySlotsError(ValueError):
    """A range has more intervals than are told at once; `count` is about how many."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


@dataclass(frozen=True, slots=True)
class Interval:
    """A number of units."""

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read an interval. Raises BadIntervalError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise BadIntervalError(text)
        return cls(int(found[1]), _UNITS[found[2]])

    @property
    def about_us(self) -> int:
        """About how long it is; exact for seconds, minutes and hours."""
        return self.count * _LENGTHS[self.unit]

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class Slots:
    """Consecutive intervals: slot n is from edge n (included) to edge n + 1. `step_us` where all are equally long."""

    edges: tuple[int, ...]
    step_us: int | None

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each slot begins."""
        return self.edges[:-1]

    def are_multiples_of(self, unit_us: int) -> bool:
        """Tell whether every slot begins and ends with a whole unit."""
        if self.step_us is not None:
            return self.step_us % unit_us == 0 and self.edges[0] % unit_us == 0
        return all(edge % unit_us == 0 for edge in self.edges)

    def index(self, at_us: int) -> int:
        """Return the number of the slot that a moment is in."""
        if self.step_us is not None:
            return (at_us - self.edges[0]) // self.step_us
        return bisect_right(self.edges, at_us) - 1


def nice_interval(span_us: int, wanted: int) -> Interval:
    """Return the shortest usual interval that cuts a span into at most `wanted` slots."""
    return next(
        (found for found in map(Interval.parse, _NICE) if span_us <= found.about_us * wanted),
        Interval(-(-span_us // (30 * DAY_US * wanted)), "mo"),
    )


def cut(start_us: int, end_us: int, interval: Interval, zone: tzinfo) -> Slots:
    """Return the slots that a range touches; the first may begin before it, the last end behind it.

    Raises TooManySlotsError.
    """
    about = (end_us - start_us) // interval.about_us + 2
    if about > MAX_SLOTS:
        raise TooManySlotsError(about)
    offsets = _offsets(start_us, end_us, zone)
    if interval.unit in {"s", "m", "h"} and not _follows_the_clock(interval, offsets):
        step = interval.about_us
        first = start_us - (start_us + offsets[0]) % step
        return Slots(tuple(range(first, end_us + step, step)), step)
    return _on_the_calendar(start_us, end_us, interval, zone)


def _follows_the_clock(interval: Interval, offsets: list[int]) -> bool:
    """Tell whether slots of this length would lose the clock's hours where the zone changes its offset."""
    length = interval.about_us
    return DAY_US % length == 0 and any((offset - offsets[0]) % length for offset in offsets)


def _offsets(start_us: int, end_us: int, zone: tzinfo) -> list[int]:
    """Return the zone's offsets from UTC in a range, looked at once a day."""
    moments = [*range(start_us, end_us, DAY_US), end_us]
    return [(moment(at).astimezone(zone).utcoffset() or timedelta(0)) // _MICROSECOND for at in moments]


def _on_the_calendar(start_us: int, end_us: int, interval: Interval, zone: tzinfo) -> Slots:
    edges: list[int] = []
    for at in _local_edges(moment(start_us).astimezone(zone).replace(tzinfo=None), interval):
        edge = microseconds(at.replace(tzinfo=zone))
        if edge <= start_us:
            edges = [edge]
        elif edge > edges[-1]:
            edges.append(edge)
        if edge >= end_us:
            break
    lengths = {after - before for before, after in pairwise(edges)}
    return Slots(tuple(edges), lengths.pop() if len(lengths) == 1 else None)


def _local_edges(start: datetime, interval: Interval) -> Iterator[datetime]:
    """Give the local times at which slots begin, from one that is not behind `start`."""
    count = interval.count
    if interval.unit == "mo":
        month = (start.year * 12 + start.month - 1) // count * count
        while True:
            yield datetime(month // 12, month % 12 + 1, 1)  # noqa: DTZ001 -- a local time
            month += count
    day = start.date().toordinal()
    if interval.unit in {"d", "w"}:
        step, phase = (count, _EPOCH_DAY) if interval.unit == "d" else (7 * count, 1)
        day -= (day - phase) % step
        while True:
            yield datetime.combine(date.fromordinal(day), time())
            day += step
    length = timedelta(microseconds=interval.about_us)
    while True:
        midnight = datetime.combine(date.fromordinal(day), time())
        for number in range(timedelta(days=1) // length):
            yield midnight + number * length
        day += 1


def moment(at_us: int) -> datetime:
    """Return a moment in UTC."""
    return _EPOCH + at_us * _MICROSECOND


def microseconds(at: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND
