"""Roll-ups in PostgreSQL: minutes computed anew from their readings, hours from their minutes, as their marks ask for.

A writer marks (series, minute) in the transaction of the readings (see `rollup_marks`), under the generation of the day.
A round closes the generation: it raises it, commits, and waits until no transaction that marked under an earlier one is
left. From then on every mark of an earlier generation is there with all its readings, and none of its readings is still
to be committed without a newer mark. A minute is then computed from all of its readings and its marks are taken away, in
one statement: doing that twice, late, or after a crash gives the same row. A bucket without a mark is exact.

Below a series' floor retention has removed the readings. What arrives there afterwards is folded into the minute (or
the hour, where minutes are gone as well) and removed, in one statement, so that it counts once.

A sum is added up in order of time by minutes, and an hour's from its minutes; a value beyond ±1e290 counts as that, so
that no sum overflows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pulse_ingest.storage.partitions import turn_of
from pulse_ingest.storage.rollup_marks import OPEN_MINUTES

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

TURN: Final = "telemetry.rollups"
"""The advisory lock of whoever changes roll-ups, their floors, or readings that they know."""
CLOSING_SECONDS: Final = 5
"""A minute is rolled up so long after its end: most of what comes later comes hours later."""
MOST_MARKS: Final = 20_000
"""Marks of one round, after which retention or another worker may have its turn."""
GOAL_ROWS: Final = 50_000
"""Readings of one statement: some 50 ms of work."""
SMALLEST_STEP: Final = 10
LARGEST_STEP: Final = 2_000
REST: Final = 2.0
"""A round rests twice as long as it works: a third of a core at most, whatever waits."""
_GENERATION_LOCK: Final = 1_382_051_700
"""The same number is in `telemetry.rollup_enter`."""
_LARGEST_SUMMED: Final = "1e290"

_READ_STATE: Final = f"""
select generation, settled,
       greatest(closed_before, date_trunc('minute', now() - interval '{CLOSING_SECONDS} seconds', 'UTC')) as closing
from telemetry.rollup_state
"""  # noqa: S608 -- put together from constants of this file
_IS_DUE: Final = f"(bucket < $1 or bucket >= $1 + interval '{OPEN_MINUTES} minutes')"
_HAS_DUE: Final = f"select exists (select from telemetry.rollup_mark where {_IS_DUE})"  # noqa: S608
_RAISE: Final = "update telemetry.rollup_state set generation = generation + 1, closed_before = $1"
_SETTLE: Final = "update telemetry.rollup_state set settled = $1"
_DUE: Final = f"""
select m.series_id, m.bucket, coalesce(m.bucket < f.raw_from, false) as is_below
from (
    select distinct series_id, bucket from telemetry.rollup_mark
    where generation <= $2 and {_IS_DUE} order by series_id, bucket limit {MOST_MARKS}
) as m left join telemetry.series_floor f on f.series_id = m.series_id
"""  # noqa: S608 -- put together from constants of this file
_SUM: Final = f"sum(greatest(least(x, {_LARGEST_SUMMED}), -{_LARGEST_SUMMED})) filter (where x is not null)"
_VALUE: Final = "coalesce(value, flag::int::float8)"
_REPLACE: Final = """
on conflict (series_id, bucket) do update set
    row_count = excluded.row_count, value_count = excluded.value_count, value_sum = excluded.value_sum,
    value_min = excluded.value_min, value_max = excluded.value_max, first_at = excluded.first_at,
    first_value = excluded.first_value, last_at = excluded.last_at, last_value = excluded.last_value,
    text_at = excluded.text_at, text = excluded.text
