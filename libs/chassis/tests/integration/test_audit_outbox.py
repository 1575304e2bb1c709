"""An audit event stays in the outbox until the audit log has it, whatever Redis loses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from pulse_chassis import outbox as outbox_module
from pulse_chassis.database import Database
from pulse_chassis.outbox import OutboxRelay, append, outbox_table
from pulse_chassis.streams import START, StreamReader, connect_redis
from pulse_contracts.audit import AuditActor, AuditEvent, AuditOutcome, AuditResource
from pulse_contracts.streams import AUDIT_STREAM

TABLE = outbox_table(sa.MetaData(), "gateway")
LOG = (
    "create table identity.log (event_id uuid primary key); create view identity.audit_stored as select * from identity.log;"
    "grant select on identity.audit_stored to pulse_published"
)


@pytest.fixture
async def db(postgres_database: dict[str, str]) -> AsyncIterator[Database]:
    made = Database(postgres_database["pulse_gateway"], pool_size=2, application_name="test", outbox=TABLE)
    async with made.engine.begin() as connection:
        await connection.run_sync(TABLE.create)
    yield made
    await made.dispose()


@pytest.fixture
async def identity(postgres_database: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_database["pulse_identity"])
    yield connection
    await connection.close()


@pytest.fixture
async def redis(valkey_database: str) -> AsyncIterator[Redis]:
    client = connect_redis(valkey_database)
    yield client
    await client.aclose()


async def _tell(db: Database, count: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    async with db.transaction() as session:
        for event_id in ids:
            event = AuditEvent(
                id=event_id,
                at=datetime.now(UTC),
                service="gateway",
                actor=AuditActor(kind="service", id="gateway", name="gateway"),
                action="thing.changed",
                resource=AuditResource(type="thing", id="1"),
                outcome=AuditOutcome.SUCCESS,
            )
            await append(session, AUDIT_STREAM, event)
    return ids


async def _published(redis: Redis) -> list[UUID]:
    entries = await StreamReader(redis, AUDIT_STREAM).read(START, count=100_000)
    return [AuditEvent.model_validate_json(entry).id for _, entry in entries]


async def _left(db: Database) -> int:
    async with db.read() as session:
        return int(await session.scalar(sa.select(sa.func.count()).select_from(TABLE)) or 0)


async def test_a_row_goes_when_the_log_has_its_event_and_not_before(db, redis, identity):
    await identity.execute(LOG)
    relay = OutboxRelay(db, TABLE, redis)
    first, second = await _tell(db, 2)
    assert await relay.forget_stored() == 0
    assert (await relay.publish_pending(), await relay.publish_pending()) == (2, 0)
    assert (await relay.forget_stored(), await _left(db)) == (0, 2)
    await identity.execute("insert into identity.log values ($1)", first)
    assert (await relay.forget_stored(), await _left(db)) == (1, 1)
    await identity.execute("insert into identity.log values ($1)", second)
    assert (await relay.forget_stored(), await _left(db)) == (1, 0)
    assert await _published(redis) == [first, second]


async def test_what_redis_lost_is_published_again(db, redis, identity, monkeypatch):
    monkeypatch.setattr(outbox_module, "AGAIN_SECONDS", 0.2)
    await identity.execute(LOG)
    (event_id,) = await _tell(db)
    stop = asyncio.Event()
    running = asyncio.create_task(OutboxRelay(db, TABLE, redis).worker().run(stop))
    async with asyncio.timeout(20):
        while not await _published(redis):
            await asyncio.sleep(0.01)
        await redis.flushdb()
        while not await _published(redis):
            await asyncio.sleep(0.01)
        await identity.execute("insert into identity.log values ($1)", event_id)
        while await _left(db):
            await asyncio.sleep(0.01)
    assert set(await _published(redis)) == {event_id}
    stop.set()
    await running


async def test_without_a_log_to_look_at_events_are_published_and_kept(db, redis):
    relay = OutboxRelay(db, TABLE, redis)
    ids = await _tell(db, 3)
    assert await relay.publish_pending() == 3
    assert await relay.forget_stored() == 0
    assert (await _published(redis), await _left(db)) == (ids, 3)
