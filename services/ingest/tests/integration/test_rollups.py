"""Minutes and hours say what the readings say: whatever comes in whatever order, however often, and after retention."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulse_chassis.database import asyncpg_pool
from pulse_contracts.ids import ClientId
from pulse_ingest.domain.batch import Batch, Message
from pulse_ingest.domain.reading import PlainReading, Run
from pulse_ingest.storage.postgres_reading_store import PostgresReadingStore
from pulse_ingest.storage.retention_sweep import RetentionSweep
from pulse_ingest.storage.rollup_partitions import RollupPartitions
from pulse_ingest.storage.rollups import Rollups

MINUTE = 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
numbers = itertools.count(1)
GOING_ON = asyncio.Event()


@pytest.fixture
async def pool(world: Any) -> AsyncIterator[Any]:
    pool = await asyncpg_pool(world.urls["pulse_ingest"], application_name="test", min_size=0, max_size=4)
    await RollupPartitions(pool).tend(datetime.now(UTC))
    yield pool
    pool.terminate()


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


Reading = tuple[int, int, Any]
"""recorded_at in microseconds, sequence, value: everything that a brute-force computation needs."""


def brute_force(readings: list[Reading], unit_us: int) -> dict[datetime, tuple[Any, ...]]:
    buckets: dict[int, list[Reading]] = defaultdict(list)
    for reading in sorted(readings, key=lambda reading: reading[:2]):
        buckets[reading[0] // unit_us * unit_us].append(reading)
    return {EPOCH + timedelta(microseconds=start): _row(inside) for start, inside in buckets.items()}


def _row(readings: list[Reading]) -> tuple[Any, ...]:
    values = [(at, float(value)) for at, _, value in readings if not isinstance(value, str)]
    texts = [(at, value) for at, _, value in readings if isinstance(value, str)]
    plain = [value for _, value in values]
    moments = [EPOCH + timedelta(microseconds=at) for at, _ in (values[:1] + values[-1:] + texts[-1:])]
    return (
        len(readings), len(values), math.fsum(plain) if plain else None, min(plain, default=None),
        max(plain, default=None), moments[0] if plain else None, plain[0] if plain else None,
        moments[1] if plain else None, plain[-1] if plain else None,
        moments[-1] if texts else None, texts[-1][1] if texts else None,
    )  # fmt: skip


_KEPT = "select * from telemetry.{unit}_rollup where series_id = $1"
_DIRTY = "select distinct bucket from telemetry.{unit}_dirty where series_id = $1"


async def read(pool: Any, unit: str, series: int) -> tuple[dict[datetime, tuple[Any, ...]], set[datetime]]:
    """Return the rows and the dirty buckets, of one snapshot."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(_KEPT.format(unit=unit), series)
        dirty = await connection.fetch(_DIRTY.format(unit=unit), series)
    return {row["bucket"]: tuple(row)[2:] for row in rows}, {row["bucket"] for row in dirty}


async def check(pool: Any, series: int, readings: list[Reading], *, settled_before: datetime | None = None) -> None:
    """Compare every bucket that claims to be exact; up to `settled_before` all must."""
    for unit, unit_us in (("minute", MINUTE), ("hour", 60 * MINUTE)):
        kept, dirty = await read(pool, unit, series)
        wanted = brute_force(readings, unit_us)
        exact = {bucket: row for bucket, row in wanted.items() if bucket not in dirty}
        assert {bucket for bucket in kept if bucket not in dirty} == exact.keys()
        for bucket, row in exact.items():
            assert kept[bucket][:2] + kept[bucket][3:] == row[:2] + row[3:], (unit, bucket)
            # A double's sum depends on the order of its parts: each addition is off by half a unit at most.
            assert (kept[bucket][2] is None) == (row[2] is None)
            assert abs((kept[bucket][2] or 0.0) - (row[2] or 0.0)) <= 1e-15 * row[0] * row[0] * 1e9, (unit, bucket)
        if settled_before is not None:
            end = timedelta(microseconds=unit_us)
            assert not [bucket for bucket in dirty if bucket + end <= settled_before]