"""
_MERGE: Final = """
on conflict (series_id, bucket) do update set
    row_count = r.row_count + excluded.row_count,
    value_count = r.value_count + excluded.value_count,
    value_sum = coalesce(r.value_sum + excluded.value_sum, r.value_sum, excluded.value_sum),
    value_min = least(r.value_min, excluded.value_min),
    value_max = greatest(r.value_max, excluded.value_max),
    first_value = case when r.first_at is null or excluded.first_at < r.first_at
        then excluded.first_value else r.first_value end,
    first_at = least(r.first_at, excluded.first_at),
    last_value = case when r.last_at is null or excluded.last_at >= r.last_at
        then excluded.last_value else r.last_value end,
    last_at = greatest(r.last_at, excluded.last_at),
    text = case when r.text_at is null or excluded.text_at >= r.text_at then excluded.text else r.text end,
    text_at = greatest(r.text_at, excluded.text_at)
"""
_OF_PARTS: Final = """
    sum(row_count)::bigint as row_count, sum(value_count)::bigint as value_count, sum(value_sum order by bucket),
    min(value_min), max(value_max),
    min(first_at), (array_agg(first_value order by first_at) filter (where first_at is not null))[1],
    max(last_at), (array_agg(last_value order by last_at desc) filter (where last_at is not null))[1],
    max(text_at), (array_agg(text order by text_at desc) filter (where text_at is not null))[1]
