"""What is committed is published, in order, and nothing else; whatever dies in between."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from redis.asyncio import Redis

from pulse_chassis import outbox as outbox_module
from pulse_chassis.database import Database
from pulse_chassis.outbox import OutboxRelay, append, outbox_table
from pulse_chassis.streams import START, StreamReader, connect_redis
from pulse_chassis.tracing import Tracing, traced_request
from pulse_contracts.streams import ACCESS_STREAM, DEVICES_STREAM

Eventually = Callable[..., Awaitable[None]]


class Counted(BaseModel):
    """An event."""

    number: int


TABLE = outbox_table(sa.MetaData(), "identity")


@pytest.fixture
async def db(postgres_database: dict[str, str]) -> AsyncIterator[Database]:
    made = Database(postgres_database["pulse_identity"], pool_size=4, application_name="test", outbox=TABLE)
    async with made.engine.begin() as connection:
        await connection.run_sync(TABLE.create)
    yield made
    await made.dispose()


@pytest.fixture
async def redis(valkey_database: str) -> AsyncIterator[Redis]:
    client = connect_redis(valkey_database)
    yield client
    await client.aclose()


class Running:
    """A relay's worker in a task."""

    def __init__(self, relay: OutboxRelay) -> None:
        self.stop = asyncio.Event()
        self.task = asyncio.ensure_future(relay.worker().run(self.stop))

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(5):
            await self.task


async def _append(db: Database, *numbers: int, stream: str = ACCESS_STREAM) -> None:
    async with db.transaction() as session:
        for number in numbers:
            await append(session, stream, Counted(number=number))


async def _published(redis: Redis, stream: str = ACCESS_STREAM) -> list[int]:
    entries = await StreamReader(redis, stream).read(START, count=100_000)
    return [Counted.model_validate_json(entry).number for _, entry in entries]


async def _left(db: Database) -> int:
    async with db.read() as session:
        return int(await session.scalar(sa.select(sa.func.count()).select_from(TABLE)) or 0)


async def _until_published(redis: Redis, count: int, stream: str = ACCESS_STREAM) -> list[int]:
    async with asyncio.timeout(10):
        while len(published := await _published(redis, stream)) < count:
            await asyncio.sleep(0.005)
    return published


async def test_a_commit_wakes_the_relay_at_once(db: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "POLL_SECONDS", 60.0)
    running = Running(OutboxRelay(db, TABLE, redis))
    for number in range(3):
        await _append(db, number)
        assert await _until_published(redis, number + 1) == list(range(number + 1))
    await running.end()
    assert await _left(db) == 0


async def test_what_is_rolled_back_is_never_published(db: Database, redis: Redis) -> None:
    async def fail() -> None:
        async with db.transaction() as session:
            await append(session, ACCESS_STREAM, Counted(number=13))
            raise KeyError

    running = Running(OutboxRelay(db, TABLE, redis))
    with pytest.raises(KeyError):
        await fail()
    await _append(db, 1)
    await running.end()
    assert await _published(redis) == [1]


async def test_what_another_process_committed_is_found_by_polling(
    db: Database, redis: Redis, postgres_database: dict[str, str]
) -> None:
    running = Running(OutboxRelay(db, TABLE, redis))
    other = Database(postgres_database["pulse_identity"], application_name="other", outbox=TABLE)
    await _append(other, 1)
    assert await _until_published(redis, 1) == [1]
    await running.end()
    await other.dispose()


async def test_order_holds_over_many_batches_and_streams(db: Database, redis: Redis) -> None:
    for start in range(0, 1300, 100):
        await _append(db, *range(start, start + 100))
        await _append(db, start, stream=DEVICES_STREAM)
    running = Running(OutboxRelay(db, TABLE, redis))
    assert await _until_published(redis, 1300) == list(range(1300))
    assert await _until_published(redis, 13, DEVICES_STREAM) == list(range(0, 1300, 100))
    await running.end()
    assert await _left(db) == 0


async def test_nothing_is_lost_or_reordered_while_redis_is_away(db: Database, redis: Redis, valkey_server: Any) -> None:
    running = Running(OutboxRelay(db, TABLE, redis))
    await _append(db, 0)
    await _until_published(redis, 1)
    await asyncio.to_thread(valkey_server.stop)
    try:
        for number in range(1, 6):
            await _append(db, number)
        assert await _left(db) == 5
    finally:
        await asyncio.to_thread(valkey_server.start)
    assert (await _until_published(redis, 5))[-5:] == list(range(1, 6))
    await running.end()
    assert await _left(db) == 0


async def test_of_two_relays_one_works_and_the_order_holds(db: Database, redis: Redis) -> None:
    relays = [Running(OutboxRelay(db, TABLE, redis)) for _ in range(2)]
    for start in range(0, 400, 20):
        await _append(db, *range(start, start + 20))
    assert await _until_published(redis, 400) == list(range(400))
    for relay in relays:
        await relay.end()
    assert await _published(redis) == list(range(400))


async def test_a_crash_between_publishing_and_deleting_publishes_again(db: Database, redis: Redis) -> None:
    """At least once: the row is deleted only after Redis has the entry, never before."""
    await _append(db, 1, 2)
    relay = OutboxRelay(db, TABLE, redis)
    async with db.engine.connect() as blocker:
        await blocker.execute(sa.text("lock table identity.outbox in share mode"))
        dying = asyncio.create_task(relay.publish_pending())
        assert await _until_published(redis, 2) == [1, 2]
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    assert await _left(db) == 2
    assert await relay.publish_pending() == 2
    assert await _published(redis) == [1, 2, 1, 2]
    assert await _left(db) == 0


async def test_asked_to_stop_it_publishes_what_is_committed(db: Database, redis: Redis) -> None:
    relay = OutboxRelay(db, TABLE, redis)
    running = Running(relay)
    await _append(db, *range(700))
    await running.end()
    assert await _published(redis) == list(range(700))


async def test_a_session_without_an_outbox_is_told_so(postgres_database: dict[str, str]) -> None:
    db = Database(postgres_database["pulse_identity"], application_name="test")
    with pytest.raises(RuntimeError, match="outbox="):
        await _append(db, 1)
    await db.dispose()


async def test_a_recorded_trace_goes_with_its_row_to_the_stream_and_no_other_does(db: Database, redis: Redis) -> None:
    told: list[dict[str, Any]] = []
    recorded = Tracing(lambda body: told.append(json.loads(body)), "identity", ratio=1.0)
    unrecorded = Tracing(lambda _body: None, "identity", ratio=0.0)
    await _append(db, 1)
    with traced_request(recorded, None) as span:
        await _append(db, 2, 3)
    with traced_request(unrecorded, None):
        await _append(db, 4)
    async with db.read() as session:
        kept = list(await session.scalars(sa.select(TABLE.c.traceparent).order_by(TABLE.c.id)))
    assert span is not None
    assert kept == [None, span.traceparent, span.traceparent, None]
    assert await OutboxRelay(db, TABLE, redis).publish_pending() == 4
    seen: list[tuple[str, list[str]]] = []
    reader = StreamReader(redis, ACCESS_STREAM, lambda entry_id, traces: seen.append((entry_id, traces)))
    entries = await reader.read(START)
    assert [Counted.model_validate_json(entry).number for _, entry in entries] == [1, 2, 3, 4]
    assert seen == [(entries[1][0], [span.traceparent]), (entries[2][0], [span.traceparent])]
