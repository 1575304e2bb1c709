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
from pulse_ingest.domain.acceptance import DeferredError
from pulse_ingest.domain.batch import Batch, Message
from pulse_ingest.domain.reading import PlainReading, Run
from pulse_ingest.storage.postgres_reading_store import PostgresReadingStore
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


value = st.one_of(
    st.floats(-1e9, 1e9), st.integers(-1000, 1000).map(float), st.booleans(), st.sampled_from(["on", "off", ""])
)
age = st.one_of(st.integers(-120, 240), st.integers(0, 3 * 3600), st.integers(0, 40 * 86_400))
rows = st.lists(st.tuples(age, value), min_size=1, max_size=25)
step = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 24), st.integers(1, 12)),
    st.tuples(st.just("plain"), st.integers(0, 3), st.tuples(age, value)),
    st.tuples(st.just("round"), st.none(), st.none()),
)


@settings(max_examples=40, deadline=None,  suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, steps=st.lists(step, min_size=1, max_size=12))
async def test_rollups_equal_a_brute_force_computation(pool: Any, rows: Any, steps: Any) -> None:
    now = time.time_ns() // 1000
    # A sequence of its own microsecond each: of two values of one moment the greater sequence is the last.
    source = Source(pool, rows=[(now - ago * 1_000_000, value) for ago, value in rows])
    await source.begin()
    both = [PostgresReadingStore(pool, max_series_per_client=10) for _ in range(2)]
    stores = itertools.cycle(both)
    keepers = itertools.cycle([Rollups(pool, rest=0.0) for _ in range(2)])
    try:
        await source.store(next(stores), 0, 1)
        series = await source.series()
        for kind, first, more in steps:
            if kind == "round":
                await next(keepers).advance(GOING_ON)
            elif kind == "plain":
                await source.store_plain(next(stores), 1_000_000 + first, now - more[0] * 1_000_000, more[1])
            elif rows[first : first + more]:
                await source.store(next(stores), first, more)
            await check(pool, series, source.truth)
        await next(keepers).advance(GOING_ON)
        await check(pool, series, source.truth, settled_before=datetime.now(UTC) - timedelta(minutes=2))
    finally:
        for store in both:
            await store.close()