@dataclass
class Source:
    """One series that is written through the store, and what was written."""

    pool: Any
    client: ClientId = field(default_factory=lambda: ClientId(f"rollups-{next(numbers)}"))
    readings: dict[tuple[int, int], Reading] = field(default_factory=dict)
    rows: list[tuple[int, Any]] = field(default_factory=list)

    async def begin(self) -> None:
        await self.pool.execute("insert into telemetry.stream (client_id, epoch) values ($1, 1)", self.client)

    async def series(self) -> int:
        return int(await self.pool.fetchval("select id from telemetry.series where client_id = $1", self.client))

    async def floor(self) -> datetime | None:
        statement = "select raw_from from telemetry.series_kept k join telemetry.series s on s.id = k.series_id "
        return await self.pool.fetchval(statement + "where s.client_id = $1", self.client)  # type: ignore[no-any-return]

    async def store(self, store: PostgresReadingStore, first: int, count: int) -> None:
        """Store rows of the outbox, again or for the first time."""
        part = [(at, {"m": value}) for at, value in self.rows[first : first + count]]
        await store.store(Batch.of([self._message(Run(1, [(first + 1, part)]))]))
        for sequence, (at, value) in enumerate(self.rows[first : first + count], first + 1):
            self.readings.setdefault((sequence, 0), (at, sequence, value))

    async def store_plain(self, store: PostgresReadingStore, sequence: int, at: int, value: Any) -> None:
        await store.store(Batch.of([self._message(PlainReading(sequence, at, {"m": value}))]))
        self.readings.setdefault((sequence, at), (at, sequence, value))

    def _message(self, content: Any) -> Message:
        return Message(self.client, "t", "buffer", b"", time.time_ns() // 1000, None, content)

    @property
    def truth(self) -> list[Reading]:
        return list(self.readings.values())


_RULE = """
insert into telemetry.retention_rule (device_id, raw_days, minute_days, hour_days) values ($1, $2, $3, $4)
on conflict (device_id, metric) do update set
    raw_days = excluded.raw_days, minute_days = excluded.minute_days, hour_days = excluded.hour_days
"""


async def keep_raw(
    pool: Any, device_id: str | None, raw: int, minute: int | None = None, hour: int | None = None
) -> None:
    await pool.execute(_RULE, device_id, raw, minute, hour)


async def sweep(pool: Any, now: datetime | None = None) -> dict[str, Any]:
    """Let retention work until it has nothing left to do, roll-ups in between as in life."""
    removed: dict[str, Any] = {"readings": 0, "minutes": 0, "hours": 0, "partitions": []}
    while True:
        await Rollups(pool, rest=0.0).advance(GOING_ON)
        done = await RetentionSweep(pool, rest=0.0).step(now or datetime.now(UTC))
        for kind, count in done.rows.items():
            removed[kind] += count
        removed["partitions"] += done.partitions
        if done.is_empty and not done.is_behind:
            return removed


value = st.one_of(
    st.floats(-1e9, 1e9), st.integers(-1000, 1000).map(float), st.booleans(), st.sampled_from(["on", "off", ""])
)
# Few minutes of few days, so that late readings meet a minute whose readings have gone.
old = st.tuples(st.sampled_from([2, 10, 30]), st.integers(0, 90)).map(lambda when: when[0] * 86_400 + when[1])
age = st.one_of(st.integers(-120, 240), st.integers(0, 3 * 3600), old)
rows = st.lists(st.tuples(age, value), min_size=1, max_size=25)
step = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 24), st.integers(1, 12)),
    st.tuples(st.just("plain"), st.integers(0, 3), st.tuples(age, value)),
    st.tuples(st.just("round"), st.none(), st.none()),
    st.tuples(st.just("retention"), st.sampled_from([1, 5, 20]), st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, steps=st.lists(step, min_size=1, max_size=12))
