"""Roll-ups in PostgreSQL: what arrived since the last step is merged into its minutes and hours, in one transaction.

A step takes the readings by the time they were received, which a BRIN index finds in the order of the table, and moves
the mark `arrived_until` in the same transaction: each reading counts exactly once, late ones like all others, and ingest
itself writes nothing more than before. Readings that are committed long after they were received (a database that was
away) could fall behind the mark; the store notes their minutes in `rollup_redo`, which are computed anew.

Count, sum, least, greatest, first and last of parts add up to those of the whole, so hours come from minutes. Values
beyond ±1e290 count as ±1e290 in a sum, which could not hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pulse_ingest.storage.postgres_errors import verdicts

if TYPE_CHECKING:
    from pulse_ingest.storage.postgres_link import Connection, Pool

COMMIT_PATIENCE: Final = timedelta(seconds=20)
"""A reading that waited longer than this before its transaction began has its minute noted for `rollup_redo`."""
SAFE_AGE: Final = timedelta(seconds=90)
"""How far behind now a step stays: above the patience, a transaction's 30 s and a clock's error in all."""
SHORTEST_WINDOW: Final = timedelta(seconds=1)
LONGEST_WINDOW: Final = timedelta(hours=6)
GOAL_ROWS: Final = 200_000
"""Readings of one step: about half a second of work, during which nothing else is locked."""
_MOST_REDONE: Final = 5_000
_LOCK_KEY: Final = "telemetry.rollups"
_LARGEST_SUMMED: Final = "1e290"

_READ_STATE: Final = "select arrived_until, now() as now from telemetry.rollup_state"
_MOVE_STATE: Final = "update telemetry.rollup_state set arrived_until = $1"
_AGGREGATES: Final = f"""
    count(*) as row_count, count(x) as value_count,
    sum(greatest(least(x, {_LARGEST_SUMMED}), -{_LARGEST_SUMMED})) filter (where x is not null) as value_sum,
    min(x) as value_min, max(x) as value_max,
    min(recorded_at) filter (where x is not null) as first_at,
    (array_agg(x order by recorded_at, seq) filter (where x is not null))[1] as first_value,
    max(recorded_at) filter (where x is not null) as last_at,
    (array_agg(x order by recorded_at desc, seq desc) filter (where x is not null))[1] as last_value
"""
_OF_PARTS: Final = """
    sum(row_count)::bigint as row_count, sum(value_count)::bigint as value_count, sum(value_sum) as value_sum,
    min(value_min) as value_min, max(value_max) as value_max,
    min(first_at) as first_at,
    (array_agg(first_value order by first_at) filter (where first_at is not null))[1] as first_value,
    max(last_at) as last_at,
    (array_agg(last_value order by last_at desc) filter (where last_at is not null))[1] as last_value
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
    last_at = greatest(r.last_at, excluded.last_at)
"""
_REPLACE: Final = """
on conflict (series_id, bucket) do update set
    row_count = excluded.row_count, value_count = excluded.value_count, value_sum = excluded.value_sum,
    value_min = excluded.value_min, value_max = excluded.value_max, first_at = excluded.first_at,
    first_value = excluded.first_value, last_at = excluded.last_at, last_value = excluded.last_value
"""
_STEP: Final = f"""
with minutes as materialized (
    select series_id, date_trunc('minute', recorded_at, 'UTC') as bucket, {_AGGREGATES}
    from (
        select series_id, recorded_at, seq, coalesce(value, flag::int::float8) as x
        from telemetry.sample where received_at > $1 and received_at <= $2
    ) as arrived
    group by 1, 2
), kept as (
    insert into telemetry.rollup_minute as r select * from minutes order by series_id, bucket {_MERGE}
), hours as (
    insert into telemetry.rollup_hour as r
    select series_id, date_trunc('hour', bucket, 'UTC'), {_OF_PARTS} from minutes group by 1, 2 order by 1, 2 {_MERGE}
)
select coalesce(sum(row_count), 0)::bigint from minutes
"""  # noqa: S608 -- put together from constants of this file
_TAKE_REDO: Final = f"""
delete from telemetry.rollup_redo where (series_id, bucket) in
    (select series_id, bucket from telemetry.rollup_redo order by bucket, series_id limit {_MOST_REDONE})
