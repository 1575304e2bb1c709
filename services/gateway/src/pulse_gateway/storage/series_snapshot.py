"""Series by slots or extremes, from raw rows and roll-ups in one view of the data.

A snapshot is one REPEATABLE READ transaction: roll-ups, what is dirty of them and raw rows are of the same moment, so
their sum is exact (services/ingest publishes them for that). A statement that takes too long ends as a typed error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from pulse_chassis.errors import UnavailableError
from pulse_gateway.domain.aggregates import ENDS, Aggregate, Kind, Part
from pulse_gateway.domain.interval import HOUR_US, MINUTE_US, Slots, microseconds, moment
from pulse_gateway.domain.rollup_plan import Resolution, RollupState, Segment
from pulse_gateway.domain.series_query import Series
from pulse_gateway.domain.thinning import Extremes
from pulse_gateway.storage.pool import ReadPool

STATEMENT_SECONDS: Final = 20
MAX_DIRTY: Final = 20_000
"""Beyond, roll-ups have hardly begun: everything is read raw."""

_BEGIN: Final = f"set local statement_timeout = '{STATEMENT_SECONDS}s'"
_SERIES: Final = """
select i.series_id, i.client_id, i.metric_key,
       case when l.metric_text is not null then 'text' when l.metric_bool is not null then 'boolean' else 'number' end
           as kind
from telemetry.series_index i
left join telemetry.latest_value l on l.client_id = i.client_id and l.metric_key = i.metric_key
where i.client_id = any($1) and ($2::text[] is null or i.metric_key = any($2::text[]))
order by i.client_id, i.metric_key
"""
_DIRTY: Final = """
select distinct series_id, bucket from telemetry.{resolution}_dirty
where series_id = any($1::int[]) and bucket >= $2 and bucket < $3 limit $4
"""
_KEPT: Final = "select series_id, raw_from, minute_from, hour_from from telemetry.series_kept where series_id = any($1)"
_SEGMENTS: Final = """
from unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) with ordinality as w (series_id, low, high, number)
cross join lateral
"""
_RAW_ROWS: Final = """
telemetry.sample_data d
where d.series_id = w.series_id and d.recorded_at >= w.low and d.recorded_at < w.high
  and d.recorded_at >= $4 and d.recorded_at < $5
"""
"""The range in all is said once more, because partitions are pruned by the plain comparison only."""
_ROLLUP_ROWS: Final = """
telemetry.{resolution}_rollup d
where d.series_id = w.series_id and d.bucket >= w.low and d.bucket < w.high and d.bucket >= $4 and d.bucket < $5
"""
_COUNT_RAW: Final = f"""
select series_id, count(*) as rows from (
    select w.series_id {_SEGMENTS} (select 1 from {_RAW_ROWS}) as r limit $6
) as counted group by 1
"""  # noqa: S608 -- put together from constants of this file
_COUNT_ROLLUP: Final = f"""
select w.series_id, sum(r.row_count)::bigint as rows {_SEGMENTS} (select d.row_count from {_ROLLUP_ROWS}) as r group by 1
"""  # noqa: S608 -- put together from constants of this file
_NUMBER: Final = "coalesce(d.value, d.flag::int::float8)"
_SUMMED: Final = "greatest(least(x, 1e290), -1e290)"
"""As the roll-ups do: a sum could not hold what is beyond."""
_RAW_PARTS: Final = f"""
select p.*{{end_columns}} from (
    select w.series_id, {{slot}} as slot, count(*) as rows, count(x) as n{{columns}}
    {_SEGMENTS} (select d.recorded_at as at, {{x}} as x from {_RAW_ROWS}) as r
    group by 1, 2
) as p {{ends}}
"""  # noqa: S608 -- put together from constants of this file
_RAW_END: Final = """
left join lateral (
    select {x} as x from telemetry.sample_data d
    where d.series_id = p.series_id and d.recorded_at = p.{name}_at and {x} is not null order by d.seq {direction} limit 1
) as {name} on true
"""
_ROLLUP_PARTS: Final = f"""
select w.series_id, {{slot}} as slot, sum(row_count)::bigint as rows, sum(value_count)::bigint as n{{columns}}
{_SEGMENTS} (select d.*, d.bucket as at from {_ROLLUP_ROWS}) as r
group by 1, 2
"""  # noqa: S608 -- put together from constants of this file
_RAW_EXTREMES: Final = f"""
select w.series_id, w.number, r.* {_SEGMENTS} (
    select array_agg(date_part('epoch', at) * 1e6) as at, array_agg(x) as low, array_agg(x) as high from (
        select d.recorded_at as at, {_NUMBER} as x from {_RAW_ROWS} and {_NUMBER} is not null
        order by d.recorded_at, d.seq
    ) as o
) as r
"""  # noqa: S608 -- put together from constants of this file
_STEPPED_EXTREMES: Final = f"""
select w.series_id, w.number, r.* {_SEGMENTS} (
    select array_agg(date_part('epoch', at) * 1e6) as at, array_agg(low) as low, array_agg(high) as high from (
        select greatest(date_bin($6::interval, d.recorded_at, 'epoch'), w.low) as at,
               min({_NUMBER}) as low, max({_NUMBER}) as high
        from {_RAW_ROWS} and {_NUMBER} is not null group by 1 order by 1
    ) as o
) as r
"""  # noqa: S608 -- put together from constants of this file
_ROLLUP_EXTREMES: Final = f"""
select w.series_id, w.number, r.* {_SEGMENTS} (
    select array_agg(date_part('epoch', at) * 1e6) as at, array_agg(value_min) as low, array_agg(value_max) as high from (
        select d.bucket as at, d.value_min, d.value_max from {_ROLLUP_ROWS} and d.value_count > 0 order by d.bucket
    ) as o
) as r
"""  # noqa: S608 -- put together from constants of this file
# What each aggregate needs of a part beside the numbers of readings: (field, from raw rows, from roll-ups).
_TOTAL: Final = ("total", f"sum({_SUMMED})", "sum(value_sum)")
_COLUMNS: Final[Mapping[Aggregate, tuple[str, str, str]]] = {
    Aggregate.AVG: _TOTAL,
    Aggregate.SUM: _TOTAL,
    Aggregate.MIN: ("low", "min(x)", "min(value_min)"),
    Aggregate.MAX: ("high", "max(x)", "max(value_max)"),
    Aggregate.MEDIAN: ("median", "percentile_cont(0.5) within group (order by x)", ""),
}
_ENDS_OF_ROLLUPS: Final = """,
    min(first_at) as first_at, (array_agg(first_value order by first_at) filter (where first_at is not null))[1] as first,
    max(last_at) as last_at, (array_agg(last_value order by last_at desc) filter (where last_at is not null))[1] as last
