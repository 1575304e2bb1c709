"""Minutes and hours say what the readings themselves say, whatever order they arrive in and whenever a step is taken."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulse_chassis.database import asyncpg_pool
from pulse_ingest.storage.rollup_partitions import RollupPartitions
from pulse_ingest.storage.rollups import Rollups

NOW = timedelta(0)
numbers = itertools.count(1)
COLUMNS = "row_count, value_count, value_sum, value_min, value_max, first_at, first_value, last_at, last_value"
FROM_READINGS = """
select d.series_id, date_trunc($1, recorded_at, 'UTC') as bucket, count(*) as row_count, count(x) as value_count,
    sum(x) as value_sum, min(x) as value_min, max(x) as value_max,
    min(recorded_at) filter (where x is not null) as first_at,
    (array_agg(x order by recorded_at, seq) filter (where x is not null))[1] as first_value,
    max(recorded_at) filter (where x is not null) as last_at,
    (array_agg(x order by recorded_at desc, seq desc) filter (where x is not null))[1] as last_value
from (select *, coalesce(value, flag::int::float8) as x from telemetry.sample where series_id = any($2::int[])) d
group by 1, 2 order by 1, 2
"""
KEPT = f"select series_id, bucket, {COLUMNS} from telemetry.rollup_%s where series_id = any($1::int[]) order by 1, 2"
INSERT = """
insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, flag, suspect, text)
select * from unnest($1::timestamptz[], $2::timestamptz[], $3::bigint[], $4::float8[], $5::int[], $6::int[],
                     $7::bool[], $8::bool[], $9::text[])