async def test_rollups_equal_a_brute_force_computation(pool: Any, rows: Any, steps: Any) -> None:
    now = time.time_ns() // 1000
    # Each has a microsecond of its own: where one of two has gone, the later arrival is the last.
    source = Source(pool, rows=[(now - ago * 1_000_000 + number, value) for number, (ago, value) in enumerate(rows)])
    await source.begin()
    both = [PostgresReadingStore(pool, max_series_per_client=10) for _ in range(2)]
    stores = itertools.cycle(both)
    keepers = itertools.cycle([Rollups(pool, rest=0.0) for _ in range(2)])
    try:
        await source.store(next(stores), 0, 1)
        series = await source.series()
        for kind, first, more in steps:
            if kind == "retention":
                # The rule stays: what comes later and is older is folded in, plain readings excepted.
                await keep_raw(pool, source.client, first)
                await sweep(pool)
            elif kind == "round":
                await next(keepers).advance(GOING_ON)
            elif kind == "plain":
                at = now - more[0] * 1_000_000 - 100
                floor = await source.floor()
                if floor is None or at >= us(floor):
                    await source.store_plain(next(stores), 1_000_000 + first, at, more[1])
            elif rows[first : first + more]:
                await source.store(next(stores), first, more)
            await check(pool, series, source.truth)
        # In the end all that is old goes, and what was never sent comes late.
        await keep_raw(pool, source.client, 1)
        await sweep(pool)
        await source.store(next(stores), 0, len(rows))
        await next(keepers).advance(GOING_ON)
        await check(pool, series, source.truth, settled_before=datetime.now(UTC) - timedelta(minutes=2))
    finally:
        for store in both:
            await store.close()


