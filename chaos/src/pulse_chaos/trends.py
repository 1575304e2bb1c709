"""Whether something that was watched for long grows. Pure: from curves to verdicts.

A process that was killed begins anew, so its curve has lives: the trend is one slope for all of them (least squares with an
own level for each life), and the first seconds of each life do not count. Memory must grow in both halves of the watch to be
called growing: an allocator keeps what one burst needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final

MEMORY_MIB: Final = 16.0
"""What memory may grow by while it is watched, unless 10 % of it is more. After a process's first minutes there are still
the gateway's rings, which fill up to their bounds, and cycles that wait for a rare collection, about 10 MiB of them."""
HANDLES: Final = 8.0
"""The same for open files and connections, unless 10 % is more: a reconnection is seen with both its sockets."""
TABLE_MIB: Final = 4.0
"""What a table may grow by without having more rows, unless 25 % is more: rows that died since the last vacuum."""
DEAD_PER_LIVE: Final = 1.0
"""Dead rows for each live one, once a table has many: autovacuum begins at a fifth."""
FEW_ROWS: Final = 20_000.0
"""A table with fewer live rows counts as one with so many: what is written all the time has most of its rows dead."""
LOG_KIB_A_MINUTE: Final = 512.0
"""What all logs together may write: a fault's warnings, and each part's words at its start."""
LEAST_POINTS: Final = 5
"""A curve with fewer is not judged."""


class Kind(StrEnum):
    """What is watched, by the rule that it is held to."""

    MEMORY = "memory"
    FILES = "files"
    CONNECTIONS = "connections"
    STREAM = "stream"
    TABLE = "table"
    DEAD_ROWS = "dead-rows"
    LOGS = "logs"
    LOAD = "load"
    """Shown, not judged."""


@dataclass(frozen=True, slots=True)
class Point:
    """One look, seconds after the watch began; `life` tells the processes of one name apart."""

    at: float
    value: float
    life: int = 0


@dataclass(slots=True)
class Curve:
    """One thing over time. `bound` is what a stream may hold at most, by contract; `warm_ups`: how many it takes to be warm."""

    name: str
    kind: Kind
    unit: str
    points: list[Point] = field(default_factory=list)
    bound: float | None = None
    warm_ups: int = 1