"""


@pytest.fixture
async def pool(world: Any) -> AsyncIterator[Any]:
    pool = await asyncpg_pool(world.urls["pulse_ingest"], application_name="test", min_size=0, max_size=4)
    yield pool
    pool.terminate()


async def _insert(pool: Any, series: int, readings: list[tuple[datetime, Any]], received_at: datetime) -> None:
    rows = [
        (
            at, received_at, next(numbers), value if isinstance(value, float) else None, series, 0,
            value if isinstance(value, bool) else None, False, value if isinstance(value, str) else None,
        )
        for at, value in readings
    ]  # fmt: skip
    await pool.execute(INSERT, *map(list, zip(*rows, strict=True)))


async def _catch_up(rollups: Rollups) -> int:
    readings = 0
    while True:
        step = await rollups.advance()
        readings += step.readings
        if not step.is_behind:
            return readings


async def _check(pool: Any, *series: int) -> None:
    for unit in ("minute", "hour"):
        wanted = await pool.fetch(FROM_READINGS, unit, list(series))
        kept = await pool.fetch(KEPT % unit, list(series))
        assert [tuple(row) for row in kept] == [tuple(row) for row in wanted], unit


value = st.one_of(st.integers(-1000, 1000).map(float), st.booleans(), st.sampled_from(["on", "off"]))
# Readings as (seconds before now, value); each list is one arrival, taken in by a step of its own.
arrivals = st.lists(
    st.lists(st.tuples(st.integers(0, 3 * 3600), value), min_size=1, max_size=12), min_size=1, max_size=4
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=arrivals)
async def test_rollups_equal_the_readings_after_any_arrivals(pool: Any, arrivals: Any) -> None:
    rollups = Rollups(pool, safe_age=NOW)
    now = datetime.now(UTC)
    series = next(numbers) + 1_000_000
    for arrival in arrivals:
        at = datetime.now(UTC)
        # One microsecond apart each, because of two readings of one moment the order of arrival decides.
        readings = [
            (now - timedelta(seconds=ago, microseconds=next(numbers) % 1_000_000), value) for ago, value in arrival
        ]
        await _insert(pool, series, readings, at)
        await _catch_up(rollups)
    await _check(pool, series)


async def test_each_reading_counts_once_however_often_a_step_is_taken(pool: Any) -> None:
    rollups = Rollups(pool, safe_age=NOW)
    start = datetime.now(UTC) - timedelta(minutes=5)
    await _insert(pool, 7, [(start + timedelta(seconds=n), float(n)) for n in range(300)], datetime.now(UTC))
    assert await _catch_up(rollups) == 300
    assert [await _catch_up(rollups) for _ in range(3)] == [0, 0, 0]
    assert await _catch_up(Rollups(pool, safe_age=NOW)) == 0
    await _check(pool, 7)


async def test_a_step_that_is_cut_off_counts_nothing(pool: Any) -> None:
    start = datetime.now(UTC)
    await _insert(pool, 8, [(start, 1.0)], start)

    class CutOffRollups(Rollups):
        async def _redo(self, connection: Any, until: datetime) -> int:
            raise ConnectionError("the process is killed before the commit")

    with pytest.raises(Exception, match="killed"):
        await _catch_up(CutOffRollups(pool, safe_age=NOW))
    assert await _catch_up(Rollups(pool, safe_age=NOW)) == 1
    await _check(pool, 8)


async def test_readings_committed_behind_the_mark_are_made_up_for(world: Any, agent_of: Any, now_us: Any) -> None:
    device = "slow-1"
    await world.add_device(device)
    moment = now_us() - 60_000_000
    async with world.ingest() as ingest, world.client(device) as client:
        agent = agent_of(client, device)
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[moment, {"t": 1.0}]])
        await agent.ack_until(1)
        # As after an outage: what is stored now waited a minute for its database.
        ingest.store._now_us = lambda: now_us() + 60_000_000
        await agent.run(2, [[moment + 1, {"t": 5.0}]])
        await agent.ack_until(2)
    pool = await asyncpg_pool(world.urls["pulse_ingest"], application_name="test", min_size=0, max_size=2)
    series = await world.fetchval("select id from telemetry.series where client_id = $1", device)
    assert await world.fetchval("select count(*) from telemetry.rollup_redo") == 1
    # The mark is past both, although neither was merged: only the minutes that were noted are right again.
    await pool.execute("update telemetry.rollup_state set arrived_until = now()")
    await Rollups(pool, safe_age=NOW).advance()
    await _check(pool, series)
    assert await world.fetchval("select count(*) from telemetry.rollup_redo") == 0
    pool.terminate()


async def test_minutes_find_their_month_and_go_with_it(pool: Any) -> None:
    now = datetime(2026, 3, 15, 12, tzinfo=UTC)
    keeper = RollupPartitions(pool, retention=timedelta(days=40), samples_kept=timedelta(days=20))
    rows = [(datetime(2026, 2, 27, 23, 59, tzinfo=UTC), 1.0), (datetime(2019, 1, 1, tzinfo=UTC), 2.0)]
    await _insert(pool, 9, rows, datetime.now(UTC))
    await _catch_up(Rollups(pool, safe_age=NOW))
    await keeper.tend(now)
    where = "select tableoid::regclass::text from telemetry.rollup_minute where series_id = 9"
    assert [row[0] for row in await pool.fetch(where)] == ["rollup_minute_202602"]
    later = await keeper.tend(now + timedelta(days=90))
    assert "rollup_minute_202602" in later.dropped
    assert await pool.fetch(where) == []


async def test_rollups_keep_up_by_themselves_while_ingest_runs(world: Any, agent_of: Any, eventually: Any) -> None:
    device = "live-1"
    await world.add_device(device)
    async with world.ingest(), world.client(device) as client:
        agent = agent_of(client, device)
        await agent.listen()
        await agent.hello()
        at = time.time_ns() // 1000
        await agent.run(1, [[at, {"t": 1.0}]])
        await agent.ack_until(1)
        before = await world.fetchval("select arrived_until from telemetry.rollup_state")

        async def has_moved() -> bool:
            return bool(await world.fetchval("select arrived_until > $1 from telemetry.rollup_state", before))

        await eventually(has_moved, seconds=30, what="the mark moves on")
