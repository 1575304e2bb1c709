"""Refusals and looks at data reach the audit stream, each kind once a minute with its number, whatever is away."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from pulse_chassis.audit import MAX_KINDS, MAX_STRANGERS, AuditTrail
from pulse_chassis.clock import ManualClock
from pulse_chassis.database import Database
from pulse_chassis.errors import UnavailableError
from pulse_chassis.outbox import OutboxRelay, outbox_table
from pulse_chassis.request_origin import RequestOrigin, request_origin
from pulse_chassis.streams import START, StreamGroup, StreamReader, StreamWriter, connect_redis
from pulse_contracts.audit import AuditActor, AuditEvent, AuditOutcome, AuditResource
from pulse_contracts.streams import AUDIT_STREAM

TABLE = outbox_table(sa.MetaData(), "gateway")
MINUTE = timedelta(minutes=1).total_seconds()
ROUTE = AuditResource(type="route", id="GET /api/users")
STRANGER = RequestOrigin("192.0.2.1", "r-1")


@pytest.fixture
async def db(postgres_database: dict[str, str]) -> AsyncIterator[Database]:
    made = Database(postgres_database["pulse_gateway"], pool_size=2, application_name="test", outbox=TABLE)
    async with made.engine.begin() as connection:
        await connection.run_sync(TABLE.create)
    yield made
    await made.dispose()


@pytest.fixture
async def redis(valkey_database: str) -> AsyncIterator[Redis]:
    client = connect_redis(valkey_database)
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def trail(db: Database, clock: ManualClock) -> AuditTrail:
    return AuditTrail("gateway", db, clock)


def refuse(trail: AuditTrail, origin: RequestOrigin = STRANGER, resource: AuditResource = ROUTE) -> None:
    with request_origin(origin):
        trail.note("request.refused", resource, AuditOutcome.REFUSED, "forbidden")


async def told(db: Database, redis: Redis) -> list[AuditEvent]:
    while await OutboxRelay(db, TABLE, redis).publish_pending():
        pass
    entries = await StreamReader(redis, AUDIT_STREAM).read(START, count=100_000)
    return [AuditEvent.model_validate_json(entry) for _, entry in entries]


async def test_the_first_is_told_at_once_and_its_repetitions_as_one_a_minute_later(db, redis, clock, trail) -> None:
    for _ in range(1000):
        refuse(trail)
    await trail.write()
    (first,) = await told(db, redis)
    assert (first.count, first.address, first.request_id, first.reason) == (1, "192.0.2.1", "r-1", "forbidden")
    clock.advance(MINUTE)
    await trail.write()
    first, rest = await told(db, redis)
    assert (first.count, rest.count) == (1, 999)
    refuse(trail)
    await trail.write()
    assert [event.count for event in await told(db, redis)] == [1, 999, 1]


async def test_people_and_places_are_told_apart(db, redis, trail) -> None:
    names = ("ann", "bob")
    for _ in range(3):
        for name in names:
            refuse(trail, RequestOrigin("192.0.2.1", None, AuditActor(kind="user", id=name, name=name)))
        refuse(trail, RequestOrigin("192.0.2.2", None))
    await trail.write()
    assert [(event.actor.name, event.address) for event in await told(db, redis)] == [
        ("ann", "192.0.2.1"),
        ("bob", "192.0.2.1"),
        (None, "192.0.2.2"),
    ]


async def test_a_flood_of_different_refusals_is_bounded_and_counted(db, redis, trail) -> None:
    flood = 3 * MAX_KINDS
    for number in range(flood):
        refuse(trail, RequestOrigin("192.0.2.1", None, AuditActor(kind="user", id=str(number))))
    await trail.write(is_last=True)
    events = await told(db, redis)
    assert len(events) <= MAX_KINDS + 2
    assert sum(event.count for event in events) == flood


async def test_a_flood_by_strangers_is_bounded_sooner_and_hides_nobody_known(db, redis, clock, trail) -> None:
    flood = 3 * MAX_KINDS
    for number in range(flood):
        refuse(trail, RequestOrigin(f"2001:db8::{number:x}", None))
    refuse(trail, RequestOrigin("192.0.2.1", None, AuditActor(kind="user", id="ann", name="ann")))
    await trail.write(is_last=True)
    events = await told(db, redis)
    assert len(events) <= MAX_STRANGERS + 3
    assert sum(event.count for event in events) == flood + 1
    assert [event.address for event in events if event.actor.name == "ann"] == ["192.0.2.1"]
    for number in range(MAX_STRANGERS):
        refuse(trail, RequestOrigin(f"2001:db8:1::{number:x}", None))
    await trail.write(is_last=True)
    assert "2001:db8:1::c7" in [event.address for event in await told(db, redis)]


async def test_nothing_is_lost_while_the_database_is_away(db, redis, trail, postgres_server) -> None:
    refuse(trail)
    postgres_server.stop()
    with pytest.raises(UnavailableError):
        await trail.write()
    postgres_server.start()
    refuse(trail)
    await trail.write(is_last=True)
    assert [event.count for event in await told(db, redis)] == [1, 1]


async def test_a_group_gives_an_entry_again_until_it_is_acknowledged(redis: Redis) -> None:
    group = StreamGroup(redis, AUDIT_STREAM, "g")
    await group.open()
    await group.open()
    await StreamWriter(redis, AUDIT_STREAM, 100).append_many([b"a", b"b"])
    ((first, _), _) = await group.read()
    assert await group.read(block_ms=10) == []
    await group.acknowledge([first])
    await group.acknowledge([])
    assert [entry for _, entry in await StreamGroup(redis, AUDIT_STREAM, "g").read_unacknowledged()] == [b"b"]


async def test_a_group_that_is_gone_is_an_outage(redis: Redis) -> None:
    group = StreamGroup(redis, AUDIT_STREAM, "g")
    with pytest.raises(UnavailableError):
        await group.read()
    await group.open()
    assert await group.read() == []
