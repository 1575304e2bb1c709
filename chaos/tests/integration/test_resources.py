"""What a soak reads from a real Valkey."""

import redis.asyncio as redis_client

from pulse_chaos.resources import beside_the_streams
from pulse_contracts.streams import ENTRY_FIELD, TELEMETRY_STREAM


async def test_a_stream_whose_later_entries_are_larger_is_not_taken_for_memory_beside_it(valkey_server) -> None:
    """Valkey's own estimate takes a stream's first entries for all: it named 82 MiB that were in the stream."""
    async with redis_client.Redis.from_url(valkey_server.new_database()) as redis:
        before = await beside_the_streams(redis)
        for size in (100, 8_000):
            adding = redis.pipeline(transaction=False)
            for _ in range(2_000):
                adding.xadd(TELEMETRY_STREAM, {ENTRY_FIELD: b"x" * size})
            await adding.execute()
        estimated = await redis.memory_usage(TELEMETRY_STREAM)
        counted = await redis.memory_usage(TELEMETRY_STREAM, samples=0)
        assert counted - estimated > 4 * 2**20
        assert abs(await beside_the_streams(redis) - before) < 2 * 2**20
