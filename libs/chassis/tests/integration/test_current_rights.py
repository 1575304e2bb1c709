"""What a token claims gives way to what holds now, once identity announced a change."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from pulse_chassis import streams
from pulse_chassis.bearer import Authority, generate_signing_key, issue_access_token, public_jwk
from pulse_chassis.clock import ManualClock
from pulse_chassis.current_rights import DOUBT_SECONDS, MAX_USERS, CurrentRights, Rights, published_rights
from pulse_chassis.database import Database
from pulse_chassis.errors import UnauthorizedError, UnavailableError
from pulse_chassis.principal import Principal
from pulse_chassis.revocations import RevokedSessions
from pulse_contracts.streams import ACCESS_STREAM, AccessChanged

CLAIMED = frozenset({"things:read", "things:write"})
LEFT = Rights(is_active=True, roles=("reader",), permissions=frozenset({"things:read"}))


def _principal(user_id: UUID) -> Principal:
    return Principal(user_id, "ann", ("writer",), CLAIMED, uuid4(), datetime.now(UTC) + timedelta(minutes=10))


class Asked:
    """A provider of rights that counts, waits when told to and fails when told to."""

    def __init__(self) -> None:
        self.users: list[UUID] = []
        self.rights: Rights | None = LEFT
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, user_id: UUID) -> Rights | None:
        self.users.append(user_id)
        found = self.rights
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return found


@pytest.fixture
async def revoked(valkey_server):
    redis = streams.connect_redis(valkey_server.new_database())
    yield RevokedSessions(redis)
    await redis.aclose()


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def rights(revoked, asked, clock) -> CurrentRights:
    return CurrentRights(revoked, asked, clock=clock)


def _changed(user_id: UUID) -> AccessChanged:
    return AccessChanged(kind="user", user_id=user_id)


async def test_tokens_are_believed_until_a_change_is_announced_and_then_for_nobody_else(rights, asked):
    ann, bob = _principal(uuid4()), _principal(uuid4())
    assert await rights.now(ann) is ann
    rights.note(AccessChanged(kind="share", user_id=ann.user_id, device_id="d"))
    assert await rights.now(ann) is ann
    rights.note(_changed(ann.user_id))
    for _ in range(3):
        now = await rights.now(ann)
        assert (now.roles, now.permissions) == (("reader",), LEFT.permissions)
        assert (now.user_id, now.session_id, now.expires_at) == (ann.user_id, ann.session_id, ann.expires_at)
    assert await rights.now(bob) is bob
    assert asked.users == [ann.user_id]


@pytest.mark.parametrize("change", [AccessChanged(kind="role"), None], ids=["a role changed", "news may be lost"])
async def test_a_changed_role_or_a_lost_stream_concerns_everybody(rights, asked, change):
    ann, bob = _principal(uuid4()), _principal(uuid4())
    rights.note(change)
    assert {(await rights.now(who)).permissions for who in (ann, bob)} == {LEFT.permissions}
    assert asked.users == [ann.user_id, bob.user_id]


async def test_after_a_tokens_life_the_claims_are_newer_than_the_change(rights, asked, clock):
    ann = _principal(uuid4())
    rights.note(_changed(ann.user_id))
    clock.advance(DOUBT_SECONDS - 1)
    assert await rights.now(ann) is not ann
    clock.advance(2)
    assert await rights.now(ann) is ann


async def test_a_crowd_asks_once_and_an_answer_from_before_a_change_is_asked_for_again(rights, asked):
    ann = _principal(uuid4())
    rights.note(_changed(ann.user_id))
    asked.gate.clear()
    crowd = [asyncio.create_task(rights.now(ann)) for _ in range(20)]
    given_up = asyncio.create_task(rights.now(ann))
    async with asyncio.timeout(10):
        while not asked.users:
            await asyncio.sleep(0)
    given_up.cancel()
    rights.note(_changed(ann.user_id))
    asked.rights = Rights(is_active=True, roles=(), permissions=frozenset())
    asked.gate.set()
    assert {(await waiting).permissions for waiting in crowd} == {frozenset()}
    assert len(asked.users) == 2


async def test_who_is_gone_or_cannot_be_looked_up_is_refused_and_others_go_on(rights, asked):
    ann, bob = _principal(uuid4()), _principal(uuid4())
    rights.note(_changed(ann.user_id))
    asked.error = UnavailableError("the database is away")
    with pytest.raises(UnavailableError):
        await rights.now(ann)
    assert await rights.now(bob) is bob
    asked.error = None
    for gone in (None, Rights(is_active=False, roles=(), permissions=CLAIMED)):
        asked.rights = gone
        rights.note(_changed(ann.user_id))
        with pytest.raises(UnauthorizedError) as refused:
            await rights.now(ann)
        assert refused.value.code == "user_inactive"


async def test_memory_is_bounded_and_beyond_it_everybody_is_looked_up(rights, asked):
    for _ in range(MAX_USERS + 1):
        rights.note(_changed(uuid4()))
    assert len(rights._changed) <= MAX_USERS
    ann = _principal(uuid4())
    assert (await rights.now(ann)).permissions == LEFT.permissions


async def _is_refused(authority: Authority, token: str) -> bool:
    try:
        await authority.verify(token)
    except UnauthorizedError:
        return True
    return False


async def test_the_whole_way_from_the_announcement_to_the_verified_token(valkey_server, postgres_database):
    identity = await asyncpg.connect(postgres_database["pulse_identity"])
    await identity.execute(
        "create table identity.stub (user_id uuid, is_active bool, roles text[], permissions text[]);"
        "create view identity.user_authority as select * from identity.stub;"
        "grant select on identity.user_authority to pulse_published"
    )
    user_id, key = uuid4(), generate_signing_key("test")
    await identity.execute("insert into identity.stub values ($1, true, '{reader}', '{things:read}')", user_id)

    async def published():
        return {"keys": [public_jwk(key)]}

    redis = streams.connect_redis(valkey_server.new_database())
    database = Database(postgres_database["pulse_ingest"], pool_size=2, application_name="test")
    revoked, stop = RevokedSessions(redis), asyncio.Event()
    authority = Authority(published, revoked=revoked, rights=CurrentRights(revoked, published_rights(database)))
    running = asyncio.create_task(revoked.run(stop))
    token = issue_access_token(
        key,
        user_id=user_id,
        username="ann",
        roles=["writer"],
        permissions=sorted(CLAIMED),
        session_id=uuid4(),
        now=datetime.now(UTC),
    )
    assert (await authority.verify(token)).permissions == CLAIMED
    writer = streams.StreamWriter(redis, ACCESS_STREAM, 1000)
    await writer.append(_changed(user_id).model_dump_json().encode())
    async with asyncio.timeout(10):
        while (await authority.verify(token)).permissions != {"things:read"}:
            await asyncio.sleep(0.005)
    await identity.execute("delete from identity.stub")
    # The stream is lost with its announcement; that it is another one says that something may have been missed.
    await redis.flushdb()
    await writer.append(_changed(uuid4()).model_dump_json().encode())
    async with asyncio.timeout(10):
        while not await _is_refused(authority, token):
            await asyncio.sleep(0.005)
    stop.set()
    await running
    await database.dispose()
    await redis.aclose()
    await identity.close()