async def test_reading_that_is_being_committed_keeps_its_minute_dirty(pool: Any, eventually: Any) -> None:
    source = Source(pool, rows=[(time.time_ns() // 1000 - n * MINUTE, 1.0) for n in (9, 8, 9)])
    await source.begin()
    store = PostgresReadingStore(pool, max_series_per_client=10)
    await source.store(store, 0, 2)
    series = await source.series()
    async with pool.acquire() as slow:
        # A writer that has joined the generation and stored a reading, but not committed.
        writing = slow.transaction()
        await writing.start()
        await slow.execute("select telemetry.rollup_enter()")
        at = EPOCH + timedelta(microseconds=source.rows[2][0] + 5)
        await slow.execute(
            "insert into telemetry.sample (recorded_at, received_at, seq, value, series_id, epoch, suspect) "
            "values ($1, now(), 99, 7.0, $2, 1, false)", at, series,
        )  # fmt: skip
        rolling = asyncio.create_task(Rollups(pool, rest=0.0).advance(GOING_ON))
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"

        async def is_waiting() -> bool:
            return bool(await pool.fetchval(waits))

        await eventually(is_waiting, what="the round waits for the writer")
        _, dirty = await read(pool, "minute", series)
        assert len(dirty) == 2
        await writing.commit()
    await rolling
    source.readings[99, 0] = (source.rows[2][0] + 5, 99, 7.0)
    await check(pool, series, source.truth, settled_before=datetime.now(UTC) - timedelta(minutes=2))
    await store.close()


async def test_minutes_are_marked_once_while_nobody_takes_the_marks(pool: Any) -> None:
    source = Source(pool, rows=[(time.time_ns() // 1000 + n, float(n)) for n in range(50)])
    await source.begin()
    store = PostgresReadingStore(pool, max_series_per_client=10)
    for number in range(50):
        await source.store(store, number, 1)
    series = await source.series()
    assert await pool.fetchval("select count(*) from telemetry.rollup_mark where series_id = $1", series) <= 2
    await store.close()


async def test_minute_whose_marks_may_have_been_taken_is_marked_again(pool: Any) -> None:
    ahead = time.time_ns() // 1000 + 20 * MINUTE
    source = Source(pool, rows=[(ahead // MINUTE * MINUTE + n, float(n)) for n in range(2)])
    await source.begin()
    store = PostgresReadingStore(pool, max_series_per_client=10)
    await source.store(store, 0, 1)
    # Rounds that this store did not see: the first took the mark of a clock that is ahead, then time went on.
    await pool.execute("delete from telemetry.rollup_mark where series_id = $1", await source.series())
    await pool.execute(
        "update telemetry.rollup_state set generation = generation + 5, settled = generation + 4, "
        "closed_before = closed_before + interval '10 minutes'"
    )
    await source.store(store, 1, 1)
    marks = "select count(*) from telemetry.rollup_mark where series_id = $1"
    assert await pool.fetchval(marks, await source.series()) == 1
    await store.close()


async def test_whole_days_go_when_all_series_have_expired(pool: Any) -> None:
    from pulse_ingest.storage.partitions import Partitions

    now = time.time_ns() // 1000
    await Partitions(pool, records_kept=timedelta(days=400), ahead_days=1, behind_days=7).tend(datetime.now(UTC))
    day = 24 * 60 * MINUTE
    one, other = (Source(pool, rows=[(now - ago * day, float(ago)) for ago in (20, 6, 5, 4, 1, 0)]) for _ in range(2))
    store = PostgresReadingStore(pool, max_series_per_client=10)
    for source in (one, other):
        await source.begin()
        await source.store(store, 0, 6)
    await keep_raw(pool, None, 3)
    await keep_raw(pool, other.client, 5)
    removed = await sweep(pool)
    assert len(removed["partitions"]) == 2, "the seventh and sixth day before today"
    assert removed["readings"] == 4, "one of each that nobody's partition held, and two of the shorter kept"
    left = "select count(*) from telemetry.sample where series_id = $1"
    assert await pool.fetchval(left, await one.series()) == 2
    assert await pool.fetchval(left, await other.series()) == 4
    for source in (one, other):
        await source.store(store, 0, 6)  # sent again: the ledger knows
        await check(pool, await source.series(), source.truth, settled_before=datetime.now(UTC) - timedelta(hours=2))
    assert (await sweep(pool))["readings"] == 0
    await store.close()


async def test_minutes_and_hours_go_by_their_own_days_and_late_readings_count_where_something_is_left(
    pool: Any,
) -> None:
    now = time.time_ns() // 1000
    day = 24 * 60 * MINUTE
    source = Source(pool, rows=[(now - ago * day + n, float(n)) for ago in (50, 30, 10) for n in range(3)])
    await source.begin()
    store = PostgresReadingStore(pool, max_series_per_client=10)
    await source.store(store, 0, 2)
    await source.store(store, 3, 2)
    await source.store(store, 6, 2)
    await keep_raw(pool, source.client, 5, 20, 40)
    removed = await sweep(pool)
    assert (removed["readings"], removed["minutes"], removed["hours"]) == (6, 2, 1)
    for late in (2, 5, 8):
        await source.store(store, late, 1)
    await sweep(pool)
    series = await source.series()
    assert await pool.fetchval("select count(*) from telemetry.sample where series_id = $1", series) == 0
    counts = "select array_agg(row_count order by bucket) from telemetry.{unit}_rollup where series_id = $1"
    assert await pool.fetchval(counts.format(unit="minute"), series) == [3]
    assert await pool.fetchval(counts.format(unit="hour"), series) == [3, 3]
    await store.close()


async def test_a_large_series_is_removed_in_pieces(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pulse_ingest.storage import retention_sweep

    monkeypatch.setattr(retention_sweep, "PIECE_ROWS", 100)
    now = time.time_ns() // 1000
    source = Source(pool, rows=[(now - 10 * 24 * 60 * MINUTE + n * 1_000_000, float(n)) for n in range(900)])
    await source.begin()
    store = PostgresReadingStore(pool, max_series_per_client=10)
    await source.store(store, 0, 900)
    await keep_raw(pool, source.client, 5)
    assert (await sweep(pool))["readings"] == 900
    await check(pool, await source.series(), source.truth, settled_before=datetime.now(UTC) - timedelta(hours=2))
    await store.close()
