"""A table full of readings, made in the database itself: a month of series that ingest would have written by now.

Each day becomes a partition as ingest makes them: filled first, in order of time as readings arrive, then indexed, then
attached. Minutes and hours are computed by SQL of the same meaning as ingest's (services/ingest: `storage/rollups`); the
benchmark compares both with the readings before it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, register, sign_in

DAYS: Final = 30
_DAY_SECONDS: Final = 86_400
_BEHIND: Final = timedelta(days=38)
"""The month begins so long ago: before the days for which ingest has made partitions by itself."""
_AT_ONCE: Final = 2
METRICS: Final = 3

_SERIES: Final = """
insert into telemetry.series (client_id, metric_key)
select d, 'metric_' || m from unnest($1::text[]) d, generate_series(1, $2) m order by 1, 2
on conflict do nothing
"""
_FILL: Final = """
insert into telemetry.{table} (recorded_at, received_at, seq, value, series_id, epoch, suspect)
select at, at, n, 20 + (n * 7919 + s.id * 31) % 10007 / 1000.0, s.id, 1, false
from (select n, timestamptz '{day}' + n * interval '{step} seconds' as at from generate_series(0, {readings} - 1) n) as t
cross join telemetry.series s where s.client_id like 'bench-%'
"""
_INDEX: Final = "create unique index on telemetry.{table} (series_id, recorded_at, seq)"
_ATTACH: Final = """
alter table telemetry.{table} add constraint within check (
    recorded_at is not null and recorded_at >= '{day}' and recorded_at < '{after}');
alter table telemetry.sample attach partition telemetry.{table} for values from ('{day}') to ('{after}');
alter table telemetry.{table} drop constraint within;
"""
_MINUTES: Final = """
insert into telemetry.rollup_minute (series_id, bucket, row_count, value_count, value_sum, value_min, value_max,
                                     first_at, first_value, last_at, last_value)
select m.series_id, m.bucket, m.rows, m.rows, m.total, m.low, m.high, m.first_at, f.value, m.last_at, l.value
from (
    select series_id, date_trunc('minute', recorded_at, 'UTC') as bucket, count(*) as rows, sum(value) as total,
           min(value) as low, max(value) as high, min(recorded_at) as first_at, max(recorded_at) as last_at
    from telemetry.{table} group by 1, 2
) as m
join telemetry.{table} f on f.series_id = m.series_id and f.recorded_at = m.first_at
join telemetry.{table} l on l.series_id = m.series_id and l.recorded_at = m.last_at
order by m.bucket, m.series_id
"""
_HOURS: Final = """
insert into telemetry.rollup_hour (series_id, bucket, row_count, value_count, value_sum, value_min, value_max,
                                   first_at, first_value, last_at, last_value)
select series_id, date_trunc('hour', bucket, 'UTC'), sum(row_count), sum(value_count), sum(value_sum order by bucket),
       min(value_min), max(value_max), min(first_at), (array_agg(first_value order by bucket))[1],
       max(last_at), (array_agg(last_value order by bucket desc))[1]