@dataclass(frozen=True, slots=True)
class Trend:
    """What a curve does after its warm-up."""

    slope: float
    """Units a second."""
    seconds: float
    """How long was watched, all lives together."""
    median: float
    first: float
    most: float
    last: float
    points: int
    rise: float = 0.0
    """By how much the highest of the last third is above the highest of the first."""
    halves: tuple[float, float] = (0.0, 0.0)
    """What it grew by in the first and in the second half of the points, each by its own trend."""

    @property
    def growth(self) -> float:
        """What it grew by while it was watched, by its trend."""
        return self.slope * self.seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one curve, with its figures; `is_judged` is false where there was too little to judge."""

    curve: Curve
    holds: bool
    detail: str
    trend: Trend | None = None

    @property
    def is_judged(self) -> bool:
        """Tell whether there was enough to judge."""
        return self.trend is not None


def trend_of(points: Sequence[Point], warm_up: float) -> Trend | None:
    """Fit one slope to all lives without their first `warm_up` seconds; None when too little is left."""
    by_life: dict[int, list[Point]] = {}
    for point in points:
        by_life.setdefault(point.life, []).append(point)
    every = [point for life in by_life.values() for point in life if point.at - life[0].at >= warm_up]
    if len(every) < LEAST_POINTS:
        return None
    slope, seconds = _fitted(every)
    half, third = len(every) // 2, len(every) // 3 + 1
    values = sorted(p.value for p in every)
    return Trend(
        slope=slope,
        seconds=seconds,
        median=values[len(values) // 2],
        first=every[0].value,
        most=values[-1],
        last=every[-1].value,
        points=len(every),
        rise=max(p.value for p in every[-third:]) - max(p.value for p in every[:third]),
        halves=(math.prod(_fitted(every[:half])), math.prod(_fitted(every[half:]))),
    )


def _fitted(points: Sequence[Point]) -> tuple[float, float]:
    """Return the slope of all lives, units a second, and how many seconds they are together."""
    lives: dict[int, list[Point]] = {}
    for point in points:
        lives.setdefault(point.life, []).append(point)
    above = below = 0.0
    for life in lives.values():
        mean_at = sum(p.at for p in life) / len(life)
        mean = sum(p.value for p in life) / len(life)
        above += sum((p.at - mean_at) * (p.value - mean) for p in life)
        below += sum((p.at - mean_at) ** 2 for p in life)
    return above / below if below else 0.0, sum(life[-1].at - life[0].at for life in lives.values())


def _flat(allowed: float, share: float) -> Callable[[Curve, Trend], tuple[bool, str]]:
    def rule(curve: Curve, trend: Trend) -> tuple[bool, str]:
        may = max(allowed, share * trend.median)
        per_hour = trend.slope * 3600
        told = (
            f"{per_hour:+.1f} {curve.unit}/h by least squares, {trend.growth:+.2f} {curve.unit} in {trend.seconds:.0f} s "
            f"(may {may:.1f}; {trend.halves[0]:+.1f} and {trend.halves[1]:+.1f} in its halves), "
            f"median {trend.median:.1f}, most {trend.most:.1f}"
        )
        # What leaks goes on leaking; what had to hold more than ever before, once, has kept the room and is flat again.
        goes_on = curve.kind is not Kind.MEMORY or min(trend.halves) > may / 2
        # Connections that a fault cut early and that came back make a slope too.
        was_cut = curve.kind in (Kind.FILES, Kind.CONNECTIONS) and trend.rise <= may / 2
        return trend.growth <= may or not goes_on or was_cut, told

    return rule


def _bounded(curve: Curve, trend: Trend) -> tuple[bool, str]:
    if curve.bound is None:
        return _flat(HANDLES, 0.1)(curve, trend)
    # Redis trims whole nodes of a hundred entries.
    may = curve.bound * 1.02 + 200
    return trend.most <= may, f"at most {trend.most:,.0f} of {curve.bound:,.0f}"


def _dead(_curve: Curve, trend: Trend) -> tuple[bool, str]:
    return (
        trend.last <= DEAD_PER_LIVE,
        f"{trend.last:.2f} dead rows for a live one at the end, {trend.most:.2f} at most",
    )


def _logs(_curve: Curve, trend: Trend) -> tuple[bool, str]:
    a_minute = trend.slope * 60
    return a_minute <= LOG_KIB_A_MINUTE, f"{a_minute:.1f} KiB a minute (may {LOG_KIB_A_MINUTE:.0f})"


_RULES: Final[Mapping[Kind, Callable[[Curve, Trend], tuple[bool, str]]]] = {
    Kind.MEMORY: _flat(MEMORY_MIB, 0.1),
    Kind.FILES: _flat(HANDLES, 0.1),
    Kind.CONNECTIONS: _flat(HANDLES, 0.1),
    Kind.STREAM: _bounded,
    Kind.TABLE: _flat(TABLE_MIB, 0.25),
    Kind.DEAD_ROWS: _dead,
    Kind.LOGS: _logs,
    Kind.LOAD: lambda _, trend: (True, f"median {trend.median:,.0f}, most {trend.most:,.0f}"),
}


def judge_curve(curve: Curve, warm_up: float) -> Verdict:
    """Hold a curve to the rule of its kind, without the first seconds of each life: its `warm_ups` times `warm_up`."""
    warm_up *= curve.warm_ups
    trend = trend_of(curve.points, warm_up)
    if trend is None:
        return Verdict(curve, True, f"too short to judge: {len(curve.points)} looks, {warm_up:.0f} s of warm-up")
    holds, told = _RULES[curve.kind](curve, trend)
    return Verdict(curve, holds, told, trend)


def rate_of(points: Sequence[Point]) -> list[Point]:
    """Return what a counter did each second; a counter that began anew gives nothing at that place."""
    return [
        Point(after.at, (after.value - before.value) / (after.at - before.at), after.life)
        for before, after in pairwise(points)
        if after.at > before.at and after.value >= before.value and after.life == before.life
    ]
