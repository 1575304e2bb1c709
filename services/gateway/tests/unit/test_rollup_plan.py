"""What is put together from hours, minutes and raw rows is what the raw rows say, whatever is dirty or was removed."""

from datetime import UTC
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from pulse_gateway.domain.aggregates import Aggregate, Fill, Kind, Part, Wanted, join_by_slot, tell
from pulse_gateway.domain.interval import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Interval, cut
from pulse_gateway.domain.rollup_plan import UNIT_US, Resolution, RollupState, Segment, coarsest_of, plan, plan_kept
from pulse_gateway.domain.series_query import coarsest_for

BEGIN = 1_790_000_000_000_000 // DAY_US * DAY_US
ALL = tuple(Aggregate)
FROM_PARTS = tuple(a for a in Aggregate if a is not Aggregate.MEDIAN)

offsets = st.integers(0, 3 * DAY_US // SECOND_US).map(lambda s: s * SECOND_US)
readings = st.dictionaries(offsets, st.integers(-50, 50).map(float), max_size=60)
dirt = st.sets(offsets, max_size=8)
ranges = st.tuples(offsets, offsets).filter(lambda pair: pair[0] != pair[1]).map(sorted)
intervals = st.sampled_from(["30s", "1m", "7m", "1h", "2h", "6h", "1d", "1w"]).map(Interval.parse)
zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]).map(ZoneInfo)


def part_of(rows: list[tuple[int, float]]) -> Part:
    rows = sorted(rows)
    values = [value for _, value in rows]
    middle = len(values) // 2
    ordered = sorted(values)
    median = ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Part(
        len(rows),
        len(rows),
        sum(values),
        min(values),
        max(values),
        rows[0][0],
        values[0],
        rows[-1][0],
        values[-1],
        median,
    )


def parts_of(rows: list[tuple[int, float]], key) -> list[tuple[int, Part]]:
    groups: dict[int, list[tuple[int, float]]] = {}
    for at, value in rows:
        groups.setdefault(key(at), []).append((at, value))
    return [(at, part_of(group)) for at, group in groups.items()]


def read(segment: Segment, rows: list[tuple[int, float]], slots) -> list[tuple[int, Part]]:
    """What a source says: roll-ups know whole buckets only, raw rows are grouped by slot."""
    inside = [(at, value) for at, value in rows if segment.start_us <= at < segment.end_us]
    if segment.resolution is Resolution.RAW:
        return parts_of(inside, lambda at: slots.edges[slots.index(at)])
    unit = UNIT_US[segment.resolution]
    assert segment.start_us % unit == segment.end_us % unit == 0
    return parts_of(inside, lambda at: at - at % unit)


@given(readings, dirt, dirt, ranges, intervals, zones, st.sampled_from(list(Fill)))
def test_the_planned_answer_is_the_one_of_the_raw_rows(  # noqa: PLR0917 -- what Hypothesis gives
    given_rows, dirty, dirty_hours, span, interval, zone, fill
) -> None:
    rows = [(BEGIN + at, value) for at, value in given_rows.items()]
    start, end = BEGIN + span[0], BEGIN + span[1]
    minutes = {BEGIN + at - at % MINUTE_US for at in dirty}
    hours = {m - m % HOUR_US for m in minutes} | {BEGIN + at - at % HOUR_US for at in dirty_hours}
    state = RollupState({Resolution.MINUTE: minutes, Resolution.HOUR: hours})
    slots = cut(start, end, interval, zone)
    for aggregates in (FROM_PARTS, ALL):
        segments = plan(start, end, coarsest_for(slots, aggregates, Kind.NUMBER), state)
        parts = [part for segment in segments for part in read(segment, rows, slots)]
        wanted = Wanted(aggregates, fill, Kind.NUMBER)
        told = tell(slots, join_by_slot(slots, parts), wanted)
        brute = parts_of([row for row in rows if start <= row[0] < end], lambda at: slots.edges[slots.index(at)])
        assert told == tell(slots, join_by_slot(slots, brute), wanted)


@given(dirt, ranges, st.sampled_from(list(Resolution)))
def test_segments_are_the_range_without_gap_overlap_or_dirt(dirty, span, coarsest) -> None:
    minutes = {at - at % MINUTE_US for at in dirty}
    state = RollupState({Resolution.MINUTE: minutes, Resolution.HOUR: {m - m % HOUR_US for m in minutes}})
    segments = plan(*span, coarsest, state)
    assert segments[0].start_us == span[0]
    assert segments[-1].end_us == span[1]
    assert all(a.end_us == b.start_us and a.resolution != b.resolution for a, b in pairwise(segments))
    for segment in segments:
        if segment.resolution is not Resolution.RAW:
            dirty_now = state.dirty[segment.resolution]
            assert not any(segment.start_us <= bucket < segment.end_us for bucket in dirty_now)


def test_hours_are_taken_where_they_are_exact() -> None:
    slots = cut(0, 10 * HOUR_US, Interval.parse("2h"), UTC)
    assert coarsest_for(slots, [Aggregate.AVG], Kind.NUMBER) is Resolution.HOUR
    assert coarsest_for(slots, [Aggregate.MEDIAN], Kind.NUMBER) is Resolution.RAW
    assert coarsest_for(slots, [Aggregate.LAST], Kind.TEXT) is Resolution.RAW
    assert coarsest_for(slots, [Aggregate.COUNT], Kind.TEXT) is Resolution.HOUR
    india = cut(0, 10 * HOUR_US, Interval.parse("2h"), ZoneInfo("Asia/Kolkata"))
    assert coarsest_for(india, [Aggregate.AVG], Kind.NUMBER) is Resolution.MINUTE
    segments = plan(90 * SECOND_US, 3 * HOUR_US + 1, Resolution.HOUR, RollupState())
    assert [s.resolution.value for s in segments] == ["raw", "minute", "hour", "raw"]
    assert coarsest_of(segments) is Resolution.HOUR
    assert plan(0, HOUR_US, Resolution.HOUR, RollupState(is_usable=False)) == [Segment(Resolution.RAW, 0, HOUR_US)]


def test_where_raw_rows_were_removed_a_dirty_minute_is_all_there_is() -> None:
    dirty = {Resolution.MINUTE: {0, HOUR_US}}
    state = RollupState(dirty, {Resolution.RAW: HOUR_US})
    assert plan(0, 2 * HOUR_US, Resolution.MINUTE, state) == [
        Segment(Resolution.MINUTE, 0, HOUR_US),
        Segment(Resolution.RAW, HOUR_US, HOUR_US + MINUTE_US),
        Segment(Resolution.MINUTE, HOUR_US + MINUTE_US, 2 * HOUR_US),
    ]


def test_a_chart_takes_what_retention_left() -> None:
    state = RollupState(kept_from={Resolution.RAW: 2 * DAY_US, Resolution.MINUTE: DAY_US})
    assert plan_kept(0, 3 * DAY_US, Resolution.RAW, state) == [
        Segment(Resolution.HOUR, 0, DAY_US),
        Segment(Resolution.MINUTE, DAY_US, 2 * DAY_US),
        Segment(Resolution.RAW, 2 * DAY_US, 3 * DAY_US),
    ]
