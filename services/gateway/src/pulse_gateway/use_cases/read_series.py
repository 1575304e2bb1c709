"""Give series by interval, or thinned for a chart, to somebody who may see their devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pulse_chassis.errors import InvalidError
from pulse_contracts.frames import LivePosition, Topic
from pulse_gateway.domain.aggregates import Kind, Value, Wanted, join_by_slot, tell, typed_number
from pulse_gateway.domain.interval import Interval, Slots, TooManySlotsError, cut
from pulse_gateway.domain.rollup_plan import UNIT_US, Resolution, RollupState, Segment, coarsest_of, plan, plan_kept
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.series_query import (
    DEFAULT_POINTS,
    MAX_ROWS_READ,
    MAX_ROWS_TOLD,
    MAX_SERIES,
    Series,
    SeriesAnswer,
    SeriesAnswers,
    SeriesQuestion,
    SkippedSeries,
    chart_of,
    coarsest_for,
    why_not,
)
from pulse_gateway.domain.thinning import Point, thin, thin_rows
from pulse_gateway.use_cases.history_ports import SeriesReader, SeriesSnapshot
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.read_history import live_position, require_devices

FIELD: Final = "query"
_MILLISECOND_US: Final = 1_000


async def read_series(
    question: SeriesQuestion, scope: Scope, state: LiveState, reader: SeriesReader
) -> tuple[SeriesAnswers, LivePosition]:
    """Return the answer and the live position before it.

    Raises NotFoundError for a device that is not there or not theirs, InvalidError for what cannot be told of a metric or
    would read or tell too much, UnavailableError.
    """
    require_devices(question.device_ids, scope, state)
    live = live_position(state, Topic.TELEMETRY_RAW)
    return await answer_series(question, reader), live


async def answer_series(question: SeriesQuestion, reader: SeriesReader) -> SeriesAnswers:
    """Return the answer, whoever asks. Raises InvalidError, UnavailableError."""
    async with reader.snapshot() as snapshot:
        found = await snapshot.series(question.device_ids, question.metrics)
        told, skipped = _tellable(question, found)
        if question.interval is None:
            answers = await _thinned(question, told, snapshot)
        else:
            answers = await _by_interval(question, question.interval, told, snapshot)
    return SeriesAnswers(answers, skipped)


def _tellable(question: SeriesQuestion, found: Sequence[Series]) -> tuple[list[Series], list[SkippedSeries]]:
    """Return the series that can be told; what was asked for by name and cannot be told is an error."""
    skipped = [SkippedSeries(series, reason) for series in found if (reason := why_not(series, question)) is not None]
    if skipped and question.metrics is not None:
        first = skipped[0]
        message = f"metric {first.series.metric} of {first.series.device_id}: {first.reason}"
        raise InvalidError(message, code="not_for_this_metric", field=f"{FIELD}.agg")
    without = {skip.series.series_id for skip in skipped}
    told = [series for series in found if series.series_id not in without]
    if len(told) > MAX_SERIES:
        message = f"these are {len(told)} series, more than {MAX_SERIES}: ask for fewer devices or metrics"
        raise InvalidError(message, code="too_many_series", field=f"{FIELD}.device_id")
    return told, skipped


async def _by_interval(
    question: SeriesQuestion, interval: Interval, told: Sequence[Series], snapshot: SeriesSnapshot
) -> list[SeriesAnswer]:
    slots = _slots(question, interval, len(told))
    states = await snapshot.rollups(told, question.start_us, question.end_us)
    plans = {
        series: plan(
            question.start_us,
            question.end_us,
            coarsest_for(slots, question.aggregates, series.kind),
            states[series.series_id],
        )
        for series in told
    }
    await _refuse_costly(plans, states, snapshot)
    parts = await snapshot.parts(plans, slots, question.aggregates)
    answers = []
    for series, segments in plans.items():
        wanted = Wanted(question.aggregates, question.fill, series.kind)
        rows = tell(slots, join_by_slot(slots, parts.get(series.series_id, ())), wanted)
        if question.max_points is not None and len(rows) > question.max_points:
            rows = thin_rows(rows, question.max_points, question.thinning)
        answers.append(SeriesAnswer(series, coarsest_of(segments), 0, rows))
    return answers


def _slots(question: SeriesQuestion, interval: Interval, series: int) -> Slots:
    try:
        slots = cut(question.start_us, question.end_us, interval, question.zone)
    except TooManySlotsError as error:
        raise _too_many_points(error.count * max(1, series)) from None
    if len(slots.starts) * series > MAX_ROWS_TOLD:
        raise _too_many_points(len(slots.starts) * series)
    return slots


async def _thinned(question: SeriesQuestion, told: Sequence[Series], snapshot: SeriesSnapshot) -> list[SeriesAnswer]:
    wanted = question.max_points or DEFAULT_POINTS
    if wanted * len(told) > MAX_ROWS_TOLD:
        raise _too_many_points(wanted * len(told))
    start, end = question.start_us, question.end_us
    states = await snapshot.rollups(told, start, end)
    counts = await snapshot.count(
        {s.series_id: plan(start, end, Resolution.HOUR, states[s.series_id]) for s in told}, MAX_ROWS_READ + 1
    )
    charts = {s: chart_of(end - start, counts.get(s.series_id, 0), wanted) for s in told}
    plans = {s: plan_kept(start, end, chart.resolution, states[s.series_id]) for s, chart in charts.items()}
    await _refuse_costly(plans, states, snapshot)
    steps = {series.series_id: chart.step_us for series, chart in charts.items()}
    extremes = await snapshot.extremes({s.series_id: segments for s, segments in plans.items()}, steps)
    return [
        SeriesAnswer(
            series,
            coarsest_of(segments),
            steps[series.series_id] // _MILLISECOND_US,
            _rows(thin(extremes[series.series_id], wanted, question.thinning), series.kind),
        )
        for series, segments in plans.items()
    ]


def _rows(points: Sequence[Point], kind: Kind) -> list[list[Value]]:
    return [[round(at) // _MILLISECOND_US, typed_number(value, kind)] for at, value in points]


async def _refuse_costly(
    plans: Mapping[Series, Sequence[Segment]], states: Mapping[int, RollupState], snapshot: SeriesSnapshot
) -> None:
    """Raise InvalidError when the plans read more rows than one question may."""
    buckets = sum(
        (segment.end_us - segment.start_us) // UNIT_US[segment.resolution]
        for segments in plans.values()
        for segment in segments
        if segment.resolution is not Resolution.RAW
    )
    raw = {
        series.series_id: [
            counted
            for segment in segments
            if segment.resolution is Resolution.RAW
            for counted in plan(segment.start_us, segment.end_us, Resolution.HOUR, states[series.series_id])
        ]
        for series, segments in plans.items()
    }
    rows = buckets + sum((await snapshot.count(raw, MAX_ROWS_READ + 1)).values())
    if rows > MAX_ROWS_READ:
        message = (
            f"this would read at least {rows:,} rows, more than {MAX_ROWS_READ:,}: ask for a shorter range, fewer devices or"
            " metrics, or an interval of whole minutes or hours without the median, which is answered from roll-ups"
        )
        raise InvalidError(message, code="too_many_rows")


def _too_many_points(count: int) -> InvalidError:
    message = (
        f"the answer would have {count:,} points, more than {MAX_ROWS_TOLD:,}: ask for a longer interval, a shorter range,"
        " or fewer devices or metrics"
    )
    return InvalidError(message, code="too_many_points")
