"""PostgreSQL's ledger does what `domain.ledger` says, whatever comes in whatever order."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulse_chassis.database import asyncpg_pool
from pulse_contracts.ids import ClientId
from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.batch import Batch, Message
from pulse_ingest.domain.ledger import Ledger
from pulse_ingest.domain.ranges import Ranges
from pulse_ingest.domain.reading import Content, Losses, RefusedRow, Run
from pulse_ingest.storage.partitions import Partitions
from pulse_ingest.storage.postgres_reading_store import PostgresReadingStore
from pulse_ingest.storage.retention_sweep import RetentionSweep
from pulse_ingest.storage.rollups import Rollups

REFUSAL = Refusal(RejectionCode.BAD_VALUE, "bad")
AT = time.time_ns() // 1000
YEAR = timedelta(days=365)
numbers = itertools.count(1)


@pytest.fixture
async def pool(world: Any) -> AsyncIterator[Any]:
    pool = await asyncpg_pool(world.urls["pulse_ingest"], application_name="test", min_size=0, max_size=4)
    yield pool
    pool.terminate()


span = st.tuples(st.integers(1, 40), st.integers(0, 6))
step = st.tuples(st.lists(span, max_size=3), st.lists(st.integers(1, 45), max_size=2), st.lists(span, max_size=1))


def contents(runs: list[tuple[int, int]], refused: list[int], lost: list[tuple[int, int]]) -> list[Content]:
    made: list[Content] = []
    for first, more in runs:
        made.append(Run(1, [(first, [(AT + number, {"a": number}) for number in range(first, first + more + 1)])]))
    for sequence in refused:
        made.append(Run(1, [], [RefusedRow(sequence, REFUSAL, b"x")]))
    for low, more in lost:
        made.append(Losses(1, [(low, low + more, "quota")]))
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(origin=st.integers(0, 5), steps=st.lists(step, min_size=1, max_size=5))
async def test_ledger_of_the_database_is_the_ledger_of_the_domain(pool: Any, origin: int, steps: list[Any]) -> None:
    client = ClientId(f"client-{next(numbers)}")
    await pool.execute("insert into telemetry.stream (client_id, epoch, origin) values ($1, 1, $2)", client, origin)
    store = PostgresReadingStore(pool, max_series_per_client=10)
    ledger = Ledger(origin)
    cum = 0
    for made in steps:
        batch = Batch.of([Message(client, "t", "buffer", b"", AT, None, content) for content in contents(*made)])
        stored = await store.store(batch)
        claim = batch.claims.get((client, 1))
        if claim is None:
            continue
        fresh = claim.received - ledger.known
        ledger = ledger.extend(claim.received, claim.rejected_spans(), claim.lost_spans())
        outcome = stored.outcomes[client, 1]
        cum = outcome.cum
        told = [first + place for first, rows, _ in outcome.fresh for place in range(len(rows))]
        assert Ranges.from_any((number, number) for number in told) == fresh
    await store.close()

    report = await pool.fetchrow("select * from telemetry.completeness where client_id = $1", client)
    in_table = await pool.fetch("select sequence_no from telemetry_data where client_id = $1", client)
    assert sorted(row[0] for row in in_table) == [
        number for low, high in ledger.received for number in range(low, high + 1)
    ]
    assert report["cum"] == ledger.cum
    assert cum in {0, ledger.cum}
    assert report["highest"] == ledger.highest
    assert report["received"] == ledger.received.count
    assert report["rejected"] == ledger.rejected.count
    assert report["missing"] == ledger.missing.count
    assert report["lost"] == ledger.lost_for_good.count
    assert report["is_complete"] == (not ledger.missing)


async def test_reading_that_comes_after_its_partition_was_dropped_is_acked_and_not_stored_again(pool: Any) -> None:
    client = ClientId("D")
    await pool.execute("insert into telemetry.stream (client_id, epoch) values ($1, 1)", client)
    store = PostgresReadingStore(pool, max_series_per_client=10)
    old = AT - 5 * 86_400_000_000
    batch = Batch.of([Message(client, "t", "buffer", b"", AT, None, Run(1, [(1, [(old, {"a": 1})])]))])
    await store.store(batch)
    await Partitions(pool, records_kept=YEAR, ahead_days=1, behind_days=7).tend(datetime.now(UTC))
    await pool.execute("insert into telemetry.retention_rule (raw_days) values (2)")
    await Rollups(pool, rest=0.0).advance(asyncio.Event())
    done = await RetentionSweep(pool, rest=0.0).step(datetime.now(UTC))
    assert len(done.partitions) == 5
    assert await pool.fetchval("select count(*) from telemetry.sample") == 0

    stored = await store.store(batch)

    assert stored.outcomes[client, 1].cum == 1
    assert stored.samples == 0
    assert await pool.fetchval("select count(*) from telemetry.sample") == 0
    await store.close()


async def test_a_clock_that_is_years_ahead_deletes_nothing(pool: Any) -> None:
    client = ClientId("D")
    await pool.execute("insert into telemetry.stream (client_id, epoch) values ($1, 1)", client)
    store = PostgresReadingStore(pool, max_series_per_client=10)
    us = int(datetime.now(UTC).timestamp() * 1_000_000)
    await store.store(Batch.of([Message(client, "t", "buffer", b"", us, None, Run(1, [(1, [(us, {"a": 1})])]))]))
    await store.close()
    keeper = Partitions(pool, records_kept=YEAR, ahead_days=1, behind_days=1)
    await keeper.tend(datetime.now(UTC))
    await pool.execute("insert into telemetry.retention_rule (raw_days) values (2)")
    await pool.execute(
        "insert into telemetry.rejected (client_id, topic, epoch, seq, code, detail, raw, sha256, times, first_at, last_at)"
        " values ('D', 't', 1, 9, 'bad_value', '', '', '', 1, now(), now())"
    )
    await Rollups(pool, rest=0.0).advance(asyncio.Event())

    wrong = datetime.now(UTC) + 10 * YEAR
    swept = await RetentionSweep(pool, rest=0.0).step(wrong)
    tended = await keeper.tend(wrong)

    assert all(name < f"sample_day_{datetime.now(UTC) - timedelta(days=1):%Y%m%d}" for name in swept.partitions)
    assert tended.deleted_rows == 0
    assert await pool.fetchval("select count(*) from telemetry.sample") == 1
    assert await pool.fetchval("select count(*) from telemetry.rejected") == 1


async def test_partition_made_later_takes_its_rows_out_of_the_default_one(pool: Any) -> None:
    client = ClientId("D")
    await pool.execute("insert into telemetry.stream (client_id, epoch) values ($1, 1)", client)
    store = PostgresReadingStore(pool, max_series_per_client=10)
    later = AT + 20 * 86_400_000_000
    rows = [(later, {"a": 1}), (AT, {"a": 2})]
    await store.store(Batch.of([Message(client, "t", "buffer", b"", AT, None, Run(1, [(1, rows)]))]))
    await store.close()
    assert await pool.fetchval("select count(*) from telemetry.sample_default") == 1
    keeper = Partitions(pool, records_kept=YEAR, ahead_days=25, behind_days=1)
    await keeper.tend(datetime.now(UTC))
    assert await pool.fetchval("select count(*) from telemetry.sample_default") == 0
    assert await pool.fetchval("select count(*) from telemetry.sample") == 2
    assert (await keeper.tend(datetime.now(UTC))).created == ()


async def test_default_partition_that_was_lost_is_made_again(pool: Any) -> None:
    await pool.execute("drop table telemetry.sample_default")
    keeper = Partitions(pool, records_kept=YEAR, ahead_days=7, behind_days=7)
    await keeper.tend(datetime.now(UTC))
    assert await pool.fetchval("select to_regclass('telemetry.sample_default') is not null")
