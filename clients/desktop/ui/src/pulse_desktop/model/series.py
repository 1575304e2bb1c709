"""The readings of one metric that the chart shows: a bounded ring that tells where it has gaps.

A gap is a gap, as on the dashboard: the line breaks where two readings lie further apart than 2.5 times the usual
distance of the last ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

MAX_POINTS: Final = 3600
"""An hour at one reading a second; the oldest go first."""
GAP_FACTOR: Final = 2.5
_LEARN_FROM: Final = 32


@dataclass(frozen=True, slots=True)
class Point:
    """One reading: Unix seconds and value."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Plot:
    """What a chart draws: lines without gaps, the gaps between them, and the bounds of both axes."""

    lines: tuple[tuple[Point, ...], ...]
    gaps: tuple[tuple[float, float], ...]
    start: float
    end: float
    low: float
    high: float

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.lines


class Series:
    """The ring of one metric. Readings older than the newest one are put where they belong; a repeated one is dropped."""

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self._points: deque[Point] = deque(maxlen=MAX_POINTS)
        for point in points:
            self.add(point)

    def __len__(self) -> int:
        return len(self._points)

    @property
    def newest(self) -> Point | None:
        """The newest reading."""
        return self._points[-1] if self._points else None

    @property
    def points(self) -> tuple[Point, ...]:
        """All that are kept, oldest first."""
        return tuple(self._points)

    def add(self, point: Point) -> None:
        """Take a reading."""
        points = self._points
        if not points or point.at > points[-1].at:
            points.append(point)
            return
        if any(known.at == point.at for known in reversed(points)):
            return
        ordered = sorted((*points, point), key=lambda known: known.at)
        self._points = deque(ordered, maxlen=MAX_POINTS)

    def fill(self, points: Iterable[Point]) -> None:
        """Take many readings of any time at once, where they are not known."""
        known = {point.at: point for point in (*points, *self._points)}
        self._points = deque(sorted(known.values(), key=lambda point: point.at), maxlen=MAX_POINTS)

    def gap_before(self, at: float) -> float | None:
        """Return when the gap began that ends with the reading of this time; None where there is none."""
        usual = self.interval()
        before = next((point.at for point in reversed(self._points) if point.at < at), None)
        return before if before is not None and usual is not None and at - before > usual * GAP_FACTOR else None

    def interval(self) -> float | None:
        """Return the usual distance between readings in seconds; None before three are known."""
        last = [self._points[index] for index in range(max(0, len(self._points) - _LEARN_FROM), len(self._points))]
        if len(last) < 3:
            return None
        return median(after.at - before.at for before, after in pairwise(last))

    def plot(self, end: float, span: float) -> Plot:
        """Return what there is to draw of the `span` seconds before `end`."""
        start = end - span
        shown = [point for point in self._points if start <= point.at <= end]
        usual = self.interval()
        limit = usual * GAP_FACTOR if usual is not None else float("inf")
        lines: list[list[Point]] = []
        gaps: list[tuple[float, float]] = []
        for point in shown:
            if lines and point.at - lines[-1][-1].at <= limit:
                lines[-1].append(point)
                continue
            if lines:
                gaps.append((lines[-1][-1].at, point.at))
            lines.append([point])
        if lines and end - lines[-1][-1].at > limit:
            gaps.append((lines[-1][-1].at, end))
        values = [point.value for point in shown]
        low, high = _padded(min(values), max(values)) if values else (0.0, 1.0)
        return Plot(tuple(map(tuple, lines)), tuple(gaps), start, end, low, high)


def _padded(low: float, high: float) -> tuple[float, float]:
    """Leave room above and below, and make a flat line lie in the middle."""
    room = (high - low) * 0.1 or max(abs(high) * 0.01, 0.5)
    return low - room, high + room
