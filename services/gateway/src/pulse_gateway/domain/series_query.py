"""A question for series rather than single readings: by interval, or thinned to a number of points.

Bounds: at most `MAX_SERIES` series, `MAX_ROWS_TOLD` points in an answer and `MAX_ROWS_READ` rows read for it. What would
be more is refused before it is begun, with the number and with what to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from pulse_gateway.domain.aggregates import OF_TEXT, Aggregate, Fill, Kind, Value, needs_every_reading
from pulse_gateway.domain.interval import Interval, Slots
from pulse_gateway.domain.rollup_plan import UNIT_US, Resolution
from pulse_gateway.domain.thinning import PRESELECTED, Thinning

MAX_DEVICES: Final = 200
MAX_SERIES: Final = 500
MAX_ROWS_TOLD: Final = 200_000
MAX_ROWS_READ: Final = 5_000_000
"""About five seconds of one core."""
EXACT_ROWS: Final = 50_000
"""A chart of so few readings is made from the readings themselves."""
DEFAULT_POINTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class SeriesQuestion:
    """What is asked. `start_us` is included, `end_us` is not. Without `interval` the series are thinned."""

    device_ids: tuple[str, ...]
    metrics: tuple[str, ...] | None
    start_us: int
    end_us: int
    zone: tzinfo
    interval: Interval | None
    aggregates: tuple[Aggregate, ...]
    fill: Fill
    max_points: int | None
    thinning: Thinning


@dataclass(frozen=True, slots=True)
class Series:
    """A metric of a device, as the database knows it."""

    series_id: int
    device_id: str
    metric: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class SeriesAnswer:
    """Rows of one series: a moment in milliseconds, then a value for each column. `resolution_ms` 0: exact moments."""

    series: Series
    source: Resolution
    resolution_ms: int
    rows: list[list[Value]]


@dataclass(frozen=True, slots=True)
class SkippedSeries:
    """A series that was not asked for by name and of which what was asked for cannot be told."""

    series: Series
    reason: str


@dataclass(frozen=True, slots=True)
class SeriesAnswers:
    """The answer to a question, all of it of one moment of the database."""

    answers: Sequence[SeriesAnswer]
    skipped: Sequence[SkippedSeries]


def why_not(series: Series, question: SeriesQuestion) -> str | None:
    """Return why a question cannot be answered for a series, None when it can."""
    if series.kind is Kind.NUMBER:
        return None
    if series.kind is Kind.TEXT:
        if question.interval is None:
            return "a text cannot be thinned: ask for an interval, or for the readings themselves"
        wrong = [aggregate.value for aggregate in question.aggregates if aggregate not in OF_TEXT]
        if wrong:
            return f"of a text there are first, last and count only, not {', '.join(wrong)}"
    is_told_as_it_is = not {Aggregate.FIRST, Aggregate.LAST}.isdisjoint(question.aggregates)
    if question.fill is Fill.LINEAR and is_told_as_it_is and question.interval is not None:
        return f"there is nothing between one {series.kind.value} and the next: fill cannot be linear"
    return None


def coarsest_for(slots: Slots, aggregates: Sequence[Aggregate], kind: Kind) -> Resolution:
    """Return the coarsest resolution from which these slots can be told exactly."""
    is_of_text = kind is Kind.TEXT and set(aggregates) != {Aggregate.COUNT}
    if is_of_text or needs_every_reading(aggregates):
        return Resolution.RAW
    for resolution in (Resolution.HOUR, Resolution.MINUTE):
        if slots.are_multiples_of(UNIT_US[resolution]):
            return resolution
    return Resolution.RAW


@dataclass(frozen=True, slots=True)
class Chart:
    """From what a series is thinned: a resolution, and the length of the buckets whose extremes are told; 0: readings."""

    resolution: Resolution
    step_us: int


def chart_of(span_us: int, rows: int, max_points: int) -> Chart:
    """Return how a series with so many readings is thinned: from the coarsest with several buckets for each point."""
    if rows <= max(EXACT_ROWS, max_points):
        return Chart(Resolution.RAW, 0)
    for resolution in (Resolution.HOUR, Resolution.MINUTE):
        if span_us >= PRESELECTED * max_points * UNIT_US[resolution]:
            return Chart(resolution, UNIT_US[resolution])
    if rows > MAX_ROWS_READ:
        return Chart(Resolution.MINUTE, UNIT_US[Resolution.MINUTE])
    return Chart(Resolution.RAW, max(1000, span_us // (PRESELECTED * max_points)))
