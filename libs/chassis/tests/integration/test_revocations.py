"""A session that identity announced as ended is refused by every service that follows the announcements."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from pulse_chassis import streams
from pulse_chassis.clock import SystemClock
from pulse_chassis.revocations import MAX_SESSIONS, RevokedSessions
from pulse_contracts.streams import ACCESS_STREAM, AccessChanged


async def _running(revoked):
    stop = asyncio.Event()
    return stop, asyncio.create_task(revoked.run(stop))


async def _until(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def _entry(session_id) -> bytes:
    return AccessChanged(kind="session_revoked", user_id=uuid4(), session_id=session_id).model_dump_json().encode()


async def test_an_ended_session_is_known_within_a_second_and_from_before_the_start(valkey_server):
    redis = streams.connect_redis(valkey_server.new_database())
    writer = streams.StreamWriter(redis, ACCESS_STREAM, 1000)
    before, after = uuid4(), uuid4()
    await writer.append(_entry(before))
    revoked = RevokedSessions(redis)
    stop, task = await _running(revoked)
    await _until(lambda: before in revoked)
    await writer.append(b"not json")
    await writer.append(_entry(after))
    await _until(lambda: after in revoked, seconds=1.0)
    assert uuid4() not in revoked
    stop.set()
    await task
    await redis.aclose()


async def test_a_wiped_redis_is_followed_again_and_forgets_nothing(valkey_server):
    redis = streams.connect_redis(valkey_server.new_database())
    writer = streams.StreamWriter(redis, ACCESS_STREAM, 1000)
    first, second = uuid4(), uuid4()
    revoked = RevokedSessions(redis)
    stop, task = await _running(revoked)
    await writer.append(_entry(first))
    await _until(lambda: first in revoked)
    await redis.flushdb()
    await writer.append(_entry(second))
    await _until(lambda: second in revoked)
    assert first in revoked
    stop.set()
    await task
    await redis.aclose()


async def test_memory_is_bounded_and_what_no_token_can_outlive_is_forgotten(valkey_server):
    redis = streams.connect_redis(valkey_server.new_database())
    revoked = RevokedSessions(redis)
    now_ms = int(SystemClock().now().timestamp() * 1000)
    old, sessions = uuid4(), [uuid4() for _ in range(MAX_SESSIONS + 10)]
    revoked.take([(f"{now_ms - 3_600_000}-0", _entry(old))])
    revoked.take([(f"{now_ms}-{n}", _entry(session)) for n, session in enumerate(sessions)])
    assert old not in revoked
    assert [session in revoked for session in (sessions[0], sessions[9], sessions[10], sessions[-1])] == [
        False,
        False,
        True,
        True,
    ]
    await redis.aclose()