returning series_id, bucket
"""  # noqa: S608 -- put together from constants of this file
_REDO_MINUTES: Final = f"""
insert into telemetry.rollup_minute as r
select d.series_id, d.bucket, {_AGGREGATES}
from unnest($1::int[], $2::timestamptz[]) as d (series_id, bucket)
join lateral (
    select recorded_at, seq, coalesce(value, flag::int::float8) as x from telemetry.sample s
    where s.series_id = d.series_id and s.recorded_at >= d.bucket and s.recorded_at < d.bucket + interval '1 minute'
      and s.received_at <= $3
) as readings on true
group by 1, 2 order by 1, 2 {_REPLACE}
"""  # noqa: S608 -- put together from constants of this file
_REDO_HOURS: Final = f"""
insert into telemetry.rollup_hour as r
select d.series_id, d.hour, {_OF_PARTS}
from (
    select distinct series_id, date_trunc('hour', bucket, 'UTC') as hour
    from unnest($1::int[], $2::timestamptz[]) as d (series_id, bucket)
) as d
join telemetry.rollup_minute m
    on m.series_id = d.series_id and m.bucket >= d.hour and m.bucket < d.hour + interval '1 hour'
group by 1, 2 order by 1, 2 {_REPLACE}
"""  # noqa: S608 -- put together from constants of this file


@dataclass(frozen=True, slots=True)
class RollupStep:
    """What one step did: readings merged, minutes computed anew, and whether more is waiting."""

    readings: int = 0
    redone: int = 0
    is_behind: bool = False


class Rollups:
    """Keeps the roll-ups. Safe in several workers at once: one works, the others skip their turn."""

    def __init__(self, pool: Pool, *, safe_age: timedelta = SAFE_AGE) -> None:
        self._pool = pool
        self._safe_age = safe_age
        self._window = timedelta(minutes=1)

    async def advance(self) -> RollupStep:
        """Do one step. Raises DeferredError."""
        with verdicts():
            async with self._pool.acquire() as connection, connection.transaction():
                has_turn = "select pg_try_advisory_xact_lock(hashtextextended($1, 0))"
                if not await connection.fetchval(has_turn, _LOCK_KEY):
                    return RollupStep()
                await connection.execute("set local synchronous_commit = off")
                return await self._advance(connection)

    async def _advance(self, connection: Connection) -> RollupStep:
        state = await connection.fetchrow(_READ_STATE)
        assert state is not None  # noqa: S101 -- the migration made its only row
        since: datetime = state["arrived_until"]
        limit: datetime = state["now"] - self._safe_age
        until = min(limit, since + self._window)
        readings = 0
        if until > since:
            readings = await connection.fetchval(_STEP, since, until)
            await connection.execute(_MOVE_STATE, until)
            self._adapt(readings)
        redone = await self._redo(connection, max(since, until))
        return RollupStep(readings, redone, is_behind=until < limit or redone == _MOST_REDONE)

    async def _redo(self, connection: Connection, until: datetime) -> int:
        due: list[Any] = await connection.fetch(_TAKE_REDO)
        if due:
            columns = [record["series_id"] for record in due], [record["bucket"] for record in due]
            await connection.execute(_REDO_MINUTES, *columns, until)
            await connection.execute(_REDO_HOURS, *columns)
        return len(due)

    def _adapt(self, readings: int) -> None:
        """Take more time at once while little arrives, less when much does."""
        if readings < GOAL_ROWS // 2:
            self._window = min(LONGEST_WINDOW, self._window * 2)
        elif readings > GOAL_ROWS:
            self._window = max(SHORTEST_WINDOW, self._window / 2)