"""


def _edge(kind: str, at: str, wanted: str, direction: str) -> str:
    return (
        f"(select {wanted} from telemetry.sample e where e.series_id = p.series_id and e.recorded_at = p.{at} "  # noqa: S608
        f"and {kind} is not null and {{within}} order by seq {direction} limit 1)"
    )


_MINUTES: Final = f"""
with due as materialized (
    select * from unnest($1::int[], $2::timestamptz[]) as d (series_id, bucket)
), parts as materialized (
    select d.series_id, d.bucket, a.* from due d cross join lateral (
        select count(*) as row_count, count(x) as value_count, {_SUM} as value_sum, min(x) as value_min,
               max(x) as value_max, min(recorded_at) filter (where x is not null) as first_at,
               max(recorded_at) filter (where x is not null) as last_at,
               max(recorded_at) filter (where text is not null) as text_at
        from (
            select recorded_at, {_VALUE} as x, text from telemetry.sample e
            where e.series_id = d.series_id and e.recorded_at >= d.bucket
              and e.recorded_at < d.bucket + interval '1 minute' and {{within}}
        ) as readings
    ) as a
), kept as (
    insert into telemetry.rollup_minute
    select p.series_id, p.bucket, p.row_count, p.value_count, p.value_sum, p.value_min, p.value_max, p.first_at,
           case when p.value_min = p.value_max then p.value_min else {_edge(_VALUE, "first_at", _VALUE, "asc")} end,
           p.last_at,
           case when p.value_min = p.value_max then p.value_max else {_edge(_VALUE, "last_at", _VALUE, "desc")} end,
           p.text_at,
           case when p.text_at is not null then {_edge("text", "text_at", "text", "desc")} end
    from parts p where p.row_count > 0
    {_REPLACE}
), hours as (
    insert into telemetry.rollup_hour_mark
    select distinct series_id, date_trunc('hour', bucket, 'UTC') from due on conflict do nothing
), taken as (
    delete from telemetry.rollup_mark m using due d
    where m.series_id = d.series_id and m.bucket = d.bucket and m.generation <= $3
)
select coalesce(sum(row_count), 0)::bigint from parts
"""  # noqa: S608 -- put together from constants of this file
_FOLD: Final = f"""
with due as materialized (
    select d.series_id, d.bucket, f.minute_from, f.hour_from
    from unnest($1::int[], $2::timestamptz[]) as d (series_id, bucket)
    join telemetry.series_floor f on f.series_id = d.series_id
), gone as (
    delete from telemetry.sample s using due d
    where s.series_id = d.series_id and s.recorded_at >= d.bucket
      and s.recorded_at < d.bucket + interval '1 minute' and {{within}}
    returning s.series_id, d.bucket, d.minute_from, d.hour_from, s.recorded_at, s.seq, s.epoch,
              coalesce(s.value, s.flag::int::float8) as x, s.text
), minutes as materialized (
    select series_id, bucket, minute_from, hour_from, count(*) as row_count, count(x) as value_count,
           {_SUM} as value_sum, min(x) as value_min, max(x) as value_max,
           min(recorded_at) filter (where x is not null) as first_at,
           (array_agg(x order by recorded_at, seq) filter (where x is not null))[1] as first_value,
           max(recorded_at) filter (where x is not null) as last_at,
           (array_agg(x order by recorded_at desc, seq desc) filter (where x is not null))[1] as last_value,
           max(recorded_at) filter (where text is not null) as text_at,
           (array_agg(text order by recorded_at desc, seq desc) filter (where text is not null))[1] as text
    from gone where epoch > 0 group by 1, 2, 3, 4
), kept as (
    insert into telemetry.rollup_minute as r
    select series_id, bucket, row_count, value_count, value_sum, value_min, value_max, first_at, first_value, last_at,
           last_value, text_at, text
    from minutes where minute_from is null or bucket >= minute_from
    {_MERGE}
), hours as (
    insert into telemetry.rollup_hour as r
    select series_id, date_trunc('hour', bucket, 'UTC'), {_OF_PARTS}
    from minutes where bucket < minute_from and (hour_from is null or bucket >= hour_from)
    group by 1, 2
    {_MERGE}
), hour_marks as (
    insert into telemetry.rollup_hour_mark
    select distinct series_id, date_trunc('hour', bucket, 'UTC') from due
    where minute_from is null or bucket >= minute_from
    on conflict do nothing
), taken as (
    delete from telemetry.rollup_mark m using due d
    where m.series_id = d.series_id and m.bucket = d.bucket and m.generation <= $3
)
select count(*) from gone
"""  # noqa: S608 -- put together from constants of this file
_DUE_HOURS: Final = f"""
select series_id, bucket from telemetry.rollup_hour_mark
where bucket < date_trunc('hour', $1::timestamptz, 'UTC') or bucket > $1
order by series_id, bucket limit {MOST_MARKS}
"""  # noqa: S608 -- put together from constants of this file
_HOURS: Final = f"""
with due as materialized (
    select * from unnest($1::int[], $2::timestamptz[]) as d (series_id, bucket)
), kept as (
    insert into telemetry.rollup_hour
    select d.series_id, d.bucket, {_OF_PARTS.replace("bucket", "m.bucket")}
    from due d join telemetry.rollup_minute m
        on m.series_id = d.series_id and m.bucket >= d.bucket and m.bucket < d.bucket + interval '1 hour' and {{within}}
    group by 1, 2
    {_REPLACE}
)
delete from telemetry.rollup_hour_mark h using due d where h.series_id = d.series_id and h.bucket = d.bucket
"""  # noqa: S608 -- put together from constants of this file


@dataclass(frozen=True, slots=True)
class RollupRound:
    """What one round did: minutes and hours computed, readings folded, and whether more is waiting."""

    minutes: int = 0
    hours: int = 0
    folded: int = 0
    readings: int = 0
    is_behind: bool = False


@dataclass(frozen=True, slots=True)
class _Bucket:
    series_id: int
    bucket: datetime


class Rollups:
    """Keeps the roll-ups. Safe in several workers at once: one works, the others skip their turn."""

    def __init__(self, pool: Pool, *, rest: float = REST) -> None:
        self._pool = pool
        self._rest = rest
        self._step = 200

    async def advance(self, stop: asyncio.Event) -> RollupRound:
        """Do one round, or what of it is done when `stop` is set. Raises DeferredError."""
        async with turn_of(self._pool, TURN) as connection:
            if connection is None:
                return RollupRound()
            # A mark and its roll-up come and go together, so that neither needs to wait for the disk. A plan is made for
            # the partition as it is now: one that was made while it was nearly empty would read all of it. The pool
            # sets both back.
            await connection.execute("set synchronous_commit = off; set plan_cache_mode = force_custom_plan")
            return await self._advance(connection, stop)

    async def _advance(self, connection: Connection, stop: asyncio.Event) -> RollupRound:
        closed_before, settled = await self._close(connection)
        due = await connection.fetch(_DUE, closed_before, settled)
        readings, folded = 0, 0
        for is_below, statement in ((False, _MINUTES), (True, _FOLD)):
            marks = [_Bucket(row["series_id"], row["bucket"]) for row in due if row["is_below"] is is_below]
            for day, of_day in _by_partition(marks, _day_of):
                sql = statement.format(within=_within("recorded_at", day, day + timedelta(days=1)))
                count = await self._work_off(connection, sql, of_day, settled, stop)
                readings, folded = readings + count, folded + count * is_below
        hours = [_Bucket(*row) for row in await connection.fetch(_DUE_HOURS, closed_before)]
        for month, of_month in _by_partition(hours, _month_of):
            sql = _HOURS.format(within=_within("m.bucket", month, _month_of(month + timedelta(days=31))))
            for start in range(0, len(of_month), LARGEST_STEP):
                await self._paced(connection.execute(sql, *_columns(of_month[start : start + LARGEST_STEP])))
        is_behind = MOST_MARKS in (len(due), len(hours))
        return RollupRound(len(due), len(hours), folded, readings, is_behind)

    async def _close(self, connection: Connection) -> tuple[datetime, int]:
        """Close the generation when something waits for that; return until when, and the last that is closed."""
        generation, settled, closing = await self._state(connection)
        if settled < generation - 1:  # a round before this one gave up waiting
            await self._settle(connection, generation - 1)
        if await connection.fetchval(_HAS_DUE, closing):
            await connection.execute(_RAISE, closing)
            await self._settle(connection, generation)
            settled = generation
        return closing, settled

    async def _state(self, connection: Connection) -> tuple[int, int, datetime]:
        record = await connection.fetchrow(_READ_STATE)
        assert record is not None  # noqa: S101 -- the migration made its only row
        return record["generation"], record["settled"], record["closing"]

    async def _settle(self, connection: Connection, generation: int) -> None:
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '5s'")
            await connection.execute("select pg_advisory_xact_lock($1, $2)", _GENERATION_LOCK, generation)
            await connection.execute(_SETTLE, generation)

    async def _work_off(
        self, connection: Connection, sql: str, marks: Sequence[_Bucket], settled: int, stop: asyncio.Event
    ) -> int:
        total, start = 0, 0
        while start < len(marks) and not stop.is_set():
            step = marks[start : start + self._step]
            start += len(step)
            count: int = await self._paced(connection.fetchval(sql, *_columns(step), settled))
            total += count
            if count > GOAL_ROWS:
                self._step = max(SMALLEST_STEP, self._step // 2)
            elif count < GOAL_ROWS // 2 and len(step) == self._step:
                self._step = min(LARGEST_STEP, self._step * 2)
        return total

    async def _paced(self, work: Any) -> Any:
        began = time.monotonic()
        result = await work
        await asyncio.sleep((time.monotonic() - began) * self._rest)
        return result


def _columns(marks: Sequence[_Bucket]) -> tuple[list[int], list[datetime]]:
    return [mark.series_id for mark in marks], [mark.bucket for mark in marks]


def _by_partition(marks: Iterable[_Bucket], partition_of: Any) -> list[tuple[datetime, list[_Bucket]]]:
    """Group by partition: with its bounds as constants in the statement the others are not even opened."""
    ordered = sorted(marks, key=lambda mark: (partition_of(mark.bucket), mark.series_id, mark.bucket))
    return [(low, list(group)) for low, group in groupby(ordered, key=lambda mark: partition_of(mark.bucket))]


def _day_of(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _month_of(moment: datetime) -> datetime:
    return _day_of(moment).replace(day=1)


def _within(column: str, low: datetime, high: datetime) -> str:
    return f"{column} >= '{low.isoformat()}' and {column} < '{high.isoformat()}'"
