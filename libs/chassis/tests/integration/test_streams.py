"""Streams on a real Valkey: order, epochs, positions, what trimming does, what an outage looks like."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from pulse_chassis.errors import UnavailableError
from pulse_chassis.streams import START, StreamReader, StreamWriter, connect_redis, entry_exists, epoch, ping, position

STREAM = "pulse:test"


@pytest.fixture
async def redis(valkey_database: str) -> AsyncIterator[Redis]:
    client = connect_redis(valkey_database)
    yield client
    await client.aclose()


async def test_entries_are_read_in_the_order_in_which_they_were_appended(redis: Redis) -> None:
    writer, reader = StreamWriter(redis, STREAM, 1000), StreamReader(redis, STREAM)
    ids = await writer.append_many([str(number).encode() for number in range(250)])
    ids.append(await writer.append(b"last"))
    assert len(set(ids)) == 251
    first = await reader.read(START, count=100)
    rest = await reader.read(first[-1][0], count=1000)
    assert [entry_id for entry_id, _ in first + rest] == ids
    assert [entry for _, entry in first + rest] == [*(str(number).encode() for number in range(250)), b"last"]
    assert await reader.read(ids[-1]) == []
    assert await writer.append_many([]) == []


async def test_a_blocked_read_wakes_for_the_next_entry(redis: Redis) -> None:
    reader = StreamReader(redis, STREAM)
    reading = asyncio.create_task(reader.read(await position(redis, STREAM), block_ms=5000))
    async with asyncio.timeout(5):
        while not any(int(c["flags"] == "b") for c in await redis.client_list()):
            await asyncio.sleep(0.005)
        entry_id = await StreamWriter(redis, STREAM, 10).append(b"news")
        assert await reading == [(entry_id, b"news")]
    assert await reader.read(entry_id, block_ms=1) == []


async def test_reading_back_starts_at_an_id_or_just_before_it(redis: Redis) -> None:
    ids = await StreamWriter(redis, STREAM, 100).append_many([b"0", b"1", b"2"])
    reader = StreamReader(redis, STREAM)
    assert [entry for _, entry in await reader.read_back(ids[1])] == [b"1", b"0"]
    assert [entry for _, entry in await reader.read_back(f"({ids[1]}")] == [b"0"]
    assert [entry for _, entry in await reader.read_back("+", count=2)] == [b"2", b"1"]


@pytest.mark.parametrize("block_ms", [0, -1, 5001])
async def test_a_read_that_could_wait_for_ever_is_refused(redis: Redis, block_ms: int) -> None:
    with pytest.raises(ValueError, match="block_ms"):
        await StreamReader(redis, STREAM).read(START, block_ms=block_ms)


async def test_everybody_sees_one_epoch_whoever_comes_first(redis: Redis) -> None:
    epochs = await asyncio.gather(*(epoch(redis, STREAM) for _ in range(10)))
    assert len(set(epochs)) == 1
    await StreamWriter(redis, STREAM, 10).append(b"x")
    assert await epoch(redis, STREAM) == epochs[0]


async def test_a_stream_that_lost_its_data_has_a_new_epoch_with_its_first_entry(redis: Redis) -> None:
    writer = StreamWriter(redis, STREAM, 10)
    await writer.append(b"x")
    before = await epoch(redis, STREAM)
    await redis.flushdb()
    await writer.append(b"y")
    assert await redis.exists(f"{STREAM}:epoch") == 1
    assert await epoch(redis, STREAM) != before


async def test_the_position_is_the_newest_id_ever_also_after_trimming(redis: Redis) -> None:
    assert await position(redis, STREAM) == START
    writer = StreamWriter(redis, STREAM, 10)
    ids = await writer.append_many([b"x"] * 5)
    assert await position(redis, STREAM) == ids[-1]
    await redis.xtrim(STREAM, maxlen=0, approximate=False)
    assert await position(redis, STREAM) == ids[-1]


async def test_a_trimmed_entry_is_known_to_be_gone(redis: Redis) -> None:
    ids = await StreamWriter(redis, STREAM, 10).append_many([b"x"] * 3)
    assert await entry_exists(redis, STREAM, ids[0])
    await redis.xtrim(STREAM, maxlen=1, approximate=False)
    assert [await entry_exists(redis, STREAM, entry_id) for entry_id in ids] == [False, False, True]
    # The reason for asking: reading on from the trimmed one says nothing about the hole.
    assert [entry_id for entry_id, _ in await StreamReader(redis, STREAM).read(ids[0])] == [ids[2]]


async def test_a_stream_stays_near_its_bound(redis: Redis) -> None:
    writer = StreamWriter(redis, STREAM, 500)
    for _ in range(20):
        await writer.append_many([b"x"] * 200)
    assert await redis.xlen(STREAM) < 1000


async def test_an_outage_is_unavailable_and_ends_by_itself(redis: Redis, valkey_server: Any) -> None:
    writer, reader = StreamWriter(redis, STREAM, 10), StreamReader(redis, STREAM)
    await ping(redis)
    await writer.append(b"before")
    await asyncio.to_thread(valkey_server.stop)
    try:
        for call in (
            ping(redis),
            writer.append(b"x"),
            reader.read(START),
            reader.read(START, block_ms=10),
            epoch(redis, STREAM),
            position(redis, STREAM),
            entry_exists(redis, STREAM, "1-1"),
        ):
            with pytest.raises(UnavailableError):
                await call
    finally:
        await asyncio.to_thread(valkey_server.start)
    await ping(redis)
    await writer.append(b"after")


async def test_something_else_under_the_name_is_refused(redis: Redis) -> None:
    await redis.set(STREAM, "not a stream")
    with pytest.raises(UnavailableError):
        await StreamWriter(redis, STREAM, 10).append(b"x")
