"""A series with fewer points that looks the same: the extremes of equal spans of time, or largest triangles (LTTB).

Both work on `Extremes`: least and greatest value at each of many moments. A raw reading is both in one. Largest
triangles are found among the extremes of four times as many spans as points are asked for (MinMaxLTTB, Van Der Donckt
and others, 2023), which cannot be told from LTTB over every reading by eye and costs a fraction.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pulse_gateway.domain.aggregates import Value

PRESELECTED: Final = 4
"""How many candidates LTTB chooses among for each of its points."""

Point = tuple[float, float]
"""Moment in microseconds (whole, but for a rounding), value."""


class Thinning(StrEnum):
    """How points are chosen."""

    LTTB = "lttb"
    MINMAX = "minmax"


@dataclass(frozen=True, slots=True)
class Extremes:
    """Moments in ascending order with the least and the greatest value at each; `span_us` is how long a moment is."""

    at_us: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    span_us: int = 0


def thin(extremes: Extremes, max_points: int, method: Thinning) -> list[Point]:
    """Return at most `max_points` points in order of time; all of them where there are no more."""
    count = len(extremes.at_us)
    if extremes.span_us == 0 and count <= max_points:
        return list(zip(extremes.at_us, extremes.low, strict=True))
    if method is Thinning.MINMAX:
        return _extreme_points(extremes, max_points // 2)
    points = _extreme_points(extremes, PRESELECTED * max_points // 2)
    return points if len(points) <= max_points else [points[number] for number in triangles(points, max_points)]


def thin_rows(rows: list[list[Value]], max_points: int, method: Thinning) -> list[list[Value]]:
    """Return at most `max_points` of the rows, chosen by their first column with a number in it."""
    told = [row for row in rows if isinstance(row[1], int | float)]
    at, values = [_number(row[0]) for row in told], [_number(row[1]) for row in told]
    points = thin(Extremes(at, values, values), max_points, method)
    kept = {round(moment) for moment, _ in points}
    return [row for row in told if row[0] in kept][:max_points]


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _extreme_points(extremes: Extremes, spans: int) -> list[Point]:
    """Return the least and the greatest value of each of so many equal spans of time, in the order they came."""
    at, low, high = extremes.at_us, extremes.low, extremes.high
    if not at:
        return []
    begin, length = at[0], at[-1] - at[0] + 1
    points: list[Point] = []
    left = 0
    for number in range(1, spans + 1):
        right = bisect_left(at, begin + length * number // spans, left)
        if right > left:
            least, greatest = min(low[left:right]), max(high[left:right])
            points += _pair(
                extremes, (low.index(least, left, right), least), (high.index(greatest, left, right), greatest)
            )
            left = right
    return points


def _pair(extremes: Extremes, least: tuple[int, float], greatest: tuple[int, float]) -> list[Point]:
    """Return the points at these places (number, value), in order of time."""
    at = extremes.at_us
    if least[1] == greatest[1]:
        return [(at[least[0]], least[1])]
    if least[0] == greatest[0]:
        # Which came first within one bucket is not known; half a bucket apart both are seen.
        return [(at[least[0]], least[1]), (at[least[0]] + extremes.span_us // 2, greatest[1])]
    return [(at[number], value) for number, value in sorted((least, greatest))]


def triangles(points: Sequence[Point], wanted: int) -> list[int]:
    """Return the numbers of the points that LTTB keeps (Steinarsson, 2013): first and last, and between them, of each
    bucket, the one that spans the largest triangle with the one kept before and the mean of the next bucket."""
    count = len(points)
    if wanted >= count or wanted < 3:
        return list(range(count)) if wanted >= count else [0, count - 1][:wanted]
    kept = [0]
    every = (count - 2) / (wanted - 2)
    for number in range(wanted - 2):
        low, high = int(number * every) + 1, int((number + 1) * every) + 1
        following = points[high : min(int((number + 2) * every) + 1, count)]
        mean_x = sum(x for x, _ in following) / len(following)
        mean_y = sum(y for _, y in following) / len(following)
        ax, ay = points[kept[-1]]
        dx, dy = ax - mean_x, mean_y - ay
        areas = [abs(dx * (y - ay) - (ax - x) * dy) for x, y in points[low:high]]
        kept.append(low + areas.index(max(areas)))
    kept.append(count - 1)
    return kept