"""
_ENDS_OF_ROWS: Final = (
    ", min(at) filter (where x is not null) as first_at, max(at) filter (where x is not null) as last_at"
)


class PostgresSeriesReader:
    """Implements `SeriesReader`."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresSeriesSnapshot]:
        """Begin a snapshot. Raises UnavailableError."""
        async with self._pool.connection() as connection:
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    await connection.execute(_BEGIN)
                    yield PostgresSeriesSnapshot(connection)
            except asyncpg.QueryCanceledError as error:
                message = (
                    f"the answer was not there after {STATEMENT_SECONDS} s: ask for a shorter range, fewer devices or"
                    " metrics, or an interval of whole minutes"
                )
                raise UnavailableError(message, code="query_too_slow") from error


class PostgresSeriesSnapshot:
    """Implements `SeriesSnapshot`."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
        self._connection = connection

    async def series(self, device_ids: Sequence[str], metrics: Sequence[str] | None) -> Sequence[Series]:
        """Return the series of these devices."""
        rows = await self._connection.fetch(_SERIES, list(device_ids), None if metrics is None else list(metrics))
        return [Series(row["series_id"], row["client_id"], row["metric_key"], Kind(row["kind"])) for row in rows]

    async def rollups(self, series: Sequence[Series], start_us: int, end_us: int) -> Mapping[int, RollupState]:
        """Return the state of the roll-ups; where too much of them is dirty, as if nothing were rolled up."""
        ids = [found.series_id for found in series]
        states = {series_id: RollupState() for series_id in ids}
        for resolution, unit in ((Resolution.MINUTE, MINUTE_US), (Resolution.HOUR, HOUR_US)):
            low, high = moment(start_us - start_us % unit), moment(end_us)
            rows = await self._connection.fetch(_DIRTY.format(resolution=resolution), ids, low, high, MAX_DIRTY + 1)
            if len(rows) > MAX_DIRTY:
                return {series_id: RollupState(is_usable=False) for series_id in ids}
            buckets: dict[int, list[int]] = defaultdict(list)
            for row in rows:
                buckets[row["series_id"]].append(microseconds(row["bucket"]))
            for series_id, found in buckets.items():
                states[series_id].dirty[resolution] = found
        for row in await self._connection.fetch(_KEPT, ids):
            kept = states[row["series_id"]].kept_from
            for resolution in Resolution:
                if row[f"{resolution}_from"] is not None:
                    kept[resolution] = microseconds(row[f"{resolution}_from"])
        return states

    async def count(self, plans: Mapping[int, Sequence[Segment]], limit: int) -> Mapping[int, int]:
        """Return the number of readings of each series."""
        counts: dict[int, int] = defaultdict(int)
        for resolution, segments in _by_resolution(plans).items():
            if resolution is Resolution.RAW:
                rows = await self._connection.fetch(_COUNT_RAW, *_arguments(segments), limit)
            else:
                rows = await self._connection.fetch(_COUNT_ROLLUP.format(resolution=resolution), *_arguments(segments))
            for row in rows:
                counts[row["series_id"]] += row["rows"]
        return counts

    async def parts(
        self, plans: Mapping[Series, Sequence[Segment]], slots: Slots, aggregates: Sequence[Aggregate]
    ) -> Mapping[int, Iterable[tuple[int, Part]]]:
        """Return what the segments of each series say of each slot."""
        found: dict[int, list[tuple[int, Part]]] = defaultdict(list)
        slot, slot_arguments = _slot(slots)
        for is_text in (False, True):
            of_kind = {s.series_id: p for s, p in plans.items() if (s.kind is Kind.TEXT) is is_text}
            for resolution, segments in _by_resolution(of_kind).items():
                statement = _parts_statement(resolution, slot, aggregates, is_text=is_text)
                for row in await self._connection.fetch(statement, *_arguments(segments), *slot_arguments):
                    found[row["series_id"]].append((microseconds(row["slot"]), _part(row)))
        return found

    async def extremes(
        self, plans: Mapping[int, Sequence[Segment]], steps_us: Mapping[int, int]
    ) -> Mapping[int, Extremes]:
        """Return the extremes of each series, in order of time."""
        pieces: dict[int, list[tuple[int, asyncpg.Record]]] = defaultdict(list)
        for step in set(steps_us.values()):
            of_step = {series_id: plan for series_id, plan in plans.items() if steps_us[series_id] == step}
            for resolution, segments in _by_resolution(of_step).items():
                statement, more = _extremes_statement(resolution, step)
                for row in await self._connection.fetch(statement, *_arguments(segments), *more):
                    if row["at"] is not None:
                        pieces[row["series_id"]].append((segments[row["number"] - 1][1].start_us, row))
        return {series_id: _joined(pieces.get(series_id, ()), steps_us[series_id]) for series_id in plans}


_Placed = tuple[int, Segment]


def _by_resolution(plans: Mapping[int, Collection[Segment]]) -> dict[Resolution, list[_Placed]]:
    found: dict[Resolution, list[_Placed]] = defaultdict(list)
    for series_id, segments in plans.items():
        for segment in segments:
            found[segment.resolution].append((series_id, segment))
    return found


def _arguments(segments: Sequence[_Placed]) -> list[Any]:
    lows = [moment(segment.start_us) for _, segment in segments]
    highs = [moment(segment.end_us) for _, segment in segments]
    return [[series_id for series_id, _ in segments], lows, highs, min(lows), max(highs)]


def _slot(slots: Slots) -> tuple[str, list[Any]]:
    """Return an expression for a moment within the slot of `at`, and its arguments from $6 on."""
    if slots.step_us is not None:
        step = _interval(slots.step_us)
        return "date_bin($6::interval, at, $7::timestamptz)", [step, moment(slots.edges[0])]
    return "($6::timestamptz[])[width_bucket(at, $6::timestamptz[])]", [[moment(edge) for edge in slots.edges]]


def _interval(length_us: int) -> timedelta:
    return timedelta(microseconds=length_us)


def _parts_statement(resolution: Resolution, slot: str, aggregates: Sequence[Aggregate], *, is_text: bool) -> str:
    needed = {_COLUMNS[aggregate] for aggregate in aggregates if aggregate in _COLUMNS}
    has_ends = not ENDS.isdisjoint(aggregates)
    if resolution is not Resolution.RAW:
        columns = "".join(f", {rolled} as {name}" for name, _, rolled in sorted(needed))
        columns += _ENDS_OF_ROLLUPS if has_ends else ""
        return _ROLLUP_PARTS.format(resolution=resolution, slot=slot, columns=columns)
    x = "d.text" if is_text else _NUMBER
    columns = "".join(f", {raw} as {name}" for name, raw, _ in sorted(needed))
    ends = "".join(
        _RAW_END.format(x=x, name=name, direction=direction) for name, direction in (("first", "asc"), ("last", "desc"))
    )
    return _RAW_PARTS.format(
        slot=slot,
        x=x,
        columns=columns + (_ENDS_OF_ROWS if has_ends else ""),
        end_columns=", first.x as first, last.x as last" if has_ends else "",
        ends=ends if has_ends else "",
    )


def _part(row: asyncpg.Record) -> Part:
    first_at: datetime | None = row.get("first_at")
    last_at: datetime | None = row.get("last_at")
    return Part(
        row["rows"],
        row["n"],
        row.get("total"),
        row.get("low"),
        row.get("high"),
        None if first_at is None else microseconds(first_at),
        row.get("first"),
        None if last_at is None else microseconds(last_at),
        row.get("last"),
        row.get("median"),
    )


def _extremes_statement(resolution: Resolution, step_us: int) -> tuple[str, list[Any]]:
    if resolution is not Resolution.RAW:
        return _ROLLUP_EXTREMES.format(resolution=resolution), []
    return (_STEPPED_EXTREMES, [_interval(step_us)]) if step_us else (_RAW_EXTREMES, [])


def _joined(pieces: Collection[tuple[int, asyncpg.Record]], step_us: int) -> Extremes:
    at: list[float] = []
    low: list[float] = []
    high: list[float] = []
    for _, row in sorted(pieces, key=lambda piece: piece[0]):
        at += row["at"]
        low += row["low"]
        high += row["high"]
    return Extremes(at, low, high, step_us)