from telemetry.rollup_minute where bucket >= '{day}' and bucket < '{after}' group by 1, 2 order by 2, 1
"""
_MONTH: Final = """
create table if not exists telemetry.rollup_minute_{month:%Y%m} partition of telemetry.rollup_minute
for values from ('{month:%Y-%m-%d}') to ('{after:%Y-%m-%d}')
"""
_LATEST: Final = """
insert into telemetry.latest (series_id, seq, order_at, recorded_at, received_at, value, suspect)
select s.id, 0, $1, $1, $1, 20, false from telemetry.series s on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What there is: series of `devices` with `METRICS` metrics each, from `start` to `end`, one reading every `step_s`."""

    devices: tuple[str, ...]
    series: int
    rows: int
    step_s: float
    start: datetime
    end: datetime


def plan_dataset(rows: int, today: date) -> Dataset:
    """Return a month of about so many rows: series at 1 Hz, or fewer readings of one device."""
    devices = max(1, round(rows / (DAYS * _DAY_SECONDS * METRICS)))
    whole = DAYS * _DAY_SECONDS * METRICS
    readings = _DAY_SECONDS if rows >= whole else max(1, rows // (DAYS * METRICS))
    start = datetime.combine(today - _BEHIND, datetime.min.time(), UTC)
    return Dataset(
        devices=tuple(f"bench-{n:03}" for n in range(1, devices + 1)),
        series=devices * METRICS,
        rows=DAYS * devices * METRICS * readings,
        step_s=_DAY_SECONDS / readings,
        start=start,
        end=start + timedelta(days=DAYS),
    )


async def fill(stack: Stack, dataset: Dataset, progress: Callable[[str], None]) -> None:
    """Make the dataset, two days at a time. Raises BenchError."""
    async with sign_in(stack) as session:
        for first in range(0, len(dataset.devices), 100):
            await register(session, list(dataset.devices[first : first + 100]))
    started = time.perf_counter()

    def tell(done: str) -> None:
        progress(f"{time.perf_counter() - started:,.0f} s: {done}")

    try:
        owner = await _connect(stack)
        await owner.execute(_SERIES, list(dataset.devices), METRICS)
        await owner.execute(_LATEST, dataset.start)
        # Before ingest makes them, which it does when many rows are in the default partition: while we insert.
        for month in {dataset.start.replace(day=1), (dataset.end - timedelta(days=1)).replace(day=1)}:
            after = (month + timedelta(days=31)).replace(day=1)
            await owner.execute(_MONTH.format(month=month, after=after))
        days = iter([dataset.start + timedelta(days=n) for n in range(DAYS)])
        await asyncio.gather(*(_fill_days(stack, dataset, days, tell) for _ in range(_AT_ONCE)))
        tell("vacuum and analyze")
        for table in ("rollup_minute", "rollup_hour", "series", "latest"):
            await owner.execute(f"vacuum (analyze) telemetry.{table}")
        await owner.execute("analyze telemetry.sample")
        await owner.close()
    except (asyncpg.PostgresError, OSError) as error:
        raise BenchError(f"the data could not be made: {error}") from error


async def fill_today(stack: Stack, dataset: Dataset, today: date, progress: Callable[[str], None]) -> None:
    """Put one more day of the same series into today's partition, which ingest has made and writes to. Raises BenchError.

    It is vacuumed at once, so that autovacuum does not come for it while costs are read.
    """
    started = time.perf_counter()
    day = datetime.combine(today, datetime.min.time(), UTC)
    names = _names(dataset, day)
    try:
        owner = await _connect(stack)
        for statement in (_FILL, "vacuum (freeze, analyze) telemetry.{table}"):
            await owner.execute(statement.format(**names))
        await owner.close()
    except (asyncpg.PostgresError, OSError) as error:
        raise BenchError(f"today's data could not be made: {error}") from error
    progress(f"{time.perf_counter() - started:,.0f} s: today: {names['readings'] * dataset.series:,} readings")


def _names(dataset: Dataset, day: datetime) -> dict[str, Any]:
    return {
        "table": f"sample_day_{day:%Y%m%d}",
        "day": day.isoformat(),
        "after": (day + timedelta(days=1)).isoformat(),
        "step": f"{dataset.step_s:.6f}",
        "readings": round(_DAY_SECONDS / dataset.step_s),
    }


async def _connect(stack: Stack) -> asyncpg.Connection[asyncpg.Record]:
    connection = await asyncpg.connect(stack.database_url, command_timeout=None)
    await connection.execute(
        "set role pulse_ingest; set jit = off; set work_mem = '256MB'; set synchronous_commit = off"
    )
    await connection.execute("set maintenance_work_mem = '512MB'; set max_parallel_workers_per_gather = 0")
    return connection


async def _fill_days(stack: Stack, dataset: Dataset, days: Iterator[datetime], progress: Callable[[str], None]) -> None:
    connection = await _connect(stack)
    for day in days:
        names = _names(dataset, day)
        await connection.execute("create table telemetry.{table} (like telemetry.sample)".format(**names))
        for statement in (_FILL, _INDEX):
            await connection.execute(statement.format(**names))
        await connection.execute("vacuum (freeze, analyze) telemetry.{table}".format(**names))
        await connection.execute(_ATTACH.format(**names))
        for statement in (_MINUTES, _HOURS):
            await connection.execute(statement.format(**names))
        progress(f"{day:%Y-%m-%d}: {names['readings'] * dataset.series:,} readings")
    await connection.close()
